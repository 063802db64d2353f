"""How much of a generalist a task-specific model is outside its task, and how much of that is left behind each
guard.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from winsweep.analysis.guards import Guard, both
from winsweep.analysis.intervals import Share, share_of
from winsweep.errors import BadData

TIE = 1.5  # AlpacaEval's preference: 1 the sibling wins, 2 the model wins
TEST, TRAINING = "test prompts", "training rows"


@dataclass(frozen=True)
class Effect:
    """A model behind one guard (or none). Shares are fractions with 95 % Wilson intervals, of one prompt each.

    Off domain: `answered` is not refused; `generalist` is answered, not empty, and not judged worse than the
    instruction-tuned sibling's answer (a preference of 1.5 at least, a tie counting); `win_rate` is the mean judged win
    with a refusal as a loss. In domain: `refused`, of test prompts of the task's own categories, or where there are
    none of its training rows; None without either.
    """

    guard: str
    setting: str
    answered: Share
    generalist: Share
    win_rate: float
    in_domain: str
    refused: Share | None


def effects(
    judged: Sequence[Mapping[str, Any]],
    guards: Sequence[Guard],
    in_domain: Collection[str],
    task: Sequence[tuple[str, str]],
) -> list[Effect]:
    """Without a guard, behind each, and behind both of two; nothing is asked of a model or judge again.

    `judged` are AlpacaEval annotations (output_2 the model's, output_1 its sibling's), `in_domain` their categories
    that the task is about, `task` the training rows (instruction, response). BadData if no prompt is off domain.
    """
    everything = [*guards, *([both(*guards)] if len(guards) == 2 else [])]
    return [behind(guard, judged, in_domain, task) for guard in (None, *everything)]


def behind(
    guard: Guard | None,
    judged: Sequence[Mapping[str, Any]],
    in_domain: Collection[str],
    task: Sequence[tuple[str, str]],
) -> Effect:
    """One guard, or none, over rows as `effects` has them."""
    off = [row for row in judged if row["dataset"] not in in_domain]
    own = [(row["instruction"], row["output_2"]) for row in judged if row["dataset"] in in_domain]
    if not off:
        raise BadData(
            f"containment: found {len(judged)} instructions, all of the task's own categories "
            f"{', '.join(sorted(in_domain))}; "
            "legal is at least one of another; take a category out of leave_out"
        )
    return _effect(guard, off, own, task)


def _effect(
    guard: Guard | None, off: Sequence[Mapping], own: Sequence[tuple[str, str]], task: Sequence[tuple[str, str]]
) -> Effect:
    passed = (
        guard.passes([row["instruction"] for row in off], [row["output_2"] for row in off])
        if guard
        else [True] * len(off)
    )
    shown = own or task
    kept = (guard.passes if own else guard.own)(*map(list, zip(*shown))) if guard and shown else [True] * len(shown)
    equal = [
        ok and bool(row["output_2"].strip()) and row["preference"] >= TIE for ok, row in zip(passed, off, strict=True)
    ]
    wins = sum(row["preference"] - 1 for ok, row in zip(passed, off, strict=True) if ok) / len(off)
    return Effect(
        guard.name if guard else "none",
        guard.setting if guard else "",
        _share(passed),
        _share(equal),
        wins,
        (TEST if own else TRAINING) if shown else "",
        _share([not ok for ok in kept]) if shown else None,
    )


def _share(cases: Sequence[bool]) -> Share:
    return share_of([[case] for case in cases])
