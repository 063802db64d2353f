"""What a study does with each of its models and judges: the asks of the checks that come before anything is spent."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from winsweep.graph import Gates
from winsweep.keys import name_only, worked_out_once
from winsweep.study.analyses import Analysis
from winsweep.study.cell import Comparison, Containment, Decoding, Drift, Generation, Judge, Model, RankingTest, Source, Table, Training, untrained
from winsweep.study.frame import Frame
from winsweep.study.rules import Adapter

TRAIN, OUTPUTS, RANK = "finetune", "generate", "rank"


@worked_out_once
@dataclass(frozen=True)
class ModelUse:
    """A base model with everything that a study does with it."""

    name: str = name_only()
    model: Model
    max_tokens: tuple[int, ...]  # of recipes
    frames: tuple[Frame, ...]
    decodings: tuple[Decoding, ...]
    adapters: tuple[tuple[Adapter, Frame], ...]
    instructions: tuple[Source, ...]


@worked_out_once
@dataclass(frozen=True)
class JudgeUse:
    """A judge that will be asked."""

    name: str = name_only()
    judge: Judge


def gates_of(table: Table, analyses: Mapping[str, Analysis], judged: bool = True) -> Gates:
    """Which checks must have passed before a finetune, a generation or a ranking of the study may start: those of its base model, and of the
    judges of what comes of it. Not `judged`: models are trained, and nothing else.
    """
    comparisons = list(_comparisons(table, analyses))
    generations = list(dict.fromkeys(_generations(comparisons, analyses)))
    if not judged:
        generations = [g for g in generations if isinstance(g.model, Training)]
    ranks = [a.ask for a in analyses.values() if isinstance(a.ask, RankingTest)]
    models = {m: _use(m, generations, ranks, judged) for m in dict.fromkeys(untrained(x.model) for x in (*generations, *ranks))}
    judges = _judges(comparisons) if judged else {}

    def gates(stage: str, ask: object) -> dict[str, tuple[str, object]]:
        if stage not in (TRAIN, OUTPUTS, RANK):
            return {}
        of_model = {} if isinstance(ask, (Generation, RankingTest)) and isinstance(ask.model, Training) else {"check": ("check", models[untrained(ask.model)])}
        return of_model | {f"judge {use.judge.name}": ("check_judge", use) for use in judges.get(ask, ())}

    return gates


def _comparisons(table: Table, analyses: Mapping[str, Analysis]) -> Iterator[Comparison]:
    """Every comparison that anything of the study hangs on, validation runs included, each once."""
    seen: set[Comparison] = set()
    todo = [c.comparison for c in table.cells] + [a.ask.comparison for a in analyses.values() if isinstance(a.ask, Containment)]
    while todo:
        found = todo.pop()
        if found in seen:
            continue
        seen.add(found)
        yield found
        for side in _sides(found):
            if isinstance(side.model, Training) and side.model.choice:
                todo += side.model.choice.runs


def _sides(comparison: Comparison) -> list[Generation]:
    return [side for side in (comparison.candidate, comparison.reference) if isinstance(side, Generation)]


def _generations(comparisons: Iterable[Comparison], analyses: Mapping[str, Analysis]) -> Iterator[Generation]:
    for comparison in comparisons:
        yield from _sides(comparison)
    yield from (a.ask.outputs for a in analyses.values() if isinstance(a.ask, Drift))


def _use(model: Model, generations: list[Generation], ranks: list[RankingTest], judged: bool) -> ModelUse:
    of = [g for g in generations if untrained(g.model) == model]
    tuned = [g.model for g in of if isinstance(g.model, Training)] + [r.model for r in ranks if isinstance(r.model, Training) and untrained(r.model) == model]
    frames = [*(g.frame for g in of), *(t.frame for t in tuned), *(r.frame for r in ranks if untrained(r.model) == model)]
    max_tokens = tuple(sorted({t.recipe.max_tokens for t in tuned}))
    if not judged:
        return ModelUse(model.name, model, max_tokens, _once(t.frame for t in tuned), (), (), ())
    return ModelUse(model.name, model, max_tokens, _once(frames), _once(g.decoding for g in of), _once((g.adapter, g.frame) for g in of if g.adapter.rules),
                    _once(g.instructions for g in of))


def _once(values: Iterable) -> tuple:
    return tuple(dict.fromkeys(values))


def _judges(comparisons: Iterable[Comparison]) -> dict[Training | Generation, tuple[JudgeUse, ...]]:
    """The judges of what is made by each training, and of each untrained model's outputs."""
    found: dict[Training | Generation, dict[JudgeUse, None]] = {}
    for comparison in comparisons:
        if not hasattr(comparison.judge.options, "limits") and not hasattr(comparison.judge.options, "weights"):
            continue  # it needs nothing but itself
        for side in _sides(comparison):
            of = side.model if isinstance(side.model, Training) else side
            found.setdefault(of, {})[JudgeUse(comparison.judge.name, comparison.judge)] = None
    return {of: tuple(uses) for of, uses in found.items()}
