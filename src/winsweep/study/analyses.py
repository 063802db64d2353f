"""Which analyses a study asks for beside its table: response ranking, behavioural drift and containment, each of one of
its cells.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from winsweep import strict
from winsweep.quoting import quoted
from winsweep.strict import Node
from winsweep.study import sections
from winsweep.study.analysis import Analysis, Containment, Drift, RankingTest
from winsweep.study.arms import Arm, one_of, refuse_same
from winsweep.study.cell import Cell, CharNgrams, Comparison, HubModel, LocalFile, Rows, Source
from winsweep.study.parts import Parts

T = TypeVar("T")
# readers whose responses have a form that analysis/style.py knows
STYLED = ("gsm", "chess", "mbpp", "recipes", "poetry")
MODEL_FILES = ("modules.json", "config.json")  # of an embedder's directory: one of them names what it is made of
NGRAMS = "ngrams"  # the embedder that needs no model
# The paper's nomic-ai/nomic-embed-text-v1 comes with Python code of its own, which would run with your rights; winsweep
# runs no code from a hub. This one is a plain MPNet that transformers knows (Apache 2.0; it reads the first 384 tokens,
# the paper's the first 512).
EMBEDDER = HubModel("sentence-transformers/all-mpnet-base-v2", "e8c3b32edf5434bc2275fc9bab85f82640a19130")


def read_analyses(node: Node, cells: Sequence[Cell], arms: Mapping[str, Arm], parts: Parts) -> dict[str, Analysis]:
    """The section analyses:, by label (STAGE.MODEL.ARM.sSEED; without a seed where nothing was trained); BadStudy for
    what no cell has.
    """
    given = node.mapping()
    seen, found = strict.Findings(), []
    seen.of(strict.refuse_unknown, given, strict.keys(sections.Analyses), node)
    for name, read in (("rank", _rank), ("drift", _drift), ("containment", _containment)):
        found += (seen.of(read, given[name], cells, arms, parts) or []) if name in given else []
    seen.stop()
    labels = {f"{a.stage}.{a.ask.name}": a for a in found}
    for a in found:
        if (other := labels[f"{a.stage}.{a.ask.name}"]) is not a:
            raise node.error(
                f"two analyses would be called {a.stage}.{a.ask.name}: of {a.cell.task} and of {other.cell.task}",
                "names that differ when joined by dots are legal",
                "rename one of these arms",
            )
    return labels


def _rank(node: Node, cells: Sequence[Cell], arms: Mapping[str, Arm], parts: Parts) -> list[Analysis]:
    given = node.mapping()
    strict.refuse_unknown(given, strict.keys(sections.Rank), node)
    rows = _rows(_needed(node, "data", "a task of this study, or where rows come from"), arms, parts)
    draws, seed, precision = (strict.option(sections.Rank, n, given) for n in ("draws", "draw_seed", "precision"))
    found = []
    for cell in _chosen(node, cells, arms, lambda arm: not arm.adapter.rules and not arm.grammar):
        asked = cell.comparison.candidate
        found.append(
            Analysis("rank", cell, RankingTest(asked.name, asked.model, rows, draws, seed, asked.frame, precision))
        )
    return found


def _drift(node: Node, cells: Sequence[Cell], arms: Mapping[str, Arm], parts: Parts) -> list[Analysis]:
    given = node.mapping()
    strict.refuse_unknown(given, strict.keys(sections.Drift), node)
    general = _rows(_needed(node, "against", "the task of instruction tuning"), arms, parts, may_be_empty=True)
    embedder = _embedder(given["embedder"], parts) if "embedder" in given else EMBEDDER
    found = []
    for cell in _chosen(node, cells, arms, lambda arm: arm.task is not None and not arm.task.empty_instructions):
        asked = cell.comparison.candidate
        found.append(
            Analysis("drift", cell, Drift(asked.name, asked, strict.present(cell.training).task, general, embedder))
        )
    return found


def _containment(node: Node, cells: Sequence[Cell], arms: Mapping[str, Arm], parts: Parts) -> list[Analysis]:
    given = node.mapping()
    strict.refuse_unknown(given, strict.keys(sections.Containment), node)
    chosen = _chosen(node, cells, arms, lambda arm: True)
    trained = {c.task for c in chosen if c.training}
    templates = _templates(given["templates"], trained) if "templates" in given else {}
    constrained = _constrained(given["constrained"], trained, arms) if "constrained" in given else {}
    quantile = strict.option(sections.Containment, "quantile", given)
    if not 0 <= quantile < 1:
        raise given["quantile"].error(
            f"found {quantile:g}", "0 to less than 1 is legal: a share of the training instructions"
        )
    embedder = _embedder(given["embedder"], parts) if "embedder" in given else EMBEDDER
    found = []
    for cell in chosen:
        compared, template = cell.comparison, templates.get(cell.task)
        task = cell.training.task if cell.training else None
        if isinstance(compared.reference, LocalFile) or compared.reference == compared.candidate:
            other = "a file" if isinstance(compared.reference, LocalFile) else "itself"
            raise given["arms"].error(
                f"{cell.task} is compared with {other}",
                "an arm that is compared with its instruction-tuned sibling is legal",
            )
        style = task.reader if isinstance(task, Source) and task.reader in STYLED and template is None else None
        found.append(
            Analysis(
                "containment",
                cell,
                Containment(
                    compared.candidate.name,
                    compared,
                    task,
                    cell.leave_out,
                    style,
                    template,
                    quantile,
                    None if task is None or task.empty_instructions else embedder,
                    _under_grammar(cell, constrained.get(cell.task), cells, given.get("constrained", node)),
                ),
            )
        )
    return found


def _constrained(node: Node, trained: Collection[str], arms: Mapping[str, Arm]) -> dict[str, str]:
    """Arms with a grammar, by the arms of whose models they are."""
    found: dict[str, str] = {}
    for name, other in node.mapping().items():
        _known(name, sorted(trained), other, "arm")
        found[name] = strict.read(str, other)
        one_of(arms, found[name], other, lambda arm, of=name: arm.grammar is not None and arm.of == of)  # type: ignore[misc]
    return found


def _under_grammar(cell: Cell, name: str | None, cells: Sequence[Cell], at: Node) -> Comparison | None:
    """What the arm of that name is compared with at the model, seed and recipe of a cell; None where it has none."""
    wanted = (cell.model, cell.seed, cell.varying)
    found = next((c.comparison for c in cells if c.task == name and (c.model, c.seed, c.varying) == wanted), None)
    if found and found.reference != cell.comparison.reference:
        raise at.error(f"{name} and {cell.task} are compared with different arms", "one sibling of both is legal")
    return found


def _templates(node: Node, arms: Collection[str]) -> dict[str, str]:
    """Regular expressions by arm."""
    found: dict[str, str] = {}
    for name, pattern in node.mapping().items():
        _known(name, sorted(arms), pattern, "arm")
        found[name] = strict.read(str, pattern)
        try:
            re.compile(found[name])
        except re.error as e:
            raise pattern.error(
                f"found {quoted(pattern.value)}, {e}", "a regular expression of Python is legal"
            ) from None
    return found


def _chosen(node: Node, cells: Sequence[Cell], arms: Mapping[str, Arm], fits: Callable[[Arm], bool]) -> list[Cell]:
    """The cells of the models (all by default), arms and seed (the study's first by default) that an analysis names."""
    given, names = node.mapping(), _needed(node, "arms", "a list of tasks and adapters of this study")
    wanted = strict.read(tuple[str, ...], strict.not_empty(names, "name an arm, or take the analysis out"))
    refuse_same(wanted, names, "arm")
    for name in wanted:
        one_of(arms, name, names, fits)
    models, seeds = list(dict.fromkeys(c.model for c in cells)), list(dict.fromkeys(c.seed for c in cells))
    if "models" in given:
        named = strict.not_empty(given["models"], "name one, or take models: out")
        models = [_known(name, models, named, "model") for name in strict.read(tuple[str, ...], named)]
    seed = _known(strict.read(int, given["seed"]), seeds, given["seed"], "seed") if "seed" in given else seeds[0]
    found = [c for c in cells if c.model in models and c.task in wanted and c.seed == seed]
    for name in set(wanted) - {c.task for c in found}:
        raise names.error(
            f"no cell of {name} for {', '.join(models)}",
            "an arm may be for some models only",
            f"remove {name} or name its model",
        )
    return found


def _known(value: T, legal: Collection[T], at: Node, what: str) -> T:
    if value not in legal:
        raise at.error(f"no {what} {quoted(value)} in this study", strict.near(str(value), [str(x) for x in legal]))
    return value


def _rows(node: Node, arms: Mapping[str, Arm], parts: Parts, may_be_empty: bool = False) -> Rows:
    """The training rows of a task, by its name, or of a source of their own, whose instructions are not emptied unless
    they may be.
    """
    if isinstance(node.value, dict):
        found: Rows = parts.source(node, node.path.removeprefix("analyses.").replace(".", "-"), "examples")
    else:
        task = one_of(arms, strict.read(str, node), node, lambda arm: arm.task is not None).task
        if task is None:
            raise LookupError("an arm without rows")
        found = task
    if found.empty_instructions and not may_be_empty:
        raise node.error(
            "found rows whose instructions are emptied",
            "an instruction's own response is to be told from others'",
            "name the task that has them",
        )
    return found


def _embedder(node: Node, parts: Parts) -> HubModel | LocalFile | CharNgrams:
    if node.value == NGRAMS:
        return CharNgrams()
    given = node.mapping()
    strict.refuse_unknown(given, strict.keys(sections.Embedder), node)
    if "path" in given and len(given) > 1:
        raise node.error("found path and hf_id", "one of path: and hf_id: with revision: is legal")
    return _folder(given["path"], parts) if "path" in given else strict.read_fields(HubModel, given, node)


def _folder(node: Node, parts: Parts) -> LocalFile:
    """The directory of an embedder; BadStudy for one without a model, as a drift is measured when all else is made."""
    found = parts.folder(node)
    path = parts.files.get(found.sha256)
    if path and not any((path / name).is_file() for name in MODEL_FILES):
        raise node.error(
            f"found a directory without a model, {path}",
            f"the directory of a sentence-transformers model, with {' or '.join(MODEL_FILES)}, is legal",
            "name it, or type embedder: ngrams, which needs none",
        )
    return found


def _needed(node: Node, name: str, what: str) -> Node:
    if name not in node.mapping():
        raise node.error(f"{name} is missing", f"{name} is {what}", f"add {name}: …")
    return node.mapping()[name]
