"""What a judge says to pairs with either answer shown first, through its ledger, so that nothing is paid for twice; and
what that took.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from types import ModuleType
from typing import Any

from winsweep.errors import BadData
from winsweep.judge.asked import module_of
from winsweep.judge.ledger import Ledger
from winsweep.judge.prices import price_of
from winsweep.judge.questions import Judgement, Question, ask_about, is_candidate_first
from winsweep.study import jury
from winsweep.validation.pair import Pair

Row = dict[str, Any]


@dataclass(frozen=True)
class Views:
    """How often a judge prefers the second answer of each pair, 0 to 1: with the first one shown first, and with the
    second one. `order` is the judge's rule of what it is shown first, see `order_of`; without one, first is the place
    of the reference.
    """

    pairs: Sequence[Pair]
    wins: Sequence[tuple[float, float]]
    order: str

    @property
    def is_symmetric(self) -> bool:
        """Whether a study's candidate is shown first as often as its reference is."""
        return self.order in ("hash", "both")


@dataclass(frozen=True)
class Took:
    """What asking took: of the questions that were not in the ledger the time, of all of them the price. None where
    that is not known.
    """

    num_asked: int  # questions, whoever answered them
    num_new: int
    seconds_per_1000: float | None
    dollars_per_1000: float | None
    tokens_per_1000: float | None


def order_of(module: ModuleType, options: Any) -> str:
    """Which answer the judge is shown first: hash, reference_first or both; "" where it does not say. Of a jury, what
    all its judges say.
    """
    try:
        if len(jury.options_of(options)) > 1:
            each = {order_of(module_of(judge), judge.options) for judge in options.judges}
            return each.pop() if len(each) == 1 else ""
        return str(module.judge(options).order)
    except Exception:  # a judge of a person's own may do anything; most that ask no model have no order
        return ""


def questions_of(pairs: Sequence[Pair], samples: int = 1) -> set[Question]:
    """What a judge behind an endpoint or on this machine is asked: each pair in both orders, so many times."""
    return {s.question for pair in pairs for s in ask_about(pair.asked(), "both", samples)}


def ask(
    pairs: Sequence[Pair],
    module: ModuleType,
    options: Any,
    ledger: Ledger,
    told: Callable[[int], None] = lambda n: None,
) -> tuple[Views, Took]:
    """Ask a judge (a file of judges/ and its options) about every pair in both orders; `told` hears how many rows there
    are. Raises what its `annotate` raises; what was answered by then is kept.
    """
    samples = module.workload(options).samples if hasattr(module, "workload") else 1
    questions = questions_of(pairs, samples)
    num_known = len(ledger.find(questions))
    began = time.monotonic()
    views = _views(pairs, _one_order(options), module, ledger, told)
    seconds = time.monotonic() - began
    said = Ledger(ledger.folder, ledger.known).find(questions)
    num_all = len(questions) if said else 2 * len(pairs)  # of a judge without a ledger
    num_new = len(said) - num_known if said else num_all
    return views, _took(module, options, said, num_all, num_new, seconds)


def _one_order(options: Any) -> Any:
    """The same judge, asked once about a pair: then it is asked about the swapped pair, too. So is each of a jury."""
    if len(jury.options_of(options)) > 1:
        return replace(options, judges=tuple(replace(j, options=_one_order(j.options)) for j in options.judges))
    has = any(f.name == "both_orders" for f in fields(options))
    return replace(options, both_orders=False) if has else options


