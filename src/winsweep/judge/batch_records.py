"""What a store remembers of the batches of one judge: written down before the endpoint is asked to make them, so that
each is found again after any kill.

A folder beside the judge's ledger. TOKEN.keys has the keys of its questions in the order of its input, and never
changes; TOKEN.json is what is known of it.
"""

import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from winsweep import screen
from winsweep.errors import BadData
from winsweep.store import folders, links, small_files
from winsweep.store.manifest import write_atomic

FOLDER = "batches"
KEY, MOST_BYTES = re.compile(r"[0-9a-f]{64}"), 1 << 26
TOKEN, NAME = re.compile(r"[0-9a-f]{32}"), re.compile(r"[A-Za-z0-9_-]{0,200}")
MOST_COUNTED = 10**12  # of tokens; no batch has as many
AWAY = "winsweep writes it whole; move it away, if the endpoint has no batch of that name in its metadata"
LAST_S = 32503680000.0  # the year 3000


@dataclass(frozen=True)
class Record:
    """One batch; times are in seconds since 1970."""

    token: str  # names it, also in the metadata that the endpoint keeps with it
    endpoint: str  # host and path of the address that it was sent to
    input_file: str
    num: int  # questions
    tokens: tuple[int, int]  # of prompts and replies, at most, about
    written: float
    posts: int = 0  # how often the endpoint was asked to make it
    posted: float = 0.0  # when last
    batch: str = ""  # the endpoint's name for it, once that is known
    status: str = ""  # in the endpoint's words
    completed: int = 0
    failed: int = 0
    looked: float = 0.0  # when the endpoint was last asked about it
    late: float = 0.0  # when it was cancelled from here, as it had taken too long
    done: float = 0.0  # when the endpoint was first seen to be done with it, while its answers cannot be fetched
    over: str = ""  # how it ended, once all that it was answered is in the ledger
    ended: float = 0.0
    # questions that it did not answer: key to kind of failure and words, until a person was told
    in_vain: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def folder_of(judge: Path) -> Path:
    return judge / FOLDER


def records(folder: Path) -> list[Record]:
    """All batches, oldest first; BadData names a file that is none. Files with other names are not looked at."""
    found = [read(path) for path in folder.glob("*.json") if TOKEN.fullmatch(path.stem)]
    return sorted(found, key=lambda record: (record.written, record.token))


def open_ones(folder: Path) -> list[Record]:
    """Those that are on their way."""
    return [record for record in records(folder) if not record.over]


def keys_of(folder: Path, token: str) -> list[str]:
    """Keys of the questions of a batch that is not over, in the order of its input."""
    path = links.refuse(folder / f"{token}.keys")
    keys = (small_files.content(path, MOST_BYTES) or b"").decode("ascii", "replace").split()
    if not keys or not all(map(KEY.fullmatch, keys)):
        raise BadData(
            f"{path}: which questions the batch has cannot be read; winsweep writes it; move {token}.json away, too, "
            f"if what the batch was paid for may be asked again"
        )
    return keys


def begin(folder: Path, record: Record, keys: list[str]) -> None:
    """Write down a batch that is to be made: on disk when this returns."""
    folders.make(links.refuse(folder))
    write_atomic(folder / f"{record.token}.keys", "\n".join(keys).encode("ascii"))
    update(folder, record)


def update(folder: Path, record: Record) -> None:
    told = {name: value for name, value in asdict(record).items() if name != "done" or value}  # as older ones read it
    write_atomic(folder / f"{record.token}.json", json.dumps(told, indent=1).encode())
    if record.over:
        (folder / f"{record.token}.keys").unlink(missing_ok=True)


def told(record: Record) -> str:
    """Where a batch is, in words."""
    name = f"batch {record.batch}" if record.batch else "a batch without an answer yet"
    since = time.strftime("%a %H:%M", time.localtime(record.posted or record.written))
    failed = f", {record.failed} failed" if record.failed else ""
    status = screen.printable(record.status) or "asked for"
    return f"{name}: {record.completed} of {record.num} answered{failed}, {status}, since {since}"


def read(path: Path) -> Record:
    """The batch of one file; BadData where it is none."""
    try:
        found = Record(**json.loads(small_files.content(links.refuse(path), MOST_BYTES) or b""))
    except (ValueError, TypeError, RecursionError) as e:
        raise BadData(f"{path}: found no batch in it ({type(e).__name__}); {AWAY}") from None
    if odd := _odd(found, path.stem):
        raise BadData(f"{path}: found {odd} in it that are not of a batch; {AWAY}")
    vain = {key: (kind, told) for key, (kind, told) in found.in_vain.items()}
    return replace(found, tokens=(found.tokens[0], found.tokens[1]), in_vain=vain)


def _odd(found: Record, token: str) -> str:
    """What of a record, whose fields are of any type so far, cannot be; "" if all can."""
    texts = found.token, found.endpoint, found.input_file, found.batch, found.status, found.over
    if not _are(str, texts) or found.token != token or not TOKEN.fullmatch(found.token):
        return "names"
    if not NAME.fullmatch(found.batch) or not NAME.fullmatch(found.input_file):
        return "names"
    tokens: object = found.tokens
    if not isinstance(tokens, (list, tuple)) or len(tokens) != 2:
        return "tokens"
    counts = found.num, found.posts, found.completed, found.failed, *tokens
    if not _are(int, counts) or found.num < 1 or not all(0 <= count <= MOST_COUNTED for count in counts):
        return "counts"
    times = found.written, found.posted, found.looked, found.late, found.done, found.ended
    if not all(type(at) in (int, float) and 0 <= at <= LAST_S for at in times):  # NaN neither
        return "times"
    vain: object = found.in_vain
    pairs = list(vain.values()) if isinstance(vain, dict) else [None]
    are_pairs = all(isinstance(pair, (list, tuple)) and len(pair) == 2 and _are(str, pair) for pair in pairs)
    return "" if are_pairs else "reasons (in_vain)"


def _are(kind: type, values: Iterable[object]) -> bool:
    return all(type(value) is kind for value in values)
