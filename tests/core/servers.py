"""Servers on the loopback: one that hands out files, also badly, and a hub small enough to see all of."""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

COMMIT = "ab" * 20


@dataclass
class Server:
    """What is asked of a server, and what it says: `files` by path; `cut` are broken off; `gated` begin the paths that
    it refuses; `busy` is a status for all of them.
    """

    files: Mapping[str, bytes]
    cut: tuple[str, ...] = ()
    gated: tuple[str, ...] = ()
    busy: int = 0
    asked: list[str] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = unquote(self.path.partition("?")[0])
            server.asked.append(f"{self.command} {path}")
            if server.busy:
                self.reply(server.busy, b"", {})
                return
            if path.startswith(server.gated) and server.gated:
                self.reply(403, b"no", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"})
                return
            body = server.files.get(path)
            self.reply(
                404 if body is None else 200,
                body or b"",
                {} if body is None else {"ETag": f'"{hashlib.sha1(body).hexdigest()}"', "X-Repo-Commit": COMMIT},
                path in server.cut,
            )

        do_HEAD = do_GET

        def reply(self, status: int, body: bytes, headers: Mapping[str, str], cut: bool = False) -> None:
            self.send_response(status)
            # a client told so does not ask again as it closes
            said = {**headers, "Content-Length": str(len(body)), "Connection": "close"}
            for name, value in said.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body[: len(body) // 2] if cut else body)

        def log_message(self, *args: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
    server.url = f"http://127.0.0.1:{listening.server_port}"
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()


def repository(kind: str, name: str, revision: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The paths under which a hub answers for a repository of one commit; kind is models or datasets."""
    listing = [
        {"type": "file", "path": p, "size": len(b), "oid": hashlib.sha1(b).hexdigest()} for p, b in files.items()
    ]
    told = {"id": name, "sha": COMMIT, "siblings": [{"rfilename": p} for p in files]}
    root = f"/{'datasets/' if kind == 'datasets' else ''}{name}/resolve"
    return {
        f"/api/{kind}/{name}/revision/{revision}": json.dumps(told).encode(),
        f"/api/{kind}/{name}/tree/{COMMIT}": json.dumps(listing).encode(),
        **{f"{root}/{at}/{p}": b for at in {revision, COMMIT} for p, b in files.items()},
    }
