"""What judges were paid for: an append-only record of judgements that all studies of a store share, whole after any
kill.

A folder for each judge identity, in it a file for each writer, so that no two processes ever write one file: O_APPEND
is not atomic between machines on NFS, and a lock outlives its owner. A record is one line, written by one call as its
answer arrives; a reader takes only lines that end and whose checksum is right, so a line that a kill or a full disk
tore is a judgement that was not made.
"""

import hashlib
import json
import os
import re
import secrets
import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from winsweep import keys
from winsweep.judge.questions import Judgement, Question
from winsweep.judge.verdict import Unreadable
from winsweep.paths import unlinked_opener
from winsweep.store import folders, links, small_files
from winsweep.store.manifest import write_atomic

LINE = re.compile(
    rb'\{"key": "([0-9a-f]{64}|wasted)", "sum": "([0-9a-f]{16})", ("tokens": \[(\d{1,9}), (\d{1,9})\], "judgement": '
    rb"(.*))\}"
)
BATCH = "batch-"  # begins the name of a file that holds what one batch was answered, written at once
HOW_OFTEN = ("orders", "samples")  # of an identity: which questions are asked, and not who answers them
MOST_TOKENS = 10**7  # of one call; no model has room for as many
MOST_BYTES = 1 << 32  # of the file of one batch
LONGEST_LINE = 1 << 26  # bytes; a longer one is no line of ours
DEEPEST = 64  # brackets within brackets, so that whatever reads a judgement can
SYNC_S = 1.0  # what a power cut may lose; a kill loses nothing that was written


def place(store: Path, judge: str, version: int, identity: Mapping[str, Any]) -> tuple[Path, dict[str, Any]]:
    """The folder of a judge in a store, and what makes it this judge; the order of the outputs and the number
    of a sample are part of each question instead.
    """
    known = {"judge": judge, "version": version, "identity": {k: v for k, v in identity.items() if k not in HOW_OFTEN}}
    return store / ".judged" / f"{judge}-{keys.digest(known)}", known


class Ledger:
    """The judgements of one judge, at `folder`; `known` (plain types) says which judge that is."""

    def __init__(self, folder: Path, known: Mapping[str, Any]) -> None:
        self.folder, self.known, self.judge = folder, known, keys.digest(known)
        self.tokens = [0, 0]  # of prompts and replies, all that was ever paid for here, call by call
        self.batch_tokens = [0, 0]  # the same, in batches
        self._wanted: dict[str, Question] = {}
        self._read: dict[str, int] = {}  # bytes of each file
        self._own, self._synced = "", time.monotonic()
        self._file: int | None = None

    @property
    def store(self) -> Path:
        """The store that `place` was given."""
        return self.folder.parents[1]

    def find(self, questions: Iterable[Question]) -> dict[Question, Judgement]:
        """Those of `questions` that were answered already; asked once, before the first `add`."""
        self._refuse_links()
        self._wanted = {q.key(self.judge): q for q in questions}
        self._read, self.tokens, self.batch_tokens = {}, [0, 0], [0, 0]
        return self.news()

    def news(self) -> dict[Question, Judgement]:
        """Those of the questions of `find` that others answered since the last look."""
        found: dict[Question, Judgement] = {}
        for path in sorted(self.folder.glob("*.jsonl")):
            for line in self._new_lines(path):
                self._take(line, found, path.name.startswith(BATCH))
        return found

    def add(self, question: Question, judgement: Judgement) -> None:
        """Record a judgement: on disk, for this process's end, when this returns; for the machine's end, within
        SYNC_S.
        """
        self._append(_line(question.key(self.judge), judgement, judgement.tokens), judgement.tokens)

    def waste(self, tokens: tuple[int, int]) -> None:
        """Record a reply that was paid for and could not be read: it is no judgement, but money."""
        self._append(_line("wasted", None, tokens), tokens)

    def add_batch(self, token: str, answers: Mapping[str, Judgement], wasted: Iterable[tuple[int, int]]) -> set[str]:
        """Record all that a batch was answered, by keys of questions (see Question.key), and replies that were no use.

        All of it or nothing is on disk after any end; done again it adds what is new, and takes nothing away. Returns
        the keys of all that this batch has answered by now.
        """
        path = self.folder / f"{BATCH}{token}.jsonl"
        self.make_folder()
        before = small_files.content(links.refuse(path), MOST_BYTES) or b""
        known = [entry for line in before.split(b"\n") if (entry := _parsed(line))]
        kept = {entry.key for entry in known} - {"wasted"}
        lines = [_line(key, judgement, judgement.tokens) for key, judgement in answers.items() if key not in kept]
        new = Counter(wasted) - Counter(entry.tokens for entry in known if entry.key == "wasted")
        lines += [_line("wasted", None, tokens) for tokens in new.elements()]
        if lines or not before:  # a reader goes on where it was, so that what is there stays where it is
            whole = before if not before or before.endswith(b"\n") else before + b"\n"
            write_atomic(path, whole + b"".join(line + b"\n" for line in lines))
        return kept | answers.keys()

    def beside(self, name: str) -> Path:
        """Where a file lies that all judges of the store share."""
        folders.make(links.refuse(self.folder.parent))
        return self.folder.parent / name

    def close(self) -> None:
        if self._file is not None:
            os.fsync(self._file)
            os.close(self._file)
            self._file = None

    def _append(self, line: bytes, tokens: tuple[int, int]) -> None:
        self._count(tokens, self.tokens)
        file = self._open()
        done = os.write(file, line + b"\n")
        if done != len(line) + 1:  # the disk is full: the torn line stays the last of its file
            self.close()
            raise OSError(28, os.strerror(28), str(self.folder))
        if time.monotonic() - self._synced > SYNC_S:
            os.fsync(file)
            self._synced = time.monotonic()

    def _refuse_links(self) -> None:
        links.refuse(links.refuse(self.folder.parent) / self.folder.name)

    def make_folder(self) -> None:
        """The folder, with what says which judge it is of."""
        self._refuse_links()
        folders.make(self.folder)
        if not (self.folder / "judge.json").exists():
            write_atomic(self.folder / "judge.json", json.dumps(self.known, indent=1).encode())

    def _open(self) -> int:
        if self._file is None:
            self.make_folder()
            path = self.folder / f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o666)
            self._own = path.name
        return self._file

    def _new_lines(self, path: Path) -> Iterator[bytes]:
        """Lines of `path` that were finished since the last look; none of what is no file of lines."""
        begin = self._read.get(path.name, 0)
        # its own lines were counted as they were written
        if path.name == self._own or (size := small_files.size(path)) <= begin:
            return
        with open(path, "rb", opener=unlinked_opener) as f:
            f.seek(begin)
            while (line := f.readline(LONGEST_LINE)).endswith(b"\n"):
                self._read[path.name] = f.tell()
                yield line[:-1]
        if len(line) == LONGEST_LINE:  # what is no line has no end either
            self._read[path.name] = size

    def _take(self, line: bytes, found: dict[Question, Judgement], is_batch: bool) -> None:
        """Count a line's tokens, and read it if it answers one of the questions; most lines are other studies'."""
        entry = _parsed(line)
        if entry is None:
            return
        self._count(entry.tokens, self.batch_tokens if is_batch else self.tokens)
        question = self._wanted.get(entry.key)
        if question and (judgement := _judgement(entry)):
            found[question] = judgement

    @staticmethod
    def _count(tokens: tuple[int, int], total: list[int]) -> None:
        total[:] = [a + b for a, b in zip(total, tokens)]