def _views(
    pairs: Sequence[Pair], options: Any, module: ModuleType, ledger: Ledger, told: Callable[[int], None]
) -> Views:
    order = order_of(module, options)
    wins: list[tuple[float, float]] = []
    one_way = _judged([pair.asked() for pair in pairs], module, options, ledger, told, 0)
    is_asked = [pair.output_1 != pair.output_2 for pair in pairs]
    # a judge that asks in both orders whatever its options say; of identical outputs none asks anything
    if any(is_asked) and all(row.get("preferences_by_order") for row, x in zip(one_way, is_asked, strict=True) if x):
        for row in one_way:
            first, second = row.get("preferences_by_order") or (row["preference"], row["preference"])
            wins.append((first - 1, second - 1))
        return Views(pairs, wins, "both")
    other_way = _judged([pair.asked(True) for pair in pairs], module, options, ledger, told, len(pairs))
    for pair, row, swapped in zip(pairs, one_way, other_way, strict=True):
        both = row["preference"] - 1, 2 - swapped["preference"]
        turned = order == "hash" and is_candidate_first(pair.instruction)
        wins.append(both[::-1] if turned else both)
    return Views(pairs, wins, order)


def _judged(
    asked: list[Row], module: ModuleType, options: Any, ledger: Ledger, told: Callable[[int], None], before: int
) -> list[Row]:
    """The judged rows in the order of what was asked."""
    rows: dict[tuple[str, str, str], Row] = {}
    name = module.__name__.rpartition(".")[2]

    def keep(some: list[Row]) -> None:
        rows.update({_key(row): row for row in [_checked(row, name) for row in some]})
        told(before + len(rows))

    for some in _rounds(asked):
        # a ledger of its own: one that has written counts nothing of what it wrote before
        module.annotate(some, options, keep, Ledger(ledger.folder, ledger.known))
    if lacking := [row for row in asked if _key(row) not in rows]:
        raise BadData(
            f"judge {name}: no verdict on {len(lacking)} of {len(asked)} pairs, such as {_told(lacking[0])}; legal is "
            "a row for each pair, with its instruction, output_1 and output_2; correct what its file hands over"
        )
    return [rows[_key(row)] for row in asked]


def _checked(row: Row, judge: str) -> Row:
    """The row of a judge; BadData for one without a preference or without its pair, as a person's own may give."""
    if not all(isinstance(row.get(text), str) for text in ("instruction", "output_1", "output_2")):
        raise BadData(
            f"judge {judge}: found a row without its pair, with {', '.join(map(str, row))[:120] or 'nothing'}; legal "
            "is the pair with a preference; correct what its file hands over"
        )
    orders = row.get("preferences_by_order") or []
    each = [row.get("preference"), *(orders if isinstance(orders, list) and len(orders) in (0, 2) else [orders])]
    if wrong := [value for value in each if type(value) not in (int, float) or not 1 <= value <= 2]:
        raise BadData(
            f"judge {judge}: found the preference {wrong[0]!r:.40} of {_told(row)}; legal is a number from 1 to 2; "
            "correct what its file hands over"
        )
    return row


def _told(row: Row) -> str:
    return repr(row["instruction"][:60])


def _rounds(asked: list[Row]) -> list[list[Row]]:
    """The rows so that none of a list shares its instruction with another: judges know a pair by it."""
    found: list[list[Row]] = []
    times: dict[str, int] = {}
    for row in asked:
        nth = times[row["instruction"]] = times.get(row["instruction"], 0) + 1
        if nth > len(found):
            found.append([])
        found[nth - 1].append(row)
    return found


def _key(row: Row) -> tuple[str, str, str]:
    return row["instruction"], row["output_1"], row["output_2"]


def _took(
    module: ModuleType,
    options: Any,
    said: dict[Question, Judgement],
    num_all: int,
    num_new: int,
    seconds: float,
) -> Took:
    model = module.workload(options).model if hasattr(module, "workload") else ""
    price = price_of(model) if hasattr(options, "limits") else None
    tokens = [sum(j.tokens[side] for j in said.values()) for side in (0, 1)]
    per = 1000 / max(1, len(said))
    has_price = bool(price and said)
    dollars = (
        price.dollars(*tokens) * per
        if price and has_price
        else None
        if any(hasattr(each, "limits") for each in jury.options_of(options))
        else 0.0
    )
    return Took(
        num_all,
        num_new,
        1000 * seconds / num_new if num_new else None,
        dollars,
        sum(tokens) * per if said else None,
    )
