"""An endpoint on loopback that answers any request with what one function writes: endless, packed, slow, or pointing
elsewhere.
"""

import contextlib
import gzip
import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
ZEROS = bytes(1 << 20)


@contextlib.contextmanager
def serving(act: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[bytes]]]:
    """Its address and the requests that it got; `act` writes the whole answer."""
    listener, heads = socket.create_server(("127.0.0.1", 0)), []

    def one(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            while head := read_request(client):
                heads.append(head)
                act(client)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1", heads
    finally:
        listener.close()


def read_request(client: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(1 << 16)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(
        next((line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), 0)
    )
    while len(body) < length:
        body += client.recv(1 << 16)
    return head + b"\r\n\r\n" + body


def sent(body: bytes, status: str = "200 OK", headers: str = "") -> Callable[[socket.socket], None]:
    head = (
        f"HTTP/1.1 {status}\r\n{headers}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    )
    return lambda client: client.sendall(head + body)


def chunks(client: socket.socket, pieces: Iterator[bytes], headers: bytes = b"") -> None:
    client.sendall(HEAD + headers + b"Transfer-Encoding: chunked\r\n\r\n")
    for piece in pieces:
        client.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")


def forever(piece: bytes) -> Iterator[bytes]:
    while True:
        yield piece


def endless(client: socket.socket) -> None:
    chunks(client, forever(b" " * (1 << 20)))


def long_body(client: socket.socket) -> None:
    client.sendall(HEAD + b"Content-Length: 9999999999999\r\n\r\n")
    for piece in forever(b"[" * (1 << 20)):
        client.sendall(piece)


def bomb(kind: str) -> Callable[[socket.socket], None]:
    """2 GiB in 2 MB, or in many members of gzip."""
    if kind == "members":
        data = gzip.compress(ZEROS * 8) * 256
    else:
        packer = zlib.compressobj(9, zlib.DEFLATED, {"gzip": 31, "deflate": 15, "raw": -15}[kind])
        data = b"".join([*(packer.compress(ZEROS) for _ in range(2048)), packer.flush()])
    name = b"deflate" if kind in ("deflate", "raw") else b"gzip"
    return lambda client: client.sendall(
        HEAD + b"Content-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (name, len(data)) + data
    )


def headers_without_end(client: socket.socket) -> None:
    client.sendall(HEAD)
    for i in range(1 << 40):
        client.sendall(f"X-{i}: {'y' * 4000}\r\n".encode())


def one_header_without_end(client: socket.socket) -> None:
    client.sendall(HEAD + b"X: ")
    for piece in forever(b"y" * (1 << 20)):
        client.sendall(piece)


def informational(client: socket.socket) -> None:
    for piece in forever(b"HTTP/1.1 100 Continue\r\n\r\n" * 4000):
        client.sendall(piece)


def chunk_size_without_end(client: socket.socket) -> None:
    client.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;")
    for piece in forever(b"x" * (1 << 20)):
        client.sendall(piece)


def trailers_without_end(client: socket.socket) -> None:
    client.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n")
    for piece in forever(b"A: b\r\n" * 10000):
        client.sendall(piece)


def drip(client: socket.socket) -> None:
    client.sendall(HEAD + b"Content-Length: 5000\r\n\r\n")
    for _ in range(5000):
        client.sendall(b" ")
        time.sleep(0.02)


FLOODS = {
    "endless": endless,
    "long": long_body,
    "headers": headers_without_end,
    "header": one_header_without_end,
    "100": informational,
    "chunk size": chunk_size_without_end,
    "trailers": trailers_without_end,
    "drip": drip,
}


def completion(
    tops: str, usage: str = '{"prompt_tokens": 10, "completion_tokens": 1}', model: str = '"served"', more: str = ""
) -> bytes:
    """A chat completion in JSON text, so that it may hold what no JSON library writes."""
    logprobs = f'{{"content": [{{"token": "m", "logprob": 0, "top_logprobs": [{tops}]}}]}}'
    choice = f'{{"index": 0, "message": {{"role": "assistant", "content": "m"}}, "logprobs": {logprobs}{more}}}'
    return f'{{"model": {model}, "choices": [{choice}], "usage": {usage}}}'.encode()


def top(m: str, big: str) -> str:
    return f'{{"token": "m", "logprob": {m}}}, {{"token": "M", "logprob": {big}}}'


def error(message: str, **more: object) -> bytes:
    return json.dumps({"error": {"message": message, **more}}).encode()
