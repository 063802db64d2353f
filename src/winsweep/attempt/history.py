"""How the attempts at each artifact ended, read from the store, the missing words put in: the input of retry."""

import os
import time
from collections.abc import Collection, Iterable, Mapping, Set
from pathlib import Path

from winsweep.attempt import arrays
from winsweep.attempt.arrays import Submitted
from winsweep.attempt.endings import progress_of
from winsweep.attempt.retry import End, against, failed
from winsweep.errors import Busy
from winsweep.store import links, liveness, small_files
from winsweep.store.claim import make_folder, number_in
from winsweep.store.manifest import write_atomic
from winsweep.store.store import Store

SILENT = {"kind": "killed", "reason": "no end record: killed, or its node died"}
LONGEST_WAIT_S = 2 * 86400.0  # no batch takes longer; who says so has not waited for one
SHOWN = 500  # characters of a log's last line
# behind an attempt's token, in the name of a file with the number of the first attempt that is meant
CALLED_OFF = ".cancelled"


def ends(store: Store, key: str) -> list[End]:
    """The ends of all attempts at `key`, oldest first, less what was forgiven or called off; the latest attempt may not
    have ended.

    One that left no record and was followed by another was killed.
    """
    told, claimed = _told(store, key), store.claimed(key)
    before = {n for n in claimed if n < max(claimed)}
    return [_end(store, record) for n in sorted(told.keys() | before) if (record := told.get(n, SILENT))]


def over(store: Store, key: str) -> list[End]:
    """The ends of all attempts at `key` where none lives: the latest was killed, too, if it left no record."""
    latest = store.latest(key)
    is_silent = latest and latest not in _told(store, key)
    return ends(store, key) + ([_end(store, SILENT | {"progress": progress_of(store.work(key))})] if is_silent else [])


def failures(store: Store, keys: Iterable[str]) -> dict[str, str]:
    """Key to reason for everything of `keys`, which no live attempt holds, that should not be started again unasked."""
    return {key: why for key in keys if (why := failed(over(store, key)))}


def so_far(store: Store, key: str) -> str:
    """How often `key`, which no live attempt holds, was tried in vain, and how it ended the last time; "" if nothing
    speaks against it.
    """
    told = against(over(store, key))
    return f"attempt {len(told)} ended as {told[-1].kind}: {told[-1].reason}" if told else ""


def waits(store: Store, keys: Iterable[str]) -> dict[str, tuple[float, str]]:
    """Those of `keys`, which no live attempt holds, whose latest attempt waits: until when (seconds since 1970), and
    for what.
    """
    told = {key: store.end_of(key, latest) for key in keys if (latest := store.latest(key))}
    latest_s = time.time() + LONGEST_WAIT_S
    return {
        key: (end["until"], end["reason"])
        for key, end in told.items()
        if end and end["kind"] == "waiting" and end["until"] < latest_s
    }


def forgive(store: Store, keys: Iterable[str]) -> None:
    """From now on nothing that happened to `keys` counts; the records stay under another name."""
    for key in keys:
        folder = make_folder(links.inside(store.root, store.work(key) / "ends"))
        for path in folder.glob("[0-9]*.json"):
            path.rename(path.with_suffix(".forgiven"))
        for number in sorted(store.claimed(key))[:-1]:  # what left no record has none to rename; the latest may live
            (folder / f"{number:06d}.forgiven").touch()


def call_off(store: Store, key: str, token: str = "") -> None:
    """A person ends the attempt at `key` that has this token (or it, a dot, and anything; by default that of the latest
    one).

    However it ends, now or once it begins, it does not count. What ended before does. Nothing happens where no attempt
    is meant.
    """
    latest = store.latest(key)
    if not token and (not latest or store.is_over(key, latest)):
        return
    first = latest + 1 if latest and store.is_over(key, latest) else max(1, latest)
    folder = make_folder(links.inside(store.root, store.work(key) / "ends"))
    write_atomic(folder / f"{token or store.token_of(key, latest)}{CALLED_OFF}", str(first).encode())


def note_lost(store: Store, over: Submitted, gone: Collection[int] | None = None) -> None:
    """Each task of an array that left the queue without ever beginning, although all it needs is there, counts as an
    attempt, once. `gone`: which of an array's tasks left it, where others are still there.

    So a job that cannot start on its nodes is not submitted again for ever. One whose setup lines, interpreter or
    container failed would fail again.
    """
    if over.job is None:  # it was never submitted
        return
    present = store.published().keys()
    for index, told in enumerate(arrays.all_told(over.folder)):
        if gone is not None and index not in gone:
            continue
        task = f"{over.job}_{index}"
        broken = arrays.failure(over.folder, index)
        for key in could_begin(told, present) if not all(k in present for k in over.keys[index]) else ():
            if store.was_claimed(key, f"slurm-{task}.lost" if broken else f"slurm-{task}"):
                continue
            if broken:
                lose(store, key, task, f"could not begin: {printable(broken)}", "setup")
            else:
                said = last_words(store.work(key) / "logs", f"slurm-{task}.*.log")
                why = f"its log ends with: {said}" if said else "cancelled, or it could not start on its node"
                lose(store, key, task, f"left the queue and never began: {why}")


