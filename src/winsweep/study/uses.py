"""What a study does with each of its models and judges: the asks of the checks that come before anything is spent."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from winsweep.graph import Gates
from winsweep.keys import NAME_ONLY, added, worked_out_once
from winsweep.study import jury
from winsweep.study.analysis import Analysis, Containment, Drift, RankingTest
from winsweep.study.cell import (
    Comparison,
    Data,
    Decoding,
    Generation,
    Judge,
    Mix,
    Model,
    Rows,
    Source,
    Training,
)
from winsweep.study.frame import Frame
from winsweep.study.lora import Lora
from winsweep.study.origin import root_of, starts_of
from winsweep.study.rules import Adapter, Grammar
from winsweep.study.table import Table

TRAIN, OUTPUTS, RANK = "finetune", "generate", "rank"


@worked_out_once
@dataclass(frozen=True)
class ModelUse:
    """A base model with everything that a study does with it."""

    name: str = field(metadata=NAME_ONLY)
    model: Model
    max_tokens: tuple[int, ...]  # of recipes
    frames: tuple[Frame, ...]
    decodings: tuple[Decoding, ...]
    adapters: tuple[tuple[Adapter, Frame], ...]
    instructions: tuple[Source, ...]
    loras: tuple[Lora, ...] = ()  # adapters that its finetunes have
    system_frames: tuple[Frame, ...] = ()  # that a system message is written in
    grammars: tuple[tuple[Grammar, tuple[str, ...]], ...] = added(())  # each with the texts that are to end an answer
    vllm_adapters: bool = added(False)  # whether vLLM is to put adapters on it


@worked_out_once
@dataclass(frozen=True)
class JudgeUse:
    """A judge that will be asked."""

    name: str = field(metadata=NAME_ONLY)
    judge: Judge


def gates_of(table: Table, analyses: Mapping[str, Analysis], judged: bool = True) -> Gates:
    """Which checks must have passed before a finetune, a generation or a ranking of the study may start: those of its
    base model, and of the judges of what comes of it; a finetune's held-out rows must be there, too. Not `judged`:
    models are trained, and what chooses how is judged alone.
    """
    comparisons = list(_comparisons(table, analyses))
    tuned = _once(t for c in comparisons for side in _sides(c) for t in _trainings(side.model))
    if not judged:
        runs = {run for training in tuned if training.choice for run in training.choice.runs}
        comparisons, analyses = [c for c in comparisons if c in runs], {}
    generations = _once(_generations(comparisons, analyses))
    ranks = [a.ask for a in analyses.values() if isinstance(a.ask, RankingTest)]
    models = {
        m: _use(m, tuned, generations, ranks)
        for m in _once(root_of(x) for x in (*tuned, *(x.model for x in (*generations, *ranks))))
    }
    judges = _judges(comparisons)

    def gates(stage: str, ask: Hashable) -> dict[str, tuple[str, Hashable]]:
        if stage not in (TRAIN, OUTPUTS, RANK) or not isinstance(ask, (Training, Generation, RankingTest)):
            return {}
        of_model: dict[str, tuple[str, Hashable]] = (
            {}
            if isinstance(ask, (Generation, RankingTest)) and isinstance(ask.model, Training)
            else {"check": ("check", models[root_of(ask.model)])}
        )
        if isinstance(ask, Training) and ask.evaluation:
            of_model["held out"] = ("prepare", Data("examples", ask.evaluation.source))
        return of_model | {f"judge {use.judge.name}": ("check_judge", use) for use in judges.get(ask, ())}

    return gates


def _comparisons(table: Table, analyses: Mapping[str, Analysis]) -> Iterator[Comparison]:
    """Every comparison that anything of the study hangs on, validation runs included, each once."""
    seen: set[Comparison] = set()
    contained = [a.ask for a in analyses.values() if isinstance(a.ask, Containment)]
    todo = [c.comparison for c in table.cells]
    todo += [c for ask in contained for c in (ask.comparison, ask.constrained) if c]
    while todo:
        found = todo.pop()
        if found in seen:
            continue
        seen.add(found)
        yield found
        for side in _sides(found):
            for training in _trainings(side.model):
                todo += training.choice.runs if training.choice else ()


def _trainings(model: Training | Model) -> list[Training]:
    """The finetune that it is, and those that this starts from."""
    return [*([model] if isinstance(model, Training) else []), *starts_of(model)]


def _sides(comparison: Comparison) -> list[Generation]:
    return [side for side in (comparison.candidate, comparison.reference) if isinstance(side, Generation)]


def _generations(comparisons: Iterable[Comparison], analyses: Mapping[str, Analysis]) -> Iterator[Generation]:
    for comparison in comparisons:
        yield from _sides(comparison)
    yield from (a.ask.outputs for a in analyses.values() if isinstance(a.ask, Drift))


def _use(
    model: Model, tuned: Iterable[Training], generations: Iterable[Generation], ranks: Iterable[RankingTest]
) -> ModelUse:
    trained = [t for t in tuned if root_of(t) == model]
    of = [g for g in generations if root_of(g.model) == model]
    asked = [r for r in ranks if root_of(r.model) == model]
    return ModelUse(
        model.name,
        model,
        tuple(sorted({t.recipe.max_tokens for t in trained})),
        _once([*(g.frame for g in of), *(t.frame for t in trained), *(r.frame for r in asked)]),
        _once(g.decoding for g in of),
        _once((g.adapter, g.frame) for g in of if g.adapter.rules),
        _once(g.instructions for g in of),
        _once(t.recipe.lora for t in trained if t.recipe.lora),
        _once(
            [
                *(t.frame for t in trained if _has_system(t.task)),
                *(g.frame for g in of if _has_system(g.instructions)),
            ]
        ),
        _once((g.grammar, g.decoding.stop) for g in of if g.grammar),
        any(g.decoding.engine == "vllm" and _answers_by_adapters(g.model) for g in of),
    )


def _answers_by_adapters(model: Training | Model) -> bool:
    return isinstance(model, Training) and not model.recipe.makes_model


def _has_system(rows: Rows) -> bool:
    return any(part.system for part, _ in rows.parts) if isinstance(rows, Mix) else bool(rows.system)


def _once(values: Iterable) -> tuple:
    return tuple(dict.fromkeys(values))


def _judges(comparisons: Iterable[Comparison]) -> dict[Hashable, tuple[JudgeUse, ...]]:
    """The judges of what is made by each training, and of each untrained model's outputs."""
    found: dict[Hashable, dict[JudgeUse, None]] = {}
    for comparison in comparisons:
        options = [judge.options for judge in jury.members(comparison.judge)]
        if not any(hasattr(each, "limits") or hasattr(each, "weights") for each in options):
            continue  # it needs nothing but itself
        for side in _sides(comparison):
            own = [] if isinstance(side.model, Training) else [side]
            for of in (*own, *_trainings(side.model)):
                found.setdefault(of, {})[JudgeUse(comparison.judge.name, comparison.judge)] = None
    return {of: tuple(uses) for of, uses in found.items()}
