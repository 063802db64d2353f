"""A real judge on loopback: an OpenAI-compatible server that prefers the longer output, is biased to the first, and
fails on demand.
"""

import asyncio
import json
import math
import threading
import time
from collections import Counter
from collections.abc import Callable

FIRST_BIAS = 0.7  # in logits: swapping the outputs does not mirror the preference
RETRY_AFTER_S, LONG_S = 0.15, 700.0
SLOW_S = 60.0
FAULTS = (
    "429",
    "429 busy",
    "500",
    "400",
    "slow",
    "closed",
    "malformed",
    "not json",
    "no logprobs",
    "other tokens",
    "no usage",
)
BODIES = {"malformed": '{"choices": "none"}', "not json": '{"choices": ['}
QUOTED = '"output": """'


def logits(shown_first: str, shown_second: str) -> float:
    """Log odds of `m`, the output that is shown first."""
    return FIRST_BIAS + (len(shown_first) - len(shown_second)) / 50


class JudgeServer:
    """Use as a context; `requests` holds every body received, `arrivals` its prompts and when (monotonic).

    `faults` maps a text of a request to what happens to the requests that hold it, one after another, the last for
    ever: "ok", one of FAULTS, "401", "404", "429 long", "400 long", "quota", "filtered" or "held". Where none
    does, `choose` says what happens to the n-th request of a prompt.
    """

    def __init__(
        self, latency_s: float = 0.0, choose: Callable[[str, int], str] = lambda prompt, nth: "ok", port: int = 0
    ) -> None:
        self.latency_s, self.choose, self.port = latency_s, choose, port
        self.requests: list[dict] = []
        self.heads: list[str] = []
        self.arrivals: list[tuple[str, float]] = []
        self.rests: list[tuple[str, float]] = []  # prompts that were told to Retry-After, and when that is over
        self.faults: dict[str, list[str]] = {}
        self.times: Counter[str] = Counter()
        self.paid: Counter[str] = Counter()  # answers, by prompt
        self.num_open = self.most_open = 0
        self.release_at = 0  # requests after which those that are "held" are answered
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> "JudgeServer":
        self.thread.start()
        self.server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self.serve, "127.0.0.1", self.port, limit=1 << 22), self.loop
        ).result()
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def _close(self) -> None:
        self.server.close()
        mine = asyncio.current_task()
        for task in asyncio.all_tasks() - {mine}:
            task.cancel()
        await asyncio.gather(*(asyncio.all_tasks() - {mine}), return_exceptions=True)

    def take(self, body: dict) -> str:
        """Record a request and say what happens to it."""
        text = body["messages"][-1]["content"]
        self.requests.append(body)
        self.arrivals.append((text, time.monotonic()))
        self.times[text] += 1
        kinds = next((kinds for mark, kinds in self.faults.items() if mark in text), None)
        kind = self.choose(text, self.times[text]) if not kinds else kinds.pop(0) if len(kinds) > 1 else kinds[0]
        self.paid[text] += kind in ("ok", "no usage")
        return kind

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not reader.at_eof():
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                body = json.loads(await reader.readexactly(int(headers.get("content-length", 0))) or "{}")
                self.heads.append(head)
                kind = (
                    self.take(body)
                    if head.startswith("POST ") and head.split()[1].endswith("/v1/chat/completions")
                    else "404"
                )
                self.num_open += kind != "slow"  # which its client has long given up
                self.most_open = max(self.most_open, self.num_open)
                while kind == "held" and len(self.requests) < self.release_at:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
                await asyncio.sleep(SLOW_S if kind == "slow" else self.latency_s)
                self.num_open -= kind != "slow"
                if kind == "closed":
                    return
                if kind == "429":
                    self.rests.append((body["messages"][-1]["content"], time.monotonic() + RETRY_AFTER_S))
                writer.write(answer(body, kind, headers.get("authorization", "")))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


def answer(body: dict, kind: str, key: str) -> bytes:
    status = 429 if kind == "quota" else int(kind[:3]) if kind[:3].isdigit() else 200
    told = "insufficient_quota" if kind == "quota" else f"wrong key {key}"  # servers do repeat it
    told = "so many words " * 40 if kind.endswith("long") else told
    text = (
        json.dumps({"error": {"message": f"{told} {key}", "code": told}})
        if status != 200
        else BODIES.get(kind) or completion_text(body, kind)
    )
    rest_s = {"429": RETRY_AFTER_S, "429 long": LONG_S}.get(kind)
    extra = f"Retry-After: {rest_s}\r\n" if rest_s else ""
    data = text.encode()
    return (
        f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{extra}Content-Length: {len(data)}\r\n\r\n".encode()
        + data
    )


def completion_text(body: dict, kind: str) -> str:
    """A chat completion of one token with the top log-probabilities of m and M."""
    prompt = body["messages"][-1]["content"]
    first = prompt.split(QUOTED, 1)[1].rsplit('"""\n    },', 1)[0]
    second = prompt.rsplit(QUOTED, 1)[1].rsplit('"""\n    }\n}', 1)[0]
    odds = logits(first, second)
    tops = {"m": -math.log1p(math.exp(-odds)), "M": -math.log1p(math.exp(odds)), "The": -20.0}
    if kind == "other tokens":
        tops = {"The": -0.1, "Both": -3.0}
    token = max(tops, key=tops.get)
    content = [{"token": t, "logprob": p, "bytes": None} for t, p in tops.items()]
    logprobs = None if kind == "no logprobs" else {"content": [content[0] | {"token": token, "top_logprobs": content}]}
    message = {"role": "assistant", "content": token}
    choice = {"index": 0, "finish_reason": "length", "message": message, "logprobs": logprobs}
    if kind == "filtered":
        choice |= {"finish_reason": "content_filter", "message": message | {"content": None}, "logprobs": None}
    said = {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"] + "-served",
        "choices": [choice],
    }
    usage = {"prompt_tokens": len(prompt), "completion_tokens": 1, "total_tokens": len(prompt) + 1}
    return json.dumps(said if kind == "no usage" else said | {"usage": usage})
