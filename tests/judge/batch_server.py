"""A real batch endpoint on loopback: files, batches, lists in pages, and faults in all of them, on demand."""

import json
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .server import completion_text

# What a line of output can be, beside "ok"; "lost" means that there is none.
LINE_FAULTS = (
    "500",
    "429",
    "no logprobs",
    "other tokens",
    "lost",
    "deep",
    "types",
    "huge number",
    "torn json",
    "expired",
)
EXTRAS = ("doubled", "unknown")  # lines beside good ones


class BatchServer:
    """`choose` says what happens to the n-th request of a custom_id; `asked` counts requests that were worked on by it,
    `good` answers that can be read.

    `faults` are faults of calls, taken in turn by "METHOD part-of-path": a status, "lost" (done, but not answered),
    "dropped" (not done), "short" (half of the body, with the length of all). `ends` are what becomes of batches in
    turn: a status or a mapping with fields of a batch; "completed" where there is none.
    """

    def __init__(
        self, choose: Callable[[str, int], str] = lambda key, nth: "ok", looks: int = 1, seed: int = 0
    ) -> None:
        self.choose, self.looks, self.rng = choose, looks, random.Random(seed)
        self.asked: Counter[str] = Counter()
        self.good: Counter[str] = Counter()
        self.faults: dict[str, list] = {}
        self.ends: list = []
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict] = {}
        self.calls: list[str] = []
        self.retry_after: float | None = None
        self.most_tokens = 0  # of batches that wait; 0: no limit
        self.page, self.lock = 2, threading.Lock()
        self.extras = 0.0
        self.usage: Callable[[str], int] = len  # tokens of a prompt
        self.used: Counter[str] = Counter()  # by custom_id
        self.called = 0  # questions asked call by call

    def __enter__(self) -> "BatchServer":
        self.server = _Server(("127.0.0.1", 0), Handler)
        self.server.owner, self.server.daemon_threads = self, True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    # -- what is asked

    def create(self, told: dict) -> tuple[int, dict]:
        if told["input_file_id"] not in self.files:
            return 400, {"error": {"message": "no such file", "param": "input_file_id"}}
        name, now = f"batch_{len(self.batches):04d}", int(time.time())
        end = self.ends.pop(0) if self.ends else "completed"
        made = {
            "id": name,
            "object": "batch",
            "created_at": now,
            "status": "validating",
            "metadata": told["metadata"],
            "input_file_id": told["input_file_id"],
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
            "output_file_id": None,
            "error_file_id": None,
            "errors": None,
        }
        lines = [json.loads(line) for line in self.files[told["input_file_id"]].splitlines()]
        if self.most_tokens and sum(len(json.dumps(line)) for line in lines) / 4 > self.most_tokens:
            message = f"Enqueued token limit reached for m. Limit: {self.most_tokens} enqueued tokens."
            end = {"status": "failed", "errors": {"data": [{"code": "token_limit_exceeded", "message": message}]}}
        self.batches[name] = made | {"_looks": self.looks, "_end": end, "_lines": lines}
        return 200, self.shown(name)

    def shown(self, name: str) -> dict:
        return {k: v for k, v in self.batches[name].items() if not k.startswith("_")}

    def look(self, name: str) -> dict:
        """The batch, a look older."""
        batch = self.batches[name]
        if batch["status"] in ("validating", "in_progress"):
            batch["_looks"] -= 1
            batch["status"] = "in_progress"
            batch["request_counts"]["total"] = len(batch["_lines"])
            if batch["_looks"] <= 0 and batch["_end"] != "stays":
                self.finish(batch)
        return self.shown(name)

    def work_off(self) -> None:
        """Be done with all batches, also those at which nobody looks: they cost as much."""
        for batch in self.batches.values():
            if batch["status"] in ("validating", "in_progress"):
                self.finish(batch)

    def finish(self, batch: dict) -> None:
        end = batch["_end"] if isinstance(batch["_end"], dict) else {"status": batch["_end"]}
        if end["status"] != "failed":
            share = 0.5 if end["status"] in ("cancelled", "expired") else 1.0
            worked = batch["_lines"][: int(len(batch["_lines"]) * share)]
            self.work(batch, worked, batch["_lines"][len(worked) :], end["status"])
        batch.update(end)

    def work(self, batch: dict, lines: list[dict], rest: list[dict], status: str) -> None:
        out, errors = [], []
        for line in lines:
            key = line["custom_id"]
            self.asked[key] += 1
            kind = self.choose(key, self.asked[key])
            self.good[key] += kind == "ok"
            tokens = self.usage(line["body"]["messages"][-1]["content"])
            self.used[key] += tokens
            (errors if kind in ("500", "429", "400", "expired") else out).append(line_of(line, kind, tokens))
            if kind == "ok" and self.rng.random() < self.extras:
                out.append(line_of(line, self.rng.choice(("no logprobs", "unknown")), tokens))
        counts = batch["request_counts"]
        counts["failed"], out = len(errors), [line for line in out if line is not None]
        counts["completed"] = 0 if any(line.startswith(b'{"torn') for line in out) else len(out)
        errors += [line_of(line, "expired") for line in rest if status == "expired"]
        counts["completed"] = len(out)
        _swap(out, self.rng)
        for field, found in (("output_file_id", out), ("error_file_id", errors)):
            if found:
                name = f"file-out-{len(self.files)}"
                self.files[name] = b"".join(line + b"\n" for line in found)
                batch[field] = name

    def listed(self, after: str) -> dict:
        names = sorted(self.batches, reverse=True)
        start = names.index(after) + 1 if after else 0
        page = names[start : start + self.page]
        return {"object": "list", "data": [self.shown(n) for n in page], "has_more": start + self.page < len(names)}


