"""Whether what judges were paid for can still be read: every line of every ledger, the records of batches, and the
cards.
"""

import json
import os
import re
import shlex
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from winsweep import keys, screen
from winsweep.amounts import plural
from winsweep.command_names import command
from winsweep.errors import BadData, LinkInStore, WinsweepError
from winsweep.fsck.finding import Finding, cut, remove, what
from winsweep.judge import batch_records, ledger
from winsweep.paths import unlinked_opener
from winsweep.store import liveness, small_files
from winsweep.store.store import RECORD

FOLDER = re.compile(rf"(?P<judge>.+)-(?P<digest>[0-9a-f]{{{keys.KEY_HEX}}})")
WRITER = re.compile(r"(?P<host>.+)-(?P<process>\d+)-[0-9a-f]{8}\.jsonl")
PIECE = 1 << 20
MOST_LINE = 16 << 20  # bytes; a judgement has a few thousand
MOST_NAMED = 5  # lines
AGAIN = "asked and paid for again where a study needs it"


def findings(root: Path) -> Iterator[Finding]:
    """Everything that is wrong below .judged; a line that is being written is no fault."""
    for folder in _entries(root / ".judged"):
        if folder.is_symlink():
            yield _damaged(root, folder, "is a link", remove(folder))
        elif folder.is_dir() and FOLDER.fullmatch(folder.name):
            yield from _of_judge(root, folder)
        elif folder.is_dir():
            yield _foreign(root, folder)
        elif FOLDER.fullmatch(folder.name) and not folder.is_file():
            yield _damaged(root, folder, f"is {what(folder)}, and no folder of a judge", remove(folder))


def _of_judge(root: Path, folder: Path) -> Iterator[Finding]:
    if why := _wrong_identity(folder):
        act = "it is written again when the judge is asked next; judgements are kept without it"
        is_there = os.path.lexists(folder / "judge.json")
        act = f"{remove(folder / 'judge.json')}    # {act}" if is_there else f"nothing need be done: {act}"
        yield Finding(
            "damaged" if is_there else "left over",
            folder.relative_to(root).joinpath("judge.json").as_posix(),
            cut(why),
            act,
        )
    for path in _entries(folder):
        if path.is_symlink():
            yield _damaged(root, path, "is a link", f"rm {shlex.quote(str(path))}")
        elif path.suffix == ".jsonl" and not path.is_file():
            yield _damaged(root, path, f"is {what(path)}, and no file of judgements", remove(path))
        elif path.suffix == ".jsonl" and not path.name.startswith("."):
            yield from _of_file(root, path)
        elif path.name.startswith("card-") and path.suffix == ".json" and (why := _wrong_json(path)):
            act = f"{remove(path)}    # then {command('validate')} writes it again"
            yield _damaged(root, path, why, act)
    yield from _batches_gone(root, folder)
    yield from _batches(root, batch_records.folder_of(folder))


def _batches_gone(root: Path, judge: Path) -> Iterator[Finding]:
    """That the folder of a judge's batches is not there, though answers of some are."""
    folder, num = batch_records.folder_of(judge), sum(1 for _ in judge.glob(f"{ledger.BATCH}*.jsonl"))
    if num and not os.path.lexists(folder):
        found = (
            f"is not there, and {plural(num, 'batch was', 'batches were')} answered: what one on its way "
            f"was to answer is {AGAIN}"
        )
        act = f"mkdir {shlex.quote(str(folder))}    # where no backup has the folder: so that this is not said again"
        yield Finding("lost", folder.relative_to(root).as_posix(), found, act)


def _foreign(root: Path, folder: Path) -> Finding:
    """A folder that no judge's can be by its name: a person's own, or one that was renamed, by its judge.json."""
    try:
        named = _name(folder / "judge.json")
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        named = ""
    if not FOLDER.fullmatch(named) or "/" in named or os.path.lexists(folder.with_name(named)):
        found = f"is no folder of a judge (JUDGE-DIGEST){f'; {named} is there, too' if named else ''}"
        said = "nothing need be done: it is not winsweep's, and nothing reads it"
        return Finding("left over", folder.relative_to(root).as_posix(), cut(found), said)
    act = f"mv -n {shlex.quote(str(folder))} {shlex.quote(str(folder.with_name(named)))}"
    return _damaged(root, folder, f"is the ledger {named} under another name, so that nothing reads it", act)


def _name(path: Path) -> str:
    """What the folder of a judge.json is called by what it says."""
    known = json.loads(_bytes(path))
    return f"{known['judge']}-{keys.digest(known)}"


def _wrong_identity(folder: Path) -> str:
    """Why judge.json does not say which judge the folder is of, or no text."""
    path = folder / "judge.json"
    if not path.exists() and not path.is_symlink():
        return "" if not any(folder.glob("*.jsonl")) else "is not there"
    try:
        is_it = _name(path) == folder.name
    except (OSError, ValueError, TypeError, LookupError, RecursionError) as e:
        return f"cannot be read ({type(e).__name__})"
    return "" if is_it else f"is of another judge than its folder, {folder.name}"


