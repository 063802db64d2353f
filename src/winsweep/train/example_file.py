"""Encoded examples in a file that all ranks and later attempts read: its layout, and that one rank writes it while
the others wait.

It is read by place, not mapped: nothing is held but where each example ends, the ranks of a node share its bytes in the
page cache, and a file that goes away is an OSError. A token is an int32: its id, or ~id where the loss does not count.
N examples.
"""

import hashlib
import json
import os
import shutil
import time
import weakref
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, overload

import numpy as np

from winsweep import ownership
from winsweep.errors import Damaged, WinsweepError
from winsweep.store import links, manifest, small_files
from winsweep.study.frame import Message
from winsweep.text.encode import MASKED, Encoded, Encoding, Example, Spelling
from winsweep.train.rank_group import RankGroup

TOKENS, ENDS, TOPS, ABOUT = "tokens.i32", "ends.i64", "tops.i32", "about.json"  # and the manifest of these
PIECE_S = 1.0  # how long the ranks wait for a part of the file, however long it gets


class ExampleFile(Sequence[Example]):
    """The examples of a file that `share` wrote. Damaged where it is not that file; OSError where it cannot be read."""

    def __init__(self, path: Path, ends_N: np.ndarray, digest: str) -> None:
        """`ends_N`: the number of tokens up to the end of each; `digest`: see `digest_of`."""
        self.path, self.ends_N, self.digest = path, ends_N, digest
        self._file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)  # its own from here on, whatever is put at `path`
        weakref.finalize(self, os.close, self._file)
        there = os.fstat(self._file)
        if there.st_size != 4 * ends_N[-1] or there.st_uid != os.geteuid():
            raise Damaged(
                f"{path}: found {there.st_size} bytes of user {there.st_uid}; legal are {4 * ends_N[-1]} of "
                f"{os.geteuid()}; run it again, which writes it anew"
            )

    def __len__(self) -> int:
        return len(self.ends_N)

    @overload
    def __getitem__(self, at: int) -> Example: ...
    @overload
    def __getitem__(self, at: slice) -> list[Example]: ...
    def __getitem__(self, at: int | slice) -> Example | list[Example]:
        if isinstance(at, slice):
            return [self[n] for n in range(*at.indices(len(self)))]
        at = range(len(self))[at]
        begin, end = int(self.ends_N[at - 1]) if at else 0, int(self.ends_N[at])
        tokens = np.frombuffer(self._read(4 * begin, 4 * (end - begin)), "<i4")
        return Example(np.where(tokens < 0, ~tokens, tokens).tolist(), np.where(tokens < 0, MASKED, tokens).tolist())

    def _read(self, at: int, size: int) -> bytes:
        read = os.pread(self._file, size, at)
        if len(read) != size:
            raise Damaged(f"{self.path}: found its end at byte {at + len(read)}; run it again, which writes it anew")
        return read


def lengths_of(examples: Sequence[Example]) -> np.ndarray:
    """The number of tokens of each example, of a file without reading it: (N,), int32."""
    if isinstance(examples, ExampleFile):
        return np.diff(examples.ends_N, prepend=0).astype(np.int32)
    return np.fromiter((len(example.ids) for example in examples), np.int32, len(examples))


def digest_of(examples: Sequence[Example]) -> str:
    """Hex sha256 of the JSON list of all examples, each a list of its ids and its labels."""
    if isinstance(examples, ExampleFile):
        return examples.digest
    told = _Told()
    for example in examples:
        told.take(example)
    return told.digest()


def share(
    folder: Path, made_of: Mapping[str, Any], rows: Iterable[list[Message]], encoding: Encoding, group: RankGroup
) -> tuple[Encoded, np.ndarray]:
    """The rows encoded into a file below `folder`, and the highest id of each example, (N,), int32: 12 bytes of memory
    an example. Called by every rank.

    What an earlier attempt left there is taken if it is whole and `made_of` (plain values that decide what is encoded)
    is the same. Else rank 0 encodes, and says so about every PIECE_S: no rank waits for another as long as all of it
    takes. Errors are those of `Encoding`, and OSError where the disk is full.
    """
    if not group.first(lambda: _is_there(folder, made_of)):
        told = _Told()
        pieces = _written(folder, encoding.kept(rows), told)
        while group.first(lambda: next(pieces, "done")) != "done":
            pass
        group.first(lambda: _seal(folder, made_of, encoding.whole([]), told))
    return group.together(lambda: _read(folder))


def _is_there(folder: Path, made_of: Mapping[str, Any]) -> bool:
    """Whether an attempt of this user left it whole; whatever else is there is written anew."""
    try:
        ownership.refuse_others(links.refuse(folder), "a model would be trained on what comes from there")
        if (small_files.mapping(folder / ABOUT) or {}).get("made_of") != json.loads(json.dumps(made_of)):
            return False
        manifest.verify(folder)
        ends = np.fromfile(folder / ENDS, np.int64)
        return (folder / TOKENS).stat().st_size == 4 * ends[-1]  # two attempts that lived at once may have mixed them
    except (OSError, WinsweepError):
        return False


def _seal(folder: Path, made_of: Mapping[str, Any], whole: Encoded, told: "_Told") -> None:
    """Beside the tokens, what is to be known without reading them; with the manifest all of it is there."""
    counts = {"num_truncated": whole.num_truncated, "num_dropped": whole.num_dropped}
    about = {"made_of": made_of, "digest": told.digest(), "spelling": asdict(whole.spelling), **counts}
    np.frombuffer(told.ends, np.int64).tofile(folder / ENDS)
    np.frombuffer(told.tops, np.int32).tofile(folder / TOPS)
    manifest.write_atomic(folder / ABOUT, json.dumps(about).encode())
    manifest.seal(folder)


def _read(folder: Path) -> tuple[Encoded, np.ndarray]:
    about = json.loads((folder / ABOUT).read_bytes())
    examples = ExampleFile(folder / TOKENS, np.fromfile(folder / ENDS, np.int64), about["digest"])
    encoded = Encoded(examples, about["num_truncated"], about["num_dropped"], Spelling(**about["spelling"]))
    return encoded, np.fromfile(folder / TOPS, np.int32)


@dataclass
class _Told:
    """What is known of examples without them."""

    ends: array = field(default_factory=lambda: array("q"))
    tops: array = field(default_factory=lambda: array("i"))
    _sum: Any = field(default_factory=lambda: hashlib.sha256(b"["))

    def take(self, example: Example) -> None:
        self._sum.update(f"{', ' if self.ends else ''}{json.dumps([*example])}".encode())
        self.ends.append((self.ends[-1] if self.ends else 0) + len(example.ids))
        self.tops.append(max(example.ids, default=-1))

    def digest(self) -> str:
        whole = self._sum.copy()
        whole.update(b"]")
        return whole.hexdigest()


def _written(folder: Path, examples: Iterator[Example], told: _Told) -> Iterator[str]:
    """Write all of them, giving way about every PIECE_S."""
    shutil.rmtree(links.refuse(folder), ignore_errors=True)  # an attempt that was taken over may have it open
    folder.mkdir(mode=0o700, exist_ok=True)  # NFS leaves a folder whose files are open
    folder.chmod(0o700)
    begun = time.monotonic()
    with open(folder / TOKENS, "xb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, 0o600)) as f:
        for example in examples:
            told.take(example)
            pairs = zip(example.ids, example.labels, strict=True)
            f.write(np.array([~i if label == MASKED else i for i, label in pairs], "<i4").tobytes())
            if time.monotonic() - begun > PIECE_S:
                begun = time.monotonic()
                yield f"{len(told.ends)} examples"
