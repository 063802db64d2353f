"""What another user could leave in a store: names of files, contents of claims, end records and ledger lines, each with
a word for it.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

from winsweep.judge import ledger
from winsweep.judge.questions import Judgement, Question

NOBODY = 65534
DEEP = b"[" * 200_000
QUESTION = Question("Q", "a", "b")
TOLD = Judgement(1.25, {"text": "m"}, "served", "2026-11-26T00:00:00+00:00", (100, 1))

BYTES: dict[str, bytes] = {
    "empty": b"",
    "NUL": b"\0",
    "zeros": bytes(4096),
    "random": bytes(range(256)),
    "half": b'{"kind": "killed", "rea',
    "no UTF-8": b'{"kind": "\xff"}',
    "deep": DEEP,
    "deep mapping": b'{"a":' * 100_000,
    "list": b"[]",
    "number": b"1",
    "digits": b"9" * 5000,
    "null": b"null",
    "text": b'"killed"',
    "empty mapping": b"{}",
    "surrogate": b'{"kind": "\\ud800"}',
    "escape": b"\x1b[2J",
    "lines": b"a\nb\n" * 1000,
    "long": b"a" * (2 << 20),
}

ENDS: dict[str, dict] = {
    "kind of a list": {"kind": ["killed"]},
    "kind of a number": {"kind": 7},
    "kind that steers": {"kind": "\x1b[31mdone"},
    "kind of two lines": {"kind": "a\nb"},
    "kind too long": {"kind": "k" * 400},
    "no kind": {"reason": "x", "progress": 1},
    "reason of a list": {"kind": "killed", "reason": ["x"]},
    "progress of a text": {"kind": "killed", "reason": "x", "progress": "far"},
    "progress of NaN": {"kind": "killed", "reason": "x", "progress": float("nan")},
    "progress without end": {"kind": "killed", "reason": "x", "progress": float("inf")},
    "progress below 0": {"kind": "killed", "reason": "x", "progress": -(10**30)},
    "progress of a yes": {"kind": "killed", "reason": "x", "progress": True},
    "progress of a list": {"kind": "killed", "reason": "x", "progress": [1]},
    "node of a list": {"kind": "node", "reason": "x", "node": ["n1"]},
    "begun of a text": {"kind": "node", "reason": "x", "begun": "now"},
    "begun of 1e300": {"kind": "node", "reason": "x", "begun": 1e300},
    "waiting without an end": {"kind": "waiting", "reason": "x"},
    "waiting for a text": {"kind": "waiting", "reason": "x", "until": "later"},
    "waiting for 1e300": {"kind": "waiting", "reason": "x", "until": 1e300},
    "waiting for NaN": {"kind": "waiting", "reason": "x", "until": float("nan")},
    "waiting for years": {"kind": "waiting", "reason": "x", "until": 4e9},
    "lacks a list": {"kind": "blocked", "reason": "x", "lacked": ["a"], "tried": 0, "was_made": False},
    "lacks what is outside": {"kind": "blocked", "reason": "x", "lacked": "../..", "tried": 0, "was_made": False},
    "lacks a NUL": {"kind": "blocked", "reason": "x", "lacked": "a/\0", "tried": 0, "was_made": False},
    "lacks without more": {"kind": "blocked", "reason": "x", "lacked": "make/aaaaaaaaaaaa"},
    "tried of a text": {"kind": "blocked", "reason": "x", "lacked": "a/b", "tried": "x", "was_made": False},
}

CLAIMS: dict[str, bytes] = BYTES | {
    "nobody": b"nobody",
    "three parts": b"host@1@2",
    "pid of a word": b"HOST@x@1.00@t",
    "pid below 0": b"HOST@-1@1.00@t",
    "pid too long": b"HOST@" + b"9" * 40 + b"@1.00@t",
    "started of a word": b"HOST@1@x@t",
    "started without end": b"HOST@1@inf@t",
    "started NaN": b"HOST@1@nan@t",
    "token that climbs": b"HOST@1@1.00@../../../etc",
    "another host": b"elsewhere@1@1.00@t",
}

NAMES = (  # of a claim
    "0000001",
    "1",
    "-00001",
    "+00001",
    " 00001",
    "000001.json",
    "9" * 250,
    "1" + "0" * 40,
    "1_0000",
    "٠٠٠٠٠٣",
    "²³",
    "000000",
    "00001e3",
    "a\nb",
    "x" * 255,
)


def special(kind: str, path: Path) -> None:
    """Something that is no ordinary file, at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    act: dict[str, Callable[[], object]] = {
        "a folder": path.mkdir,
        "a pipe": lambda: os.mkfifo(path),
        "a link to a device": lambda: path.symlink_to("/dev/zero"),
        "a link to itself": lambda: path.symlink_to(path.name),
        "a link to nothing": lambda: path.symlink_to("/nowhere/at/all"),
        "a terabyte": lambda: sparse(path, 1 << 40),
    }
    act[kind]()


