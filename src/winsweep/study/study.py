"""What a study file may say, section by section, and the study that it is."""

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from winsweep import plugins, strict
from winsweep.errors import BadStudy
from winsweep.strict import Node
from winsweep.study import all_pairs, selection
from winsweep.study.all_pairs import Pair
from winsweep.study.analyses import read_analyses
from winsweep.study.analysis import Analysis
from winsweep.study.arms import Arm, Common, adapter_arms, refuse_same, refuse_twins, task_arms
from winsweep.study.cell import Cell, Decoding, Judge, LocalFile, Source
from winsweep.study.cells import Cells, families
from winsweep.study.frame import Frame
from winsweep.study.inheritance import read_extended
from winsweep.study.names import check_study_name
from winsweep.study.parts import Fingerprint, Parts
from winsweep.study.published import read_published
from winsweep.study.recipe_layers import RecipeLayers
from winsweep.study.rules import Grammar
from winsweep.study.sections import Compare, StudyFile
from winsweep.study.selection import Selection
from winsweep.study.starts import ModelEntry
from winsweep.study.table import Control, Table
from winsweep.study.web_file import UrlFile

SECTIONS = strict.keys(StudyFile)


@dataclass(frozen=True)
class Study:
    """A study, read and checked: its table, its analyses by label, and where the local files that it names lie, or
    should.
    """

    name: str
    path: Path
    table: Table
    files: Mapping[str, Path]
    urls: Mapping[Path, UrlFile]  # those that come from the web
    # those that are not there, with what to say; keys of what is made from them may be wrong
    missing: Mapping[Path, str]
    notes: str = ""  # shown under the table
    analyses: Mapping[str, Analysis] = dataclasses.field(default_factory=dict)
    grammars: Mapping[str, Grammar] = dataclasses.field(default_factory=dict)  # by the place that names each
    pairs: tuple[Pair, ...] = ()  # cells that are compared with each other


def read_study(path: Path, fingerprint: Fingerprint, lenient: bool = False) -> Study:
    """The study at `path`; BadStudy says file, line, key, what was found, what is legal and what to type.

    So it does for every file that is not there, unless it is `lenient`: then these are `missing`, and only for looking
    at.
    """
    study = _Reader(path, fingerprint).study()
    if study.missing and not lenient:
        raise BadStudy(*study.missing.values())
    return study


