"""How the attempts at each artifact ended, read from the store, the missing words put in: the input of retry."""

import json
import time
from collections.abc import Iterable, Mapping, Set

from winsweep.attempt.arrays import Submitted
from winsweep.attempt.retry import End, failed
from winsweep.errors import Busy
from winsweep.store import links, liveness
from winsweep.store.store import Store


def ends(store: Store, key: str) -> list[End]:
    """The ends of all attempts at `key`, oldest first, less what was forgiven."""
    folder = store.work(key) / "ends"
    try:
        names = sorted(p.name for p in folder.iterdir() if p.name.endswith(".json") and not p.name.startswith("."))
    except FileNotFoundError:
        return []
    return [_end(json.loads((folder / name).read_bytes())) for name in names]


def failures(store: Store, keys: Iterable[str]) -> dict[str, str]:
    """Key to reason for everything that should not be started again by itself."""
    return {key: why for key in keys if (why := failed(ends(store, key)))}


def forgive(store: Store, keys: Iterable[str]) -> None:
    """From now on nothing that happened to `keys` counts; the records stay under another name."""
    for key in keys:
        for path in links.inside(store.root, store.work(key) / "ends").glob("[0-9]*.json"):
            path.rename(path.with_suffix(".forgiven"))


def note_lost(store: Store, over: Submitted) -> None:
    """Each task of an array that left the queue without ever beginning, although all it needs is there, counts as an attempt.

    So a job that cannot start on its nodes is not submitted again for ever.
    """
    if over.job is None:  # it was never submitted
        return
    present = store.published().keys()
    lines = (over.folder / "specs.jsonl").read_text(encoding="utf-8").splitlines()
    for index, line in enumerate(lines):
        task = f"{over.job}_{index}"
        for key in could_begin(json.loads(line), present) if not present >= set(over.keys[index]) else ():
            if not store.was_claimed(key, f"slurm-{task}"):
                lose(store, key, task, "left the queue and never began: cancelled, or it could not start on its node")


def could_begin(told: Iterable[Mapping], present: Set[str]) -> list[str]:
    """Keys of what of a task is not there, while all that it needs is; from its specs as they lie in the folder, edited or not."""
    needs = {f"{raw['stage']}/{raw['digest']}": {*raw["inputs"].values(), *raw.get("gates", {}).values()} for raw in told}
    return [key for key, needed in needs.items() if key not in present and present >= needed]


def lose(store: Store, key: str, task: str, why: str, kind: str = "lost") -> None:
    """A SLURM task that never came to an attempt at `key` counts as one that ended by `kind`, unless somebody makes it now."""
    heartbeat = store.work(key) / "heartbeat"
    try:
        claim = store.claim(key, liveness.owner(f"slurm-{task}.lost"), lambda name: liveness.alive(name, heartbeat))
    except Busy:
        return
    claim.end({"attempt": claim.number, "owner": claim.owner, "kind": kind, "begun": time.time(), "reason": f"{task} {why}"})


def _end(record: dict) -> End:
    return End(record["kind"], record.get("reason", ""), record.get("progress", 0), record.get("node", ""), record.get("begun", 0.0))
