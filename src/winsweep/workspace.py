"""A study met with a store: its wanted artifacts, what is known about them, and the plan that follows."""

from collections.abc import Callable, Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from winsweep import layout
from winsweep.artifact import Artifact, closure
from winsweep.attempt import warm
from winsweep.attempt.history import failures, waits
from winsweep.errors import BadStudy
from winsweep.graph import Need, discover
from winsweep.plan import Facts, Item, plan
from winsweep.store import damage, left_out, liveness, store_format
from winsweep.store.fingerprint import Fingerprints
from winsweep.store.store import Store
from winsweep.study.cell import Cell, judge_of
from winsweep.study.study import Study, read_study
from winsweep.study.uses import gates_of
from winsweep.validation import card, kept
from winsweep.yaml_nodes import read_yaml

STAGES = (
    "pretrain",
    "prepare",
    "check",
    "check_judge",
    "choose",
    "finetune",
    "collect",
    "generate",
    "judge",
    "rank",
    "drift",
    "containment",
)


@dataclass(frozen=True)
class Workspace:
    """Everything a command needs to look at a study: nothing in it is remembered between commands."""

    study: Study
    store: Store
    need: Need
    judged: Mapping[str, Artifact]  # cell label to its judge artifact, or in a workspace of models to its model
    analyses: Mapping[str, Artifact] = field(default_factory=dict)  # analysis label to its artifact
    has_table: bool = True

    def models(self) -> "Workspace":
        """The workspace of the cells' finetuned models alone: nothing is generated from them, judged or put into a
        table.
        """
        trained = {label: c.training for label in self.judged if (c := cell_of(self, label)).training}
        need = Need(self.need.stages, gates_of(self.study.table, self.study.analyses, judged=False))
        return replace(
            self,
            need=need,
            judged={label: need("collect", t) for label, t in trained.items()},
            analyses={},
            has_table=False,
        )

    def only(self, labels: Collection[str]) -> "Workspace":
        """The workspace of just these cells and their analyses."""
        kept = {name: a for name, a in self.analyses.items() if self.study.analyses[name].cell.label in labels}
        return replace(self, judged={label: a for label, a in self.judged.items() if label in labels}, analyses=kept)

    def asked_for(self, cells: Collection[str], analyses: Collection[str]) -> "Workspace":
        """The workspace of just these cells and of their analyses just these."""
        left = self.only(cells)
        return replace(left, analyses={name: a for name, a in left.analyses.items() if name in analyses})

    def less(self, keys: Set[str]) -> "Workspace":
        """The workspace less the cells that are made from one of `keys`, or whose analyses are."""
        return self.only({label for label in self.judged if keys.isdisjoint(a.key for a in closure(self.ends(label)))})

    def ends(self, label: str) -> list[Artifact]:
        """What a cell is made for: its judgement and its analyses."""
        return [self.judged[label], *self.analyses_of.get(label, ())]

    def table(self, labels: set[str]) -> Artifact:
        """The aggregate of the cells named."""
        return self.need(
            "aggregate", self.study.table.only(tuple(c for c in self.study.table.cells if c.label in labels))
        )

    @cached_property
    def cells(self) -> dict[str, Cell]:
        """Label to cell."""
        return {cell.label: cell for cell in self.study.table.cells}

    @cached_property
    def analyses_of(self) -> dict[str, list[Artifact]]:
        """Label of each cell that has any to its analyses."""
        found: dict[str, list[Artifact]] = {}
        for name, a in self.analyses.items():
            found.setdefault(self.study.analyses[name].cell.label, []).append(a)
        return found

    @cached_property
    def wanted(self) -> list[Artifact]:
        """Everything that is asked for by itself."""
        return [*([self.table(set(self.judged))] if self.has_table else self.judged.values()), *self.analyses.values()]

    @cached_property
    def order(self) -> list[Artifact]:
        """All artifacts, inputs before users."""
        return closure(self.wanted)

    def facts(self, queued: Mapping[str, str] = MappingProxyType({})) -> Facts:
        """What the store shows now, with what is in a queue (key to where)."""
        published, begun = self.store.published(), self.store.begun()
        # what uses others before them: of what is there they are, too
        present = frozenset(a.key for a in reversed(self.order) if a.key in published)
        idle = [a.key for a in self.order if a.key not in present and a.key in begun]
        running = {key: f"by {holder}" for key in idle if (holder := self.store.holder(key, self.alive(key)))}
        running |= queued
        known = failures(self.store, [k for k in idle if k not in running])
        transient = frozenset(n for n, m in self.need.stages.items() if getattr(m, "TRANSIENT", False))
        waiting = waits(self.store, [k for k in idle if k not in running])
        elsewhere = damage.known(self.store).keys() | left_out.known(self.store.root)
        return Facts(present, running, known, transient, elsewhere, waiting)

    def damaged(self, items: Iterable[Item]) -> str:
        """A line for each artifact of the study that was set aside as damaged and that is to be made again by the plan
        `items`, and one for all that are made again; nothing of one that nothing needs.
        """
        todo = {i.artifact.key for i in items if i.state != "done"}
        return "".join(f"{line}\n" for line in damage.lines(self.store, {a.key: a.name for a in self.order}, todo))

    def alive(self, key: str) -> Callable[[str], bool]:
        """Whether the attempt at `key` that an owner's name tells of lives."""
        return lambda owner: liveness.alive(owner, self.store.work(key) / "heartbeat")

    def plan(self, facts: Facts) -> list[Item]:
        """Each artifact of the study, how it stands by these facts, and why."""
        return plan(self.wanted, facts, self.order)


