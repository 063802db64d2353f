"""What a tracker is told of a study: its runs with their names, rows and final figures, read from the store. No library
of a tracker is known here.

A run is a finetune, with its log and, once the cell is judged, the cell's figures; a cell without a finetune of its
own; or the table, with the mean of each arm.
"""

import csv
import hashlib
import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from winsweep import arm_grid, results, training_log
from winsweep.artifact import Artifact
from winsweep.paths import unlinked_opener
from winsweep.stats import columns
from winsweep.study.cell import Cell
from winsweep.workspace import Workspace, trained_as

TRAIN, FINAL = "train/", "final/"  # before the names of figures
TABLE = "table/"  # before what the table says in words
NAMED = ("model", "task", "seed")  # columns of a table that say whose row it is
Row = Mapping[str, float]  # the figures of one step, `step` among them


@dataclass(frozen=True)
class Run:
    """`id` is stage and digest of its artifact; it has no rows and is not `is_logged` where its log is gone."""

    id: str
    name: str
    group: str
    kind: str
    config: Mapping[str, str | float]
    rows: tuple[Row, ...] = ()
    final: Mapping[str, float] = field(default_factory=dict)
    is_logged: bool = True

    @cached_property
    def about(self) -> str:
        """A digest of all but the rows."""
        told = [self.name, self.group, self.kind, sorted(self.config.items()), sorted(self.final.items())]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]

    @property
    def last_step(self) -> int:
        return int(self.rows[-1]["step"]) if self.rows else 0


class Held(NamedTuple):
    """What a tracker has of a run: its rows, and the `about` of what it was told last ("" if that is not all there)."""

    rows: Sequence[Row] = ()
    about: str = ""


class Logs:
    """Reads training logs, each again only if it has changed."""

    def __init__(self) -> None:
        self.read: dict[str, tuple[tuple[int, int], tuple[Row, ...]]] = {}

    def rows(self, workspace: Workspace, key: str, made: Path | None) -> tuple[Row, ...] | None:
        """The rows of a finetune: of its result, or as far as the attempts at it have come; None without a log."""
        path = training_log.path_of(workspace.store, key, made)
        if path is None:
            return None
        try:
            with open(path, "rb", opener=unlinked_opener) as file:
                found = Path(f"/proc/self/fd/{file.fileno()}").stat()
                stamp = (found.st_mtime_ns, found.st_size)
                if key not in self.read or self.read[key][0] != stamp:
                    self.read[key] = stamp, rows_of(file.read())
                return self.read[key][1]
        except FileNotFoundError:
            return None


def rows_of(data: bytes) -> tuple[Row, ...]:
    """The whole lines of a log up to the first that is none; of two lines of a step the later one's figures count."""
    found: dict[float, dict[str, float]] = {}
    for line in data[: data.rfind(b"\n") + 1].splitlines():
        row = _row(line)
        if "step" not in row:
            break
        found.setdefault(row["step"], {}).update(row)
    return tuple(found.values())


def _row(line: bytes) -> dict[str, float]:
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return {name: value for name, value in told.items() if is_figure(value)} if isinstance(told, dict) else {}