def _swap(lines: list[bytes], rng: random.Random) -> None:
    """Another order, in which a good line stays before its double."""
    lines.sort(key=lambda line: (b"no logprobs" in line, rng.random()))


def line_of(line: dict, kind: str, tokens: int = 0) -> bytes | None:
    """A line of output about a line of input."""
    key, told = line["custom_id"], {"id": "batch_req_1", "custom_id": line["custom_id"], "error": None}
    if kind == "lost":
        return None
    if kind in ("500", "429"):
        body = {"error": {"message": "try again", "code": "server_error"}}
        return json.dumps(told | {"response": {"status_code": int(kind), "body": body}}).encode()
    if kind == "400":
        body = {"error": {"message": "this prompt was refused", "code": "bad"}}
        return json.dumps(told | {"response": {"status_code": 400, "body": body}}).encode()
    if kind == "expired":
        error = {"code": "batch_expired", "message": "This request could not be executed before the window expired."}
        return json.dumps(told | {"response": None, "error": error}).encode()
    if kind == "deep":
        return b'{"custom_id": "%s", "response": %s%s}' % (key.encode(), b"[" * 90000, b"]" * 90000)
    if kind == "types":
        return json.dumps(told | {"response": {"status_code": "200", "body": [None]}}).encode()
    if kind == "huge number":
        return json.dumps(told).encode()[:-1] + b', "response": {"status_code": 200, "body": ' + b"9" * 9000 + b"}}"
    body = json.loads(completion_text(line["body"], kind if kind in ("no logprobs", "other tokens") else "ok"))
    body["usage"] |= {"prompt_tokens": tokens}
    whole = json.dumps(told | {"response": {"status_code": 200, "request_id": kind, "body": body}}).encode()
    if kind == "unknown":
        return whole.replace(key.encode(), b"0" * 64)
    return whole[: len(whole) // 2] if kind == "torn json" else whole


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Whoever asked was killed."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        owner: BatchServer = self.server.owner
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        path = self.path.removeprefix("/v1/")
        with owner.lock:
            owner.calls.append(f"{self.command} {path}")
            fault = next(
                (f.pop(0) for at, f in owner.faults.items() if f and re.match(at, f"{self.command} {path}")), None
            )
            if isinstance(fault, int):
                return self.answer(fault, json.dumps({"error": {"message": "on demand"}}).encode())
            status, said = (0, b"") if fault == "dropped" else self.act(owner, path, body)
        if fault in ("lost", "dropped"):
            self.close_connection = True
            return None
        return self.answer(status, said, short=fault == "short")

    def act(self, owner: BatchServer, path: str, body: bytes) -> tuple[int, bytes]:
        name = path.partition("?")[0].split("/")
        if self.command == "POST" and path == "files":
            found = re.search(rb'name="purpose"\r\n\r\nbatch\r\n.*?filename=.*?\r\n\r\n(.*)\r\n--', body, re.DOTALL)
            file = f"file-in-{len(owner.files)}"
            owner.files[file] = found[1]
            return 200, json.dumps({"id": file, "object": "file"}).encode()
        if name[0] == "files" and name[-1] == "content":
            return (200, owner.files[name[1]]) if name[1] in owner.files else (404, b"{}")
        if self.command == "POST" and path == "chat/completions":
            owner.called += 1
            return 200, completion_text(json.loads(body), "ok").encode()
        if self.command == "POST" and path == "batches":
            status, said = owner.create(json.loads(body))
            return status, json.dumps(said).encode()
        if name[-1] == "cancel":
            owner.batches[name[1]]["_end"], owner.batches[name[1]]["_looks"] = "cancelled", 0
            return 200, json.dumps(owner.shown(name[1])).encode()
        if name == ["batches"]:
            after = re.search(r"after=(\w+)", path)
            return 200, json.dumps(owner.listed(after[1] if after else "")).encode()
        if name[0] == "batches" and name[1] in owner.batches:
            return 200, json.dumps(owner.look(name[1])).encode()
        return 404, b'{"error": {"message": "unknown"}}'

    def answer(self, status: int, said: bytes, short: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        if self.server.owner.retry_after is not None and self.command == "GET":
            self.send_header("Retry-After", str(self.server.owner.retry_after))
        self.end_headers()
        self.wfile.write(said[: len(said) // 2] if short else said)
        self.close_connection = short

    do_GET = do_POST = handle_any

    def log_message(self, *_: object) -> None:
        pass