def could_begin(told: Iterable[Mapping], present: Set[str]) -> list[str]:
    """Keys of what of a task is not there, while all that it needs is; from its specs as they lie in the folder, edited
    or not.
    """
    needs = {
        f"{raw['stage']}/{raw['digest']}": {*raw["inputs"].values(), *raw.get("gates", {}).values()} for raw in told
    }
    return [key for key, needed in needs.items() if key not in present and all(k in present for k in needed)]


def lose(store: Store, key: str, task: str, why: str, kind: str = "lost") -> None:
    """A SLURM task that never came to an attempt at `key` counts as one that ended by `kind`, unless somebody makes it
    now; where that may not be tried again, it says nothing more.
    """
    if before := failed(over(store, key)):
        kind, why = "stopped", f"{why}; not tried: {before}"
    count(store, key, f"slurm-{task}.lost", kind, f"{task} {why}")


def count(store: Store, key: str, token: str, kind: str, reason: str) -> None:
    """What came to no claim on `key` counts as an attempt, by a claim of its own; nothing happens while a live one
    holds `key`.
    """
    heartbeat = store.work(key) / "heartbeat"
    try:
        claim = store.claim(key, liveness.owner(token), lambda name: liveness.alive(name, heartbeat, token))
    except Busy:
        return
    claim.end(
        {
            "attempt": claim.number,
            "owner": claim.owner,
            "kind": kind,
            "begun": time.time(),
            "reason": reason,
            "progress": progress_of(store.work(key)),
        }
    )


def last_words(logs: Path, pattern: str) -> str:
    """The last line of the newest log there, without what a terminal would act on; "" if there is none."""
    log = max(logs.glob(pattern), key=lambda p: p.stat().st_mtime, default=None)
    lines = log.read_bytes()[-4 * SHOWN :].decode(errors="replace").strip().splitlines() if log else []
    return printable(lines[-1]) if lines else ""


def printable(text: str) -> str:
    """The end of a text as one line that no terminal acts on."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())[-SHOWN:]


def lacking(store: Store, key: str) -> dict:
    """What the end record of an attempt says that lacked the input `key`: how often that had been tried, and whether it
    had been made.
    """
    tried = store.latest(key)
    told = store.end_of(key, tried) if tried else None
    return {"lacked": key, "tried": tried, "was_made": told is not None and told["kind"] in ("done", "already")}


def _told(store: Store, key: str) -> dict[int, dict]:
    """What was written of the end of each attempt, by number; nothing of one that was forgiven or called off."""
    folder = store.work(key) / "ends"
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    called_off = _called_off(store, key, [folder / name for name in names if name.endswith(CALLED_OFF)])
    forgiven: dict[int, dict] = {n: {} for n in _numbered(names, ".forgiven")}
    said = {n: told for n in _numbered(names, ".json") if (told := store.end_of(key, n))}
    return forgiven | said | called_off


def _numbered(names: Iterable[str], suffix: str) -> list[int]:
    numbers = [number_in(name.removesuffix(suffix)) for name in names if name.endswith(suffix)]
    return [number for number in numbers if number]


def _called_off(store: Store, key: str, marks: list[Path]) -> dict[int, dict]:
    """An empty record for each attempt that a person ended."""
    first_of = {path: number_in(small_files.text(path).rjust(6, "0")) for path in marks}
    meant = [(f"{path.name.removesuffix(CALLED_OFF)}.", first) for path, first in first_of.items() if first]
    numbers = [n for n in store.claimed(key) if n >= min(first for _, first in meant)] if meant else []
    tokens = {n: f"{store.token_of(key, n)}." for n in numbers}
    return {n: {} for n, token in tokens.items() if any(token.startswith(of) and n >= first for of, first in meant)}


def _end(store: Store, record: dict) -> End:
    lacked: str = record.get("lacked", "")
    is_resolved = bool(lacked) and not record["was_made"] and store.latest(lacked) > record["tried"]
    return End(
        record["kind"],
        record.get("reason", ""),
        record.get("progress", 0),
        record.get("node", ""),
        record.get("begun", 0.0),
        is_resolved,
    )
