"""The question of a study and its answer, made from the numbers of its table: no more is said than the tests say."""

from collections.abc import Mapping, Sequence
from typing import Any

from winsweep import screen
from winsweep.amounts import plural
from winsweep.report.arms import number
from winsweep.report.table import Row

LEVEL = 0.05  # of Holm's adjusted p
PARITY = "parity"
Arm = Mapping[str, Any]


def question(arms: Sequence[Arm], reference: str, judge: str) -> str:
    """What was asked: which arms, against what, on how many instructions, judged by whom."""
    asked = [arm for arm in arms if not arm["is_reference"]] or arms
    if not asked:
        return f"How do the arms of this study compare with {reference}?"
    models = list(dict.fromkeys(arm["model"] for arm in asked))
    who = asked[0]["name"] if len({arm["name"] for arm in asked}) == 1 else f"{_count(asked)} arms"
    counts = sorted({arm["n"] for arm in asked if arm["n"]})
    sets = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}" if counts else "the"
    verb = "does" if who == asked[0]["name"] else "do"
    return f"How {verb} {who} of {_listed(models)} compare with {reference}, on {sets} instructions judged by {judge}?"


def answer(arms: Sequence[Arm], differences: Sequence[Row], is_whole: bool, where: str = "at equal length") -> str:
    """Two sentences: how the arms stand to half of the comparisons won, and which is highest; p is Holm's. `where` says
    what the win rates are controlled for.
    """
    where = f" {where}" if where else ""
    if not arms:
        return "No cell is judged yet, so there is no answer."
    parity = {(r["model"], r["arm"]): float(r["p_holm"]) for r in differences if r["against"] == PARITY}
    tested = [arm for arm in arms if (arm["model"], arm["name"]) in parity]
    soon = "" if is_whole else "So far: "
    if not tested:
        return f"{soon}Every comparison of every arm is a tie, so nothing tells an arm from its reference."
    if len(tested) == 1:
        return f"{soon}{_alone(tested[0], parity[_key(tested[0])], where)}{_ties(arms, tested)}"
    ties = _ties(arms, tested)
    return f"{soon}{_against_half(tested, parity, ties, where)} {_highest(tested, differences, bool(ties))}"


def _alone(arm: Arm, p: float, where: str) -> str:
    how = "which cannot be told from half" if p >= LEVEL else "fewer than half" if _below(arm) else "more than half"
    return f"{_named(arm)} wins {_interval(arm)} of its comparisons{where}: {how} (p {_p(p)})."


def _against_half(tested: Sequence[Arm], parity: Mapping[tuple[str, str], float], ties: str, where: str) -> str:
    told = [arm for arm in tested if parity[_key(arm)] < LEVEL]
    more, less = ([arm for arm in told if _below(arm) == is_below] for is_below in (False, True))
    half = f"half of the comparisons{where}"
    said = [(len(more), f"more than {half}"), (len(less), "fewer" if more else f"fewer than {half}")]
    parts = [f"{num} win{'s' * (num == 1)} {what}" for num, what in said if num]
    parts += [f"{len(tested) - len(told)} cannot be told from half"] * (len(told) < len(tested))
    arms = f"{'the ' if ties else ''}{len(tested):,} arms{' that can be tested' if ties else ''}"
    if len(parts) > 1:
        found = f"Of {arms}, {_listed(parts)}"
    else:
        found = (
            f"Each of {arms} wins {'more' if more else 'fewer'} than {half}"
            if told
            else f"None of {arms} can be told from half"
        )
    return f"{found} (Holm-adjusted p < {LEVEL} over {plural(len(tested), 'test')}).{ties}"


def _highest(tested: Sequence[Arm], differences: Sequence[Row], are_others_tied: bool) -> str:
    best = max(tested, key=lambda arm: arm["headline_pct"])
    own = [r for r in differences if r["model"] == best["model"] and best["name"] in (r["arm"], r["against"])]
    pairs = [r for r in own if r["against"] != PARITY]
    near = [r for r in pairs if float(r["p_holm"]) >= LEVEL]
    others = [arm for arm in tested if arm["headline_pct"] == best["headline_pct"] and arm is not best]
    of_all = "The highest win rate of the tested arms" if are_others_tied else "The highest win rate"
    head = f"{of_all} is that of {_named(best)}, {_interval(best)}"
    head += f" (with {plural(len(others), 'other arm')})" if others else ""
    if not pairs:
        return f"{head}."
    # arms of other instructions are not compared with it, and nothing is said of them
    num_beside = sum(arm["model"] == best["model"] for arm in tested) - 1
    is_all = len(pairs) >= num_beside
    if len(pairs) == 1:
        which = f"the other arm of {best['model']}" if is_all else _other(pairs[0], best)
        return f"{head}; it {'cannot' if near else 'can'} be told from {which}."
    of_model = f"{len(pairs)} other arms of {best['model']}{'' if is_all else ' on the same instructions'}"
    if not near:
        return f"{head}; it can be told from each of the {of_model}."
    if len(near) == len(pairs):
        return f"{head}; it cannot be told from any of the {of_model}."
    return f"{head}; {len(near)} of the {of_model} cannot be told from it."


def _other(pair: Row, best: Arm) -> str:
    name = pair["arm"] if pair["against"] == best["name"] else pair["against"]
    return f"{name} of {best['model']}, the only other arm on the same instructions"


def _ties(arms: Sequence[Arm], tested: Sequence[Arm]) -> str:
    tied = [arm for arm in arms if arm not in tested and not arm["is_reference"]]
    if not tied:
        return ""
    who = _listed([_named(arm) for arm in tied]) if len(tied) <= 2 else f"{len(tied):,} other arms"
    return f" All comparisons of {who} are ties."


def _key(arm: Arm) -> tuple[str, str]:
    return arm["model"], arm["name"]


def _named(arm: Arm) -> str:
    return f"{arm['name']} of {arm['model']}"


def _below(arm: Arm) -> bool:
    return arm["headline_pct"] < 50


def _interval(arm: Arm) -> str:
    low, high = number(str(arm["headline_low_pct"])), number(str(arm["headline_high_pct"]))
    return f"{arm['headline_pct']:.1f} % ({low:.1f} to {high:.1f})"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _count(of: Sequence[object]) -> str:
    return f"{len(of):,}"


def _listed(words: Sequence[str]) -> str:
    shown = screen.few(list(words), 5).split(", ") if len(words) > 6 else list(words)
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
