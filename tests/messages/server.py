"""A real HTTP server on loopback that keeps what is posted to it, and misbehaves on demand."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class MessageServer:
    """Use as a context. `mode`: ok, 500, hanging (no answer), or dripping (a byte of the answer now and then)."""

    def __init__(self, mode: str = "ok") -> None:
        self.mode, self.got = mode, []
        self.over = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                if outer.mode == "hanging":
                    outer.over.wait(60)
                    return
                if outer.mode == "dripping":
                    self.drip()
                    return
                self.send_response(500 if outer.mode == "500" else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def drip(self) -> None:
                try:
                    while not outer.over.wait(1):
                        self.wfile.write(b"H")
                except OSError:
                    pass

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True

    @property
    def address(self) -> str:
        """Of apprise's kind, with a password in it."""
        return f"json://me:{SECRET}@127.0.0.1:{self.http.server_port}/path"

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.got]

    def __enter__(self) -> "MessageServer":
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.http.shutdown()
        self.http.server_close()

    def wait(self, num: int, timeout_s: float = 60) -> list[dict]:
        limit = time.monotonic() + timeout_s
        while len(self.got) < num and time.monotonic() < limit:
            time.sleep(0.1)
        return self.got


SECRET = "hunter2hunter2"