def _of_file(root: Path, path: Path) -> Iterator[Finding]:
    wrong: list[int] = []
    num, is_torn = 0, False
    try:
        for num, line, is_whole in _lines(path):
            if not is_whole:
                is_torn = not _is_being_written(path)
            elif not ledger.is_sound(line):
                wrong.append(num)
    except (OSError, ValueError) as e:
        yield _damaged(root, path, f"cannot be read ({e})", "look at the disk, and at who may read the file")
        return
    at = path.relative_to(root).as_posix()
    if not num and not _is_being_written(path) and (judged := _num_judged(root, path.parent.name)):
        found = (
            f"is empty, and {plural(judged, 'published result was', 'published results were')} judged by "
            f"this judge: what it held is {AGAIN}"
        )
        act = f"{remove(path)}    # where no backup has the file: so that this is not said again"
        yield Finding("lost", at, found, act)
    if wrong:
        named = screen.few([f"{n:,}" for n in wrong], MOST_NAMED)
        found = f"{len(wrong):,} of {num:,} lines cannot be read (line {named}): what they held is {AGAIN}"
        yield Finding("lost", at, found, _without_lines(path, wrong))
    if is_torn:
        found = f"its last line, {num:,}, is torn, as a kill or a full disk leaves it: what it held is {AGAIN}"
        yield Finding("lost", at, found, f"sed -i '$d' {shlex.quote(str(path))}    # nothing else is in it")


def _num_judged(root: Path, name: str) -> int:
    """How many published results were judged by the judge whose ledger is called so, alone or in a jury."""
    return sum(name in _ledgers_of(path) for path in root.glob(f"judge/*/{RECORD}"))


def _ledgers_of(record: Path) -> set[str]:
    """The names of the ledgers that a published result of the stage judge was made with."""
    try:
        params = (small_files.mapping(record, small_files.LARGE_BYTES) or {})["params"]
        judge, identity = params["judge"], params["identity"]
        members = [(one.pop("judge"), one.pop("version"), one) for one in identity.get("judges", ())]
        asked = [(judge["name"], judge["version"], identity), *members]
        return {ledger.place(Path(), *each)[0].name for each in asked}
    except (LookupError, TypeError, AttributeError, OSError, WinsweepError):
        return set()


def _without_lines(path: Path, wrong: list[int]) -> str:
    if len(wrong) > 50:
        return "bring the file back from a backup; else leave it: what can be read is used"
    script = "d;".join(map(str, wrong)) + "d"
    said = "once no study runs, and where no backup has the file: takes the lines out, so that this is not said again"
    return f"sed -i '{script}' {shlex.quote(str(path))}    # {said}"


def _lines(path: Path) -> Iterator[tuple[int, bytes, bool]]:
    """Number, bytes without its end, and whether it has one, of each line; ValueError for one without end."""
    with open(path, "rb", opener=unlinked_opener) as file:
        for num, line in enumerate(iter(lambda: file.readline(MOST_LINE), b""), 1):
            if len(line) == MOST_LINE and not line.endswith(b"\n"):
                raise ValueError(f"line {num} has more than {MOST_LINE:,} bytes")
            yield num, line.removesuffix(b"\n"), line.endswith(b"\n")


def _is_being_written(path: Path) -> bool:
    """Whether the process that the file is named for may still live."""
    match = WRITER.fullmatch(path.name)
    if match and match["host"] == socket.gethostname():
        return Path(f"/proc/{match['process']}").exists() if Path("/proc").is_dir() else True
    return time.time() - path.stat().st_mtime < liveness.STALE_S


def _batches(root: Path, folder: Path) -> Iterator[Finding]:
    for path in _entries(folder) if not folder.is_symlink() else ():
        if path.suffix != ".json" or path.name.startswith("."):
            continue
        try:
            record = batch_records.read(path)
            if not record.over:
                batch_records.keys_of(folder, record.token)
        except (BadData, LinkInStore, OSError) as e:
            why = str(e).removeprefix(f"{path}: ").partition("; winsweep writes it")[0]
            act = f"mv {shlex.quote(str(path))} {shlex.quote(f'{path}.damaged')}    # {batch_records.AWAY}"
            yield _damaged(root, path, why, act)


def _wrong_json(path: Path) -> str:
    try:
        return "" if isinstance(json.loads(_bytes(path)), dict) else "is no card"
    except (OSError, ValueError, RecursionError) as e:
        return f"cannot be read as JSON ({type(e).__name__})"


def _bytes(path: Path) -> bytes:
    with open(path, "rb", opener=unlinked_opener) as file:
        return file.read(MOST_LINE)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir()) if not folder.is_symlink() else []
    except (FileNotFoundError, NotADirectoryError):
        return []


def _damaged(root: Path, path: Path, found: Any, act: str) -> Finding:
    return Finding("damaged", path.relative_to(root).as_posix(), cut(str(found)), act)
