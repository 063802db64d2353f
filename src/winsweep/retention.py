"""What other studies of a store stand on: their last tables and analyses, what of them runs or waits, and what `make
train` wrote.
"""

import contextlib
import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from winsweep.artifact import closure
from winsweep.attempt.arrays import open_arrays, specs_of
from winsweep.errors import WinsweepError
from winsweep.results import TABLE
from winsweep.store import small_files
from winsweep.store.lookup import Published
from winsweep.store.provenance import record_of
from winsweep.workspace import Workspace, open_workspace


def kept(workspaces: Collection[Workspace], left: Collection[str]) -> dict[str, str]:
    """Key to the study that it is kept for, of everything in the workspaces' one store that a study not among them
    stands on. `left`: the keys of `lookup.untidy`, as the work directory of a live attempt is.
    """
    store, names = next(iter(workspaces)).store, {h.study.name for h in workspaces}
    published, paths = store.published(), {h.study.path.resolve() for h in workspaces}
    found: dict[str, str] = {}
    for name, key in _tables(store.root, published):
        if name not in names:
            found |= {k: f"results/{name}.csv" for k in _below([key], published) if k not in found}
    for study, keys in _under_way(next(iter(workspaces)), left).items():
        if study.resolve() not in paths:
            found |= {
                k: f"{study}, which is under way"
                for k in (*_asked(study, store.root), *_below(keys, published))
                if k not in found
            }
    for study in sorted((store.root / "studies").glob("*.yaml")):
        if study.resolve() not in paths:
            found |= {k: str(study.relative_to(store.root)) for k in _asked(study, store.root) if k not in found}
    return found


def _tables(root: Path, published: Published) -> Iterator[tuple[str, str]]:
    """Name of a study, and the key of what a file of results/ was copied from or names: of its table, the latest where
    none is the same.
    """
    tables, drifts = published.of_stage("aggregate"), published.of_stage("drift")
    for file in sorted((root / "results").glob("*.csv")):
        name = file.name.removesuffix(".csv")
        made = {key: path for key, path in tables.items() if path.name.rpartition("-")[0] == name}
        same = [
            key
            for key, path in made.items()
            if (path / TABLE).is_file()
            and (path / TABLE).read_bytes() == small_files.content(file, small_files.TABLE_BYTES)
        ]
        yield from ((name, key) for key in same or sorted(made, key=lambda key: made[key].stat().st_mtime)[-1:])
        yield from ((name.partition(".")[0], key) for key in _named(file))
    for file in sorted((root / "results").glob("*.drift.*.json")):
        copies = [
            key
            for key, path in drifts.items()
            if (path / "drift.json").is_file() and (path / "drift.json").read_bytes() == small_files.content(file)
        ]
        yield from ((file.name.partition(".")[0], key) for key in copies)


def _named(file: Path) -> Iterator[str]:
    """Keys that the rows of a table name (finetune_key and its like), also where its aggregate is gone."""
    said = (small_files.content(file, small_files.TABLE_BYTES) or b"").decode("utf-8", "replace")
    with contextlib.suppress(csv.Error):
        for row in csv.DictReader(io.StringIO(said, newline="")):
            yield from (
                f"{column[:-4]}/{value}"
                for column, value in row.items()
                if column and column.endswith("_key") and isinstance(value, str) and value
            )


def _below(keys: Iterable[str], published: Mapping[str, Path]) -> set[str]:
    """`keys` and everything that they were made from, as their records say."""
    seen: set[str] = set()
    left = list(keys)
    while left:
        if (key := left.pop()) not in seen:
            seen.add(key)
            if key in published:
                left += record_of(published[key]).get("inputs", {}).values()
    return seen


def _under_way(workspace: Workspace, left: Collection[str]) -> dict[Path, list[str]]:
    """Study file to the keys that are being made for it, or wait in a queue, and those that they are made from."""
    store = workspace.store
    found: dict[Path, list[str]] = {}
    specs = [
        told
        for key in sorted(left)
        if (told := _spec(store.work(key))) and store.holder(key, workspace.alive(key)) is not None
    ]
    specs += [
        vars(spec)
        for array in open_arrays(store.root)
        for n in range(len(array.keys))
        for spec in specs_of(array.folder, n)
    ]
    for told in specs:
        found.setdefault(Path(told["study"]), []).extend(
            [f"{told['stage']}/{told['digest']}", *told["inputs"].values()]
        )
    return found


def _spec(work: Path) -> dict[str, Any]:
    """What an attempt was told, of which only this is asked here; nothing where it is no spec."""
    told = small_files.mapping(work / "spec.json", small_files.LARGE_BYTES) or {}
    texts = all(isinstance(told.get(name), str) and told[name].isprintable() for name in ("study", "stage", "digest"))
    return told if texts and isinstance(told.get("inputs"), dict) else {}


def _asked(study: Path, root: Path) -> list[str]:
    """Everything that a study asks for; nothing if its file is gone or says something illegal now."""
    try:
        return [a.key for a in closure(open_workspace(study, root, lenient=True).wanted)]
    except WinsweepError:
        return []
