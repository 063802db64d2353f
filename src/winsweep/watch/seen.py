"""What one look at a study shows, as the board draws it and scripts read it. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

FORMAT = 2  # of the JSON: raised when a field changes its meaning or goes; new ones may come


@dataclass(frozen=True)
class Training:
    """How far a finetune is."""

    step: int
    num_steps: int | None
    loss: float | None  # of the last step, nats
    lr: float | None
    tokens_per_s: float | None
    eval_loss: float | None  # over held-out rows, the last one, nats
    losses: tuple[float, ...]  # of the run so far, at most 60: means of neighbouring steps


@dataclass(frozen=True)
class Result:
    """A result that the study needs, and how it stands."""

    stage: str
    label: str
    key: str
    state: str  # done, running, queued, ready, waiting, failed or blocked
    why: str  # why it failed, waits or is queued; who runs it
    cells: tuple[str, ...]  # that need it
    share: float | None = None  # done of a running one, 0 to 1
    left_s: float | None = None  # of a running one by its own pace, once a tenth is done
    training: Training | None = None  # of a running finetune
    log: str | None = None  # of a running or failed one


@dataclass(frozen=True)
class Cell:
    """A row of the study: its state is the most pressing one of what it is made from."""

    label: str
    model: str
    arm: str
    seed: int
    state: str
    keys: Mapping[str, tuple[str, ...]]  # by stage, of what it is made from


@dataclass(frozen=True)
class Queue:
    """What is known of SLURM's queue."""

    asked_at: float | None  # of the last answer, seconds since 1970; None if there was none
    trouble: str  # why it does not answer; "" if it does


@dataclass(frozen=True)
class Seen:
    """A study at one moment."""

    study: str
    store: str
    at: float  # seconds since 1970
    results: tuple[Result, ...]
    cells: tuple[Cell, ...]
    gpu_hours: float  # of finished results and of what runs
    left_s: float | None  # until all that can be made is made, if that is known
    left_why: str  # why not, else ""
    queue: Queue | None  # None if nothing was submitted to SLURM from this store
    retry: str  # the command that tries again what has failed
    table: str  # where the table is, or why not

    @property
    def num_done(self) -> int:
        """Cells that are done."""
        return sum(cell.state == "done" for cell in self.cells)

    @property
    def num_left(self) -> int:
        """Results that are still to be made and can be."""
        return sum(r.state in ("running", "queued", "ready", "waiting") for r in self.results)


def plain(seen: Seen, before: Seen | None = None) -> dict[str, Any]:
    """The look in JSON types; after another one with just the results and cells that differ from what they were."""
    counts = {"num_done": seen.num_done, "num_left": seen.num_left, "states": Counter(c.state for c in seen.cells)}
    return {"format": FORMAT, "whole": before is None, **counts, **asdict(_changed(seen, before) if before else seen)}


def _changed(seen: Seen, before: Seen) -> Seen:
    results, cells = {r.key: r for r in before.results}, {c.label: c for c in before.cells}
    return replace(
        seen,
        results=tuple(r for r in seen.results if results.get(r.key) != r),
        cells=tuple(c for c in seen.cells if cells.get(c.label) != c),
    )