class _Entry(NamedTuple):
    key: str
    tokens: tuple[int, int]
    said: bytes


def checked(judgement: Judgement) -> Judgement:
    """`judgement`, if a reader of the ledger will get exactly that from the line that `add` writes; Unreadable
    otherwise.
    """
    try:
        entry = _parsed(_line("0" * 64, judgement, judgement.tokens))
        if entry and _judgement(entry) == judgement:
            return judgement
    except (ValueError, TypeError, RecursionError):  # what JSON cannot hold
        pass
    raise Unreadable("what cannot be kept in the reply")


def _line(key: str, judgement: Judgement | None, tokens: tuple[int, int]) -> bytes:
    said = '"none"' if judgement is None else json.dumps(_said(judgement))
    told = f'"tokens": [{tokens[0]}, {tokens[1]}], "judgement": {said}'
    return f'{{"key": "{key}", "sum": "{_sum(key, told.encode())}", {told}}}'.encode()


def _said(judgement: Judgement) -> dict[str, Any]:
    """What a line holds of a judgement beside its tokens; an older winsweep reads those without a fingerprint."""
    return {k: v for k, v in vars(judgement).items() if k != "tokens" and (k != "fingerprint" or v)}


def is_sound(line: bytes) -> bool:
    """Whether a reader takes the line, without its end, as what was written."""
    entry = _parsed(line)
    return entry is not None and (entry.key == "wasted" or _judgement(entry) is not None)


def _parsed(line: bytes) -> _Entry | None:
    """A whole line whose checksum is right, of a call that can have been made."""
    match = LINE.fullmatch(line)
    if not match or _sum(match[1].decode(), match[3]) != match[2].decode():
        return None
    tokens = int(match[4]), int(match[5])
    return _Entry(match[1].decode(), tokens, match[6]) if max(tokens) <= MOST_TOKENS else None


def _judgement(entry: _Entry) -> Judgement | None:
    """The judgement of a line, if it is one that can be counted and written into a file of annotations."""
    try:
        found = Judgement(**json.loads(entry.said), tokens=entry.tokens)
        if b"\\ud" in entry.said:
            json.dumps(vars(found), ensure_ascii=False).encode()  # half of a pair of surrogates is no text
        texts = (found.served_model, found.date, found.fingerprint)
        told = isinstance(found.raw, dict) and all(isinstance(text, str) for text in texts)
        counts = type(found.preference) in (int, float) and 1 <= found.preference <= 2
        shallow = entry.said.count(b"[") + entry.said.count(b"{") <= DEEPEST or _depth(found.raw) <= DEEPEST
    except (ValueError, TypeError, RecursionError):
        return None
    return found if told and counts and shallow else None


def _depth(value: object) -> int:
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, below), default=0)


def _sum(key: str, told: bytes) -> str:
    return hashlib.sha256(key.encode() + told).hexdigest()[:16]
