"""A real judge on loopback: an OpenAI-compatible server that prefers the longer output, is biased to the first, and fails on demand."""

import json
import math
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FIRST_BIAS = 0.7  # in logits: swapping the outputs does not mirror the preference


def logits(shown_first: str, shown_second: str) -> float:
    """Log odds of `m`, the output that is shown first."""
    return FIRST_BIAS + (len(shown_first) - len(shown_second)) / 50


class JudgeServer:
    """Use as a context; `requests` holds every body received.

    `faults` maps a text of a request to what happens to the requests that hold it, one after another, the last for ever:
    "500", "429", "401", "malformed", "not json", "no logprobs", "other tokens" or "ok".
    """

    def __init__(self) -> None:
        self.requests: list[dict] = []
        self.faults: dict[str, list[str]] = {}
        self.lock = threading.Lock()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/v1"

    def __enter__(self) -> "JudgeServer":
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()

    def take(self, body: dict) -> str:
        """Record a request and say what happens to it."""
        with self.lock:
            self.requests.append(body)
            text = body["messages"][-1]["content"]
            for mark, kinds in self.faults.items():
                if mark in text:
                    return kinds.pop(0) if len(kinds) > 1 else kinds[0]
        return "ok"


def completion(body: dict, kind: str) -> dict:
    """A chat completion of one token with the top log-probabilities of m and M."""
    prompt = body["messages"][-1]["content"]
    quoted = '"output": """'
    first = prompt.split(quoted, 1)[1].rsplit('"""\n    },', 1)[0]
    second = prompt.rsplit(quoted, 1)[1].rsplit('"""\n    }\n}', 1)[0]
    odds = logits(first, second)
    tops = {"m": -math.log1p(math.exp(-odds)), "M": -math.log1p(math.exp(odds)), "The": -20.0}
    if kind == "other tokens":
        tops = {"The": -0.1, "Both": -3.0}
    token = max(tops, key=tops.get)
    content = [{"token": t, "logprob": p, "bytes": None} for t, p in tops.items()]
    logprobs = None if kind == "no logprobs" else {"content": [content[0] | {"token": token, "top_logprobs": content}]}
    message = {"role": "assistant", "content": token}
    choice = {"index": 0, "finish_reason": "length", "message": message, "logprobs": logprobs}
    usage = {"prompt_tokens": len(prompt), "completion_tokens": 1, "total_tokens": len(prompt) + 1}
    return {"id": "x", "object": "chat.completion", "created": 0, "model": body["model"] + "-served", "choices": [choice], "usage": usage}


def _handler(server: JudgeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            kind = server.take(body) if self.path == "/v1/chat/completions" else "404"
            if kind.isdigit():
                told = f"wrong key {self.headers['Authorization']}"  # servers do repeat it
                self.reply(int(kind), json.dumps({"error": {"message": told, "code": told}}))
            elif kind == "malformed":
                self.reply(200, '{"choices": "none"}')
            elif kind == "not json":
                self.reply(200, '{"choices": [')
            else:
                self.reply(200, json.dumps(completion(body, kind)))

        def reply(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text.encode())))
            if status == 429:
                self.send_header("Retry-After", "1")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args: object) -> None:
            pass

    return Handler