def is_figure(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def named(row: Row) -> dict[str, float]:
    """The figures of a row, without its step, by the names that trackers show."""
    return {TRAIN + name: value for name, value in row.items() if name != "step"}


def unnamed(figures: Mapping[str, float], step: float) -> dict[str, float]:
    """The row of which a tracker holds these figures."""
    return {"step": step} | {
        name.removeprefix(TRAIN): value for name, value in figures.items() if name.startswith(TRAIN)
    }


def same(rows: Sequence[Row], held: Sequence[Row], stored: Callable[[float], float]) -> int:
    """How many first rows a tracker holds as they are; it keeps a figure as what `stored` makes of it."""
    for n, (row, other) in enumerate(zip(rows, held)):
        if row.keys() != other.keys() or any(stored(row[name]) != other[name] for name in row):
            return n
    return min(len(rows), len(held))


def runs(workspace: Workspace, logs: Logs) -> Iterator[Run]:
    """Every run of the study of which there is something to tell."""
    published = workspace.store.published()
    cells = [c for c in workspace.study.table.cells if c.label in workspace.judged]
    table = table_rows(workspace)
    figures = {row["judge_key"]: row for row in table if row.get("judge_key")}
    trained: set[str] = set()
    for cell in cells:
        judged = workspace.judged[cell.label]
        own = finetune_of(workspace, cell)
        row = figures.get(judged.key.partition("/")[2], {})
        is_another_s = trained_as(workspace, cell).label in workspace.judged.keys() - {cell.label}
        if own is None or own.key in trained or is_another_s:
            found = Run(run_id(judged.key), cell.label, arm(cell), "cell", config(cell) | texts(row), (), final(row))
        else:
            trained.add(own.key)
            rows, about = logs.rows(workspace, own.key, published.get(own.key)), config(cell) | recipe(own) | texts(row)
            found = Run(run_id(own.key), cell.label, arm(cell), "training", about, rows or (), final(row), bool(rows))
        if found.rows or found.final:
            yield found
    yield from _others(workspace, logs, published, trained)
    yield from _means(workspace, table)


def finetune_of(workspace: Workspace, cell: Cell) -> Artifact | None:
    return workspace.need("collect", cell.training).inputs["finetune"] if cell.training else None


def _others(workspace: Workspace, logs: Logs, published: Mapping[str, Path], told: Collection[str]) -> Iterator[Run]:
    """Finetunes of no cell: validation runs, in the group of their arm, and those that only references need."""
    arms = {c.label: arm(c) for c in workspace.study.table.cells if c.label in workspace.judged}
    made_for = arm_grid.owners(workspace, arms)
    for a in workspace.order:
        if a.stage == "finetune" and a.key not in told and (rows := logs.rows(workspace, a.key, published.get(a.key))):
            group = min(made_for.get(a.key) or ["references"])
            yield Run(run_id(a.key), a.label, group, "validation or reference", recipe(a), rows)


def _means(workspace: Workspace, table: Sequence[Mapping[str, str]]) -> Iterator[Run]:
    """The table itself, named by its key: of each arm the mean over seeds, or the row of its only seed."""
    if not table:
        return
    arms = by_arm(table).items()
    found = {f"{FINAL}{name}/{column}": value for name, row in arms for column, value in _figures(row).items()}
    key = workspace.table(set(results.judged(workspace))).key
    yield Run(
        run_id(key), f"{workspace.study.name} table", "table", "table", {"study": workspace.study.name}, (), found
    )


def by_arm(table: Sequence[Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    """The row of each arm: its mean, which stands behind its seeds, or that of its only seed."""
    return {f"{row['model']}.{row['task']}{_varying(row)}": row for row in table}


def _varying(row: Mapping[str, str]) -> str:
    """The values of the recipe fields that vary, which stand between the seed and n."""
    return "".join(f".{name}{row[name]}" for name in columns.varying(row))


def table_rows(workspace: Workspace) -> list[dict[str, str]]:
    """The rows of the table of the cells that are judged by now; none if just that one is not made."""
    judged = set(results.judged(workspace))
    made = workspace.store.published().get(workspace.table(judged).key) if judged and workspace.has_table else None
    if made is None:
        return []
    with open(made / results.TABLE, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def run_id(key: str) -> str:
    """A key as a word that every tracker takes."""
    return key.replace("/", "-")


def arm(cell: Cell) -> str:
    """What the seeds of a cell have in common."""
    return f"{cell.model}.{cell.arm}"


def config(cell: Cell) -> dict[str, str | float]:
    return {"cell": cell.label, "model": cell.model, "task": cell.task, "seed": cell.seed}


def recipe(finetune: Artifact) -> dict[str, str | float]:
    """What a finetune was asked for, on one level; what a validation picks is not known here."""
    given = finetune.plain_params
    told = {"finetune": finetune.key, "seed": given["seed"]}
    for name, value in given["recipe"].items():
        told[f"recipe/{name}"] = value if isinstance(value, (str, int, float)) else json.dumps(value)
    return told


def texts(row: Mapping[str, str]) -> dict[str, str]:
    """What a row of the table says in words."""
    said = {name: text for name, text in row.items() if text and name not in (*NAMED, *_figures(row))}
    return {TABLE + name: text for name, text in said.items()}


def final(row: Mapping[str, str]) -> dict[str, float]:
    return {FINAL + name: value for name, value in _figures(row).items()}


def _figures(row: Mapping[str, str]) -> dict[str, float]:
    found = {}
    for name, text in row.items():
        try:
            value = float(text) if name not in NAMED and not name.endswith("_key") else math.nan
        except (TypeError, ValueError):
            continue
        if math.isfinite(value):
            found[name] = value
    return found