class _Reader:
    """Reads one study file; remembers where local files lie."""

    def __init__(self, path: Path, fingerprint: Fingerprint) -> None:
        self.path, self.parts = path, Parts(path, fingerprint)
        self.root = read_extended(path)
        self.given = self.root.mapping()
        self.recipes = RecipeLayers(self.root)

    def study(self) -> Study:
        """Everything that stands by itself first, then what is made of it; each time all errors at once."""
        seen, present = strict.Findings(), strict.present
        seen.of(strict.refuse_unknown, self.given, SECTIONS, self.root)
        name, notes = seen.of(self.name), seen.of(self.notes)
        compare = seen.of(self.compare) or {}
        judge, difficulty = seen.of(self.judge_of, compare), seen.of(self.difficulty, compare)
        control, draws = seen.of(self.control_and_draws, compare) or ("length", None)
        scope = seen.of(all_pairs.read, compare)
        seen.of(lambda: compare["reference"].mapping() if "reference" in compare else {})
        instructions, seeds = seen.of(self.instructions), seen.of(self.seeds)
        models, points = seen.of(self.models), seen.of(self.points)
        arms = seen.of(self.read_arms, self.model_names())
        if instructions and arms:
            seen.of(self.refuse_categories, instructions)
        for layer in self.recipes.all():
            seen.of(self.recipes.read, layer)
        if seen.found:  # nothing more can be read of it, but files that are not there are known
            seen.found += self.parts.missing.values()
        seen.stop()
        self.refuse_many(len(present(models)) * len(present(arms)) * len(present(seeds)) * len(present(points)))
        asked = Cells(self.root, self.parts, self.recipes, present(arms), present(instructions), present(judge))
        asked.selection = seen.of(self.read_selection, families(present(models), asked.arms), asked.judge)
        cells = seen.of(asked.read, seen, present(models), present(points), present(seeds)) or ()
        seen.stop()
        analyses, published = seen.of(self.analyses, cells, asked.arms), seen.of(self.published, cells)
        pairs = (seen.of(all_pairs.pairs, cells, scope, compare["all_pairs"]) or ()) if scope else ()
        seen.stop()
        return Study(
            present(name),
            self.path,
            Table(present(name), cells, difficulty, present(published), control, draws),
            self.parts.files,
            self.parts.urls,
            self.parts.missing,
            present(notes),
            {**present(analyses), **all_pairs.analyses(pairs, cells)},
            self.parts.grammars,
            pairs,
        )

    def refuse_categories(self, instructions: Source) -> None:
        """BadStudy where a task leaves out what no instruction is of, as far as their reader says which there are."""
        reader = None if instructions.code else plugins.ours(plugins.TASKS, instructions.reader)
        if (legal := getattr(reader, "categories", lambda options: None)(instructions.options)) is None:
            return
        seen = strict.Findings()
        for entry in self.given["tasks"].mapping().values() if isinstance(self.given["tasks"].value, dict) else ():
            for at in strict.items(entry.mapping()["leave_out"]) if "leave_out" in entry.mapping() else ():
                if at.value not in legal:
                    said = f"no instruction is of the category {strict.show(at.value)}"
                    seen.found.append(str(at.error(said, strict.near(str(at.value), legal))))
        seen.stop()

    def points(self) -> list[dict[str, Node]]:
        return selection.points(self.given.get("grid"), self.max_cells())

    def max_cells(self) -> int:
        most: int = strict.option(StudyFile, "max_cells", self.given)
        return most

    def refuse_many(self, num: int) -> None:
        if num > self.max_cells():
            raise self.root.error(
                f"found {num:,} cells (models × arms × seeds × grid)",
                f"{self.max_cells():,} are legal",
                f"take some out, or add max_cells: {num}",
            )

    def instructions(self) -> Source:
        return self.parts.source(self.need("instructions"), "instructions", "instructions")

    def analyses(self, cells: Sequence[Cell], arms: Mapping[str, Arm]) -> dict[str, Analysis]:
        return read_analyses(self.given["analyses"], cells, arms, self.parts) if "analyses" in self.given else {}

    def published(self, cells: Sequence[Cell]) -> tuple[tuple[str, float, float], ...]:
        named = [f"{c.model}.{c.task}" for c in cells]
        return read_published(self.given["published"], named, self.path) if "published" in self.given else ()

    def name(self) -> str:
        name = strict.read(str, self.need("name"))
        check_study_name(name, self.given["name"])
        return name

    def notes(self) -> str:
        return strict.read(str, self.given["notes"]) if "notes" in self.given else ""

    def compare(self) -> dict[str, Node]:
        return self.need("compare").mapping()

    def control_and_draws(self, compare: dict[str, Node]) -> tuple[Control, int | None]:
        """What the tested win rate is controlled for, and draws of a bootstrap."""
        control: Control = strict.option(Compare, "control", compare)
        draws: int | None = strict.option(Compare, "bootstrap", compare)
        if draws and control != "length":
            raise compare["bootstrap"].error(
                f"found it beside control: {control}", "it draws win rates at equal length", "type control: length"
            )
        return control, draws

    def difficulty(self, compare: dict[str, Node]) -> LocalFile | None:
        strict.refuse_unknown(compare, strict.keys(Compare), self.given.get("compare", self.root))
        return self.parts.local(compare["difficulty"]) if "difficulty" in compare else None

    def need(self, section: str) -> Node:
        if section not in self.given:
            raise self.root.error(f"{section} is missing", f"a study has {', '.join(SECTIONS)}", f"add {section}:")
        return self.given[section]

    def section(self, kind: type, name: str) -> typing.Any:
        return strict.read(kind, self.given[name]) if name in self.given else kind()

    def models(self) -> list[ModelEntry]:
        seen = strict.Findings()
        given = strict.not_empty(self.need("models"), "type a line such as toy: {pretrain: {corpus: toy}}")
        found = {name: seen.of(self.parts.model, name, node) for name, node in given.mapping().items()}
        seen.stop()
        out = [ModelEntry(name, model, given.mapping()[name].mapping()) for name, model in found.items()]
        refuse_twins([(m.name, m.model or [m.own["from"].value, self.parts.context(m.own)]) for m in out], given)
        return out

    def model_names(self) -> list[str] | None:
        """What the study calls its models, also those that are wrong; None if models: is no mapping."""
        given = self.given.get("models")
        return list(given.value) if given and isinstance(given.value, dict) else None

    def read_arms(self, models: list[str] | None) -> dict[str, Arm]:
        seen = strict.Findings()
        decoding, frame = seen.of(self.section, Decoding, "decoding"), seen.of(self.section, Frame, "frame")
        common = Common(decoding or Decoding(), frame or Frame(), models)
        tasks = seen.of(lambda: task_arms(self.need("tasks"), common, self.parts))
        by_name = None if tasks is None else {a.name: a for a in tasks}
        section = self.given.get("adapters")
        out = (seen.of(adapter_arms, section, common, self.parts, by_name) or []) if section else []
        out += tasks or []
        seen.stop()
        if not out:
            strict.not_empty(self.given["tasks"], "name a task, or an adapter under adapters:")
        refuse_same([a.name for a in out], self.given["tasks"], "task")
        return {a.name: a for a in out}

    def seeds(self) -> tuple[int, ...]:
        strict.not_empty(self.need("seeds"), "type seeds: [1]")
        seeds: tuple[int, ...] = strict.option(StudyFile, "seeds", self.given)
        refuse_same(seeds, self.given["seeds"], "seed")
        return seeds

    def read_selection(self, named: list[str], judge: Judge) -> Selection | None:
        if "choose" not in self.given:
            return None
        return selection.read_selection(
            self.given["choose"],
            named,
            judge,
            lambda n: self.parts.source(n, "validation", "instructions"),
            self.parts.judge,
            self.parts.local,
        )

    def judge_of(self, compare: dict[str, Node]) -> Judge:
        if "judge" not in compare:
            legal = ", ".join(plugins.names(plugins.JUDGES, Path(self.root.file).parent))
            raise self.given.get("compare", self.root).error("judge is missing", f"legal: {legal}", "add judge: NAME")
        return self.parts.judge(compare["judge"])