def open_workspace(study: Path, store: Path, lenient: bool = False, is_made: bool = False) -> Workspace:
    """The study read and its artifacts named; no job is started and nothing of the store is changed but its cache of
    digests.

    BadStudy; a `lenient` workspace may lack files (see read_study): nothing may be run or removed by what it says.
    NotFound if the store `is_made` already for what the caller does, and is not there.
    """
    if is_made and not (store / store_format.NAME).exists():
        read_yaml(study)  # what is wrong with this comes first
        Store(store).refuse_absent()
    with warm.no_garbage():
        workspace = _open(study, store, lenient)
        workspace.store.expect(workspace.order)  # worked out here, as every command asks for it
    return workspace


def _open(study: Path, store: Path, lenient: bool) -> Workspace:
    opened = Store(store).open()
    prints = Fingerprints(opened.root / ".cache" / "digests.json")
    read = read_study(study, prints, lenient)
    prints.save()
    _refuse_grammars(read, opened.root / ".cache" / "grammars.json")
    need = Need(discover(layout.JOBS, "winsweep.jobs"), gates_of(read.table, read.analyses))
    analyses = {label: need(a.stage, a.ask) for label, a in read.analyses.items()}
    judged = {c.label: need("judge", c.comparison) for c in read.table.cells}
    return Workspace(_calibrated(read, opened.root, judged), opened, need, judged, analyses)


def _calibrated(study: Study, store: Path, judged: Mapping[str, Artifact]) -> Study:
    """The study with what its judge's card says of the judge's errors: then the table has calibrated columns, and
    another key than without them.
    """
    if not judged:
        return study
    a = next(iter(judged.values()))
    judge = judge_of(a)
    known, _ = kept.find(store, judge, a.plain_params["identity"])
    by = card.calibration_of(known, judge.options)
    return replace(study, table=replace(study.table, calibration=tuple(sorted(by.plain().items())))) if by else study


def _refuse_grammars(study: Study, cache: Path) -> None:
    """BadStudy with every grammar of the study that cannot be compiled, `cache` having those that could."""
    if study.grammars:
        from winsweep.generate.grammar_faults import faults  # slow to import

        found = dict(zip(study.grammars, faults(list(study.grammars.values()), cache), strict=True))
        legal = "what llguidance compiles is legal, see docs/how_to/constrain.md"
        if any(found.values()):
            raise BadStudy(*(f"{at}: {why}; {legal}; correct it" for at, why in found.items() if why))


def make_room(workspace: Workspace, items: Iterable[Item], survey: Callable[[], Iterable[Item]]) -> None:
    """Take what is stale in `items` out of the store, if a `survey` finds it stale again and it is still what was seen.

    Surveyed once more, because another launcher may have replaced it before its stamp was read.
    """
    stale = [i.artifact for i in items if i.stale]
    published = workspace.store.published() if stale else {}
    # its label may be another by now
    stamps = {a: workspace.store.stamp(published[a.key]) for a in stale if a.key in published}
    for item in survey() if stamps else ():
        if item.stale and item.artifact in stamps:
            workspace.store.retire(item.artifact, stamps[item.artifact])


def columns(chains: Iterable[Mapping[str, object]]) -> list[str]:
    """The stages that cells pass, in the order in which they pass them; `chains` as from `chain`."""
    used = {stage for of in chains for stage in of}
    return [stage for stage in STAGES if stage in used]


def chain(ends: Iterable[Artifact]) -> dict[str, list[Artifact]]:
    """Stage to the artifacts of one cell, without those of the cell that it is compared with, of the validation runs
    before it and of the cell that its finetune starts from.
    """
    found: dict[str, list[Artifact]] = {}

    def walk(a: Artifact) -> None:
        if a not in found.setdefault(a.stage, []):
            found[a.stage].append(a)
        for name, i in (*a.inputs.items(), *a.gates.items()):
            is_base = a.stage == "finetune" or (name == "base" and "lora" in a.inputs)
            is_start = is_base and i.stage == "collect"
            if name != "reference" and a.stage != "choose" and not is_start:
                walk(i)

    for a in ends:
        walk(a)
    return found


def cell_of(workspace: Workspace, label: str) -> Cell:
    return workspace.cells[label]


def trained_as(workspace: Workspace, cell: Cell) -> Cell:
    """The cell that the finetune of `cell` is named for: that of the task whose models an adapter arm answers with,
    else `cell` itself.
    """
    return workspace.cells.get(cell.training.name, cell) if cell.training else cell
