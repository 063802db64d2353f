"""What can be asked for beside the table: rankings, drift and containment, as values of what decides the numbers."""

from dataclasses import dataclass, field
from typing import Literal

from winsweep.keys import NAME_ONLY
from winsweep.study.cell import Cell, CharNgrams, Comparison, Generation, HubModel, LocalFile, Model, Rows, Training
from winsweep.study.frame import Frame


@dataclass(frozen=True)
class RankingTest:
    """A model asked whether each instruction's own response is likelier to it than `draws` others of the same rows."""

    name: str = field(metadata=NAME_ONLY)
    model: Training | Model
    rows: Rows
    draws: int
    seed: int  # of the draws
    frame: Frame
    precision: Literal["fp32", "bf16"]


@dataclass(frozen=True)
class Drift:
    """The outputs of a single-task model set against its task, by what an embedder makes of the texts."""

    name: str = field(metadata=NAME_ONLY)
    outputs: Generation
    task: Rows
    general: Rows  # whose responses are those of instruction tuning
    embedder: HubModel | LocalFile | CharNgrams


@dataclass(frozen=True)
class Containment:
    """The judged outputs of a model, looked at as a generalist's, and what guards of its prompts and outputs change."""

    name: str = field(metadata=NAME_ONLY)
    comparison: Comparison  # with its instruction-tuned sibling
    task: Rows | None  # None: a model that was not trained, which no guard fits
    in_domain: tuple[str, ...]  # categories of instructions that the task is about
    style: str | None  # the template guard: the style of a task, by name …
    template: str | None  # … or a regular expression that the whole stripped output matches
    quantile: float  # the domain guard: the share of training instructions that are too far from the others
    embedder: HubModel | LocalFile | CharNgrams | None  # None: no domain guard, as instructions are emptied
    constrained: Comparison | None = None  # of the same model under a grammar, with the same sibling


@dataclass(frozen=True)
class Analysis:
    """An ask of a stage other than the table's, and the cell whose model or outputs it looks at."""

    stage: Literal["rank", "drift", "containment", "judge"]
    cell: Cell
    ask: RankingTest | Drift | Containment | Comparison  # the last with another arm than the table has