SPECIAL = ("a folder", "a pipe", "a link to a device", "a link to itself", "a link to nothing", "a terabyte")


def sparse(path: Path, size: int) -> None:
    with open(path, "wb") as file:
        file.truncate(size)


def line(key: str, told: str) -> bytes:
    """A ledger line with these words, whose checksum is right."""
    return f'{{"key": "{key}", "sum": "{ledger._sum(key, told.encode())}", {told}}}'.encode()


def ledger_lines(judge: str) -> dict[str, bytes]:
    """Lines about QUESTION, asked of a judge, that are no judgement of it; most of them with a right checksum."""
    key, good = QUESTION.key(judge), json.dumps(ledger._said(TOLD))
    said = json.loads(good)

    def of(tokens: str = "[1, 1]", **changed: object) -> bytes:
        return line(key, f'"tokens": {tokens}, "judgement": {json.dumps(said | changed)}')

    def raw(judgement: str, tokens: str = "[1, 1]") -> bytes:
        return line(key, f'"tokens": {tokens}, "judgement": {judgement}')

    whole = of()
    return {
        "wrong checksum": whole.replace(b'"sum": "', b'"sum": "0', 1)[: len(whole)],
        "checksum of another key": whole.replace(key.encode(), b"0" * 64),
        "other tokens": whole.replace(b"[1, 1]", b"[999999999, 999999999]"),
        "tokens that no call has": of("[999999999, 1]"),
        "reply that no call has": of("[1, 999999999]"),
        "tokens of ten digits": of("[9999999999, 1]"),
        "tokens below 0": of("[-5, 1]"),
        "tokens of a fraction": of("[1.5, 1]"),
        "tokens of one": of("[1]"),
        "tokens of a text": of('["1", 1]'),
        "tokens of NaN": of("[NaN, 1]"),
        "no tokens": line(key, f'"judgement": {good}'),
        "preference of 0": of(preference=0),
        "preference of 3": of(preference=3),
        "preference of NaN": of(preference=float("nan")),
        "preference without end": of(preference=float("inf")),
        "preference of a text": of(preference="1.5"),
        "preference of a yes": of(preference=True),
        "preference of a list": of(preference=[1]),
        "preference of none": of(preference=None),
        "reply of a text": of(raw="m"),
        "reply of a list": of(raw=["m"]),
        "reply too deep": raw('{"preference": 1.0, "raw": {"a": ' + "[" * 5000 + "]" * 5000 + "}}"),
        "reply of half a letter": raw(
            '{"preference": 1.0, "raw": {"text": "\\ud800"}, "served_model": "", "date": ""}'
        ),
        "model of a list": of(served_model=["m"]),
        "date of a number": of(date=20261126),
        "fingerprint of a mapping": of(fingerprint={}),
        "a field more": of(extra=1),
        "tokens twice": raw('{"preference": 1.0, "raw": {}, "tokens": [9, 9]}'),
        "no reply": raw('{"preference": 1.0}'),
        "judgement of a list": raw("[]"),
        "judgement of none": raw("null"),
        "judgement of a text": raw('"none"'),
        "no JSON": raw("{preference}"),
        "half JSON": raw('{"preference": 1.0, "raw": {'),
        "deep JSON": raw("[" * 200_000),
        "long number": raw('{"preference": ' + "1" * 5000 + ', "raw": {}}'),
        "key in capitals": whole.replace(key.encode(), key.upper().encode()),
        "key of 63 digits": whole.replace(key.encode(), key[:63].encode()),
        "another order of fields": b'{"sum": "0", "key": "0"}',
        "carriage return": whole + b"\r",
        "two in a line": whole + whole,
        "NULs": bytes(1000),
        "control characters": b"\x1b]0;x\x07" * 100,
        "no UTF-8": b"\xff\xfe" * 100,
        "empty": b"",
    }
