"""How the attempts at each artifact ended, read from the store, the missing words put in: the input of retry."""

import json
import time
from collections.abc import Iterable

from winsweep.attempt import arrays
from winsweep.attempt.arrays import Submitted
from winsweep.attempt.retry import End, failed
from winsweep.errors import Busy
from winsweep.store import liveness
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
        for path in (store.work(key) / "ends").glob("[0-9]*.json"):
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
        task = f"slurm-{over.job}_{index}"
        for spec in arrays.parse(line) if not present >= set(over.keys[index]) else ():
            if spec.key not in present and present >= {*spec.inputs.values(), *spec.gates.values()} and not store.was_claimed(spec.key, task):
                _lose(store, spec.key, task)


def _lose(store: Store, key: str, task: str) -> None:
    heartbeat = store.work(key) / "heartbeat"
    try:
        claim = store.claim(key, liveness.owner(f"{task}.lost"), lambda name: liveness.alive(name, heartbeat))
    except Busy:
        return
    claim.end({"attempt": claim.number, "owner": claim.owner, "kind": "lost", "begun": time.time(),
               "reason": f"{task.removeprefix('slurm-')} left the queue and never began: cancelled, or it could not start on its node"})


def _end(record: dict) -> End:
    return End(record["kind"], record.get("reason", ""), record.get("progress", 0), record.get("node", ""), record.get("begun", 0.0))
