"""What a card says, in words: what speaks against the judge, one line for a report, and all figures for a screen."""

from collections.abc import Iterator, Mapping
from typing import Any

from winsweep import amounts
from winsweep.amounts import plural
from winsweep.study import jury
from winsweep.validation import card as cards
from winsweep.validation.card import share

# What known.WORSE and leanings.leanings name, in the words of a sentence.
KINDS = {
    "other": "an answer to another instruction",
    "truncated": "the first third alone",
    "shuffled": "sentences in another order",
}
LEANINGS = {
    "length": "twice as long",
    "lists": "with lists",
    "headers": "with headers",
    "bold": "with bold words",
    "code": "with code blocks",
    "first": "shown first",
}
INCONSISTENT = 0.75  # share of pairs below which a judge is said to go by the order
ADVICE = "; set both_orders: true"
Card = Mapping[str, Any]


def is_readable(card: Card, options: object) -> bool:
    """Whether all of a card can be said: another user may have written anything in its place."""
    try:
        return bool([faults(card, options), line(card, options), told(card, options)])
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError):
        return False


def faults(card: Card, options: object) -> list[str]:
    """What speaks against using the judge, each in one clause; nothing of one that nothing speaks against."""
    return list(dict.fromkeys(_faults(card, options)))


def _faults(card: Card, options: object) -> Iterator[str]:
    votes, mode = card.get("votes") or {}, cards.mode(card, options)
    if same := card["check"].get("same") or votes.get("same"):
        yield f"says the same whatever it is asked: {same}"
    of_mode = card["check"].get(mode) or {}
    if not of_mode.get("beaten"):
        yield f"does not beat the built-in check: {', '.join(_below(of_mode)) or 'no figures'}"
    consistency = share((votes or card["check"]).get("position", {}).get("consistency"))
    if mode == cards.ONE and consistency and consistency[0] < INCONSISTENT:
        can = any(hasattr(each, "both_orders") for each in jury.options_of(options))
        yield f"changes its verdict with the order in {_pct(1 - consistency[0])} % of pairs{ADVICE if can else ''}"
    if votes and cards.calibration_of(card, options) is None:
        yield "is not better than chance by people's votes, so no win rate is calibrated"


def _below(of_mode: Mapping[str, Any]) -> list[str]:
    """The kinds of the check in which the better answer does not win more than half for certain."""
    found = {kind: share(of) for kind, of in (of_mode.get("kinds") or {}).items()}
    return [
        f"against {KINDS.get(kind, kind)} the good answer wins {_interval(of)}"
        for kind, of in found.items()
        if of and of[1] <= 0.5
    ]


def line(card: Card, options: object) -> str:
    """The card in a line: agreement beside the ceiling, consistency, length; or that there are no votes."""
    votes, of_mode = card.get("votes") or {}, cards.figures(card, options)
    if not votes:
        kinds = (card["check"].get(cards.mode(card, options)) or {}).get("kinds") or {}
        told = ", ".join(f"{_pct(s[0])} % against {KINDS.get(k, k)}" for k, of in kinds.items() if (s := share(of)))
        return f"built-in check alone, no people's votes: the good answer wins {told}"
    parts = [
        f"agrees with the majority of people on {_interval(s)}" if (s := share(of_mode.get("agreement"))) else "",
        f"one person does so with the others on {_interval(s)}" if (s := share(votes.get("ceiling"))) else "",
        f"same verdict in both orders {_pct(s[0])} %" if (s := share(votes["position"]["consistency"])) else "",
        f"an answer twice as long wins {_interval(s)} at equal votes"
        if (s := share((votes.get("leanings") or {}).get("length")))
        else "",
    ]
    return "; ".join(filter(None, parts))


def told(card: Card, options: object) -> list[tuple[str, str]]:
    """Every figure of a card with its name, in the order in which a person wants them."""
    return [*_of_check(card["check"], cards.mode(card, options)), *_of_votes(card, options), *_took(card)]


def _of_check(check: Mapping[str, Any], mode: str) -> Iterator[tuple[str, str]]:
    for kind, of in ((check.get(mode) or {}).get("kinds") or {}).items():
        if found := share(of):
            yield f"good answer against {KINDS.get(kind, kind)}", f"wins {_interval(found)}"
    same = check.get("identical") or {}
    yield "identical answers", f"{same.get('ties', 0)} of {same.get('num', 0)} verdicts are ties"
    yield from _of_position(check.get("position") or {}, "in the check: ")


def _of_position(position: Mapping[str, Any], before: str) -> Iterator[tuple[str, str]]:
    if found := share(position.get("consistency")):
        yield f"{before}same verdict in both orders", _interval(found)
    if found := share(position.get("first")):
        name = "the answer shown first wins" if position.get("order") else "the reference's place wins"
        yield f"{before}{name}", _interval(found)


def _of_votes(card: Card, options: object) -> Iterator[tuple[str, str]]:
    votes, of_mode = card.get("votes"), cards.figures(card, options)
    if not votes:
        yield "people's votes", "none yet"
        return
    on = f"{votes['votes']:,} on {plural(votes['pairs'], 'pair')} of {plural(votes['instructions'], 'instruction')}"
    split = f"they contradict in {votes['contradicted']:,}; {votes['tied']:,} are tied and count for no majority"
    yield "people's votes", f"{on}; {split}"
    yield from _agreements(votes, of_mode)
    yield from _of_position(votes["position"], "")
    for name, of in (votes.get("leanings") or {}).items():
        if name != "first" and (found := share(of)):
            yield f"at equal votes, an answer {LEANINGS.get(name, name)} wins", _interval(found)
    for name, of in (of_mode.get("categories") or {}).items():
        if found := share(of.get("agreement")):
            yield f"agreement, {name}", f"{_interval(found)} of {plural(of['num'], 'pair')} with a majority"


def _agreements(votes: Mapping[str, Any], of_mode: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if found := share(of_mode.get("agreement")):
        yield "agreement with the majority", _interval(found)
    people, judge = share(votes.get("ceiling")), share(of_mode.get("beside_ceiling"))
    if people and judge:
        yield (
            "one person with the others of a pair",
            f"{_interval(people)}; the judge with the same: {_interval(judge)}",
        )
    else:
        yield "one person with the others of a pair", "not known: no pair has two votes"
    if kappa := of_mode.get("kappa"):
        yield "Cohen's kappa", f"{kappa['value']:.2f} ({kappa['low']:.2f} to {kappa['high']:.2f})"
    if gain := of_mode.get("gain"):
        what = "win rates are calibrated with it" if gain["low"] > 0 else "so no win rate is calibrated"
        yield "better than chance by", f"{gain['value']:.2f} (at least {gain['low']:.2f}); {what}"


def _took(card: Card) -> Iterator[tuple[str, str]]:
    found = (card.get("votes") or {}).get("took") or card["check"].get("took") or {}
    seconds, dollars, tokens = (found.get(f"{name}_per_1000") for name in ("seconds", "dollars", "tokens"))
    parts = [
        "price not known" if dollars is None else "free" if not dollars else amounts.dollars(dollars),
        f"{amounts.tokens(round(tokens))}" if tokens else "",
        f"{seconds:,.0f} s" if seconds is not None and seconds >= 1 else "under a second" if seconds else "",
    ]
    yield "1,000 judgements", ", ".join(filter(None, parts))


def _interval(of: tuple[float, float, float]) -> str:
    return f"{_pct(of[0])} % ({_pct(of[1])} to {_pct(of[2])})"


def _pct(value: float) -> str:
    return f"{100 * value:.0f}"
