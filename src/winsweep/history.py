"""How the attempts at each artifact ended, read from the store, the missing words put in: the input of retry."""

import json
from collections.abc import Iterable

from winsweep.retry import End, failed
from winsweep.store import Store


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


def _end(record: dict) -> End:
    return End(record["kind"], record.get("reason", ""), record.get("progress", 0), record.get("node", ""), record.get("begun", 0.0))
