"""A judge's card made from what it said: of the built-in check, and of votes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from winsweep.analysis.intervals import Share
from winsweep.validation import card, measures
from winsweep.validation.asking import Took, Views
from winsweep.validation.known import SAME, WORSE
from winsweep.validation.leanings import leanings
from winsweep.validation.pair import Pair

LEAST_OF_CATEGORY = 5  # pairs with a majority from which on a category has figures of its own


def of_check(views: Views, took: Took) -> dict[str, Any]:
    """What the pairs of known.pairs show; `beaten`: in each kind the better answer wins more than half, beyond doubt of
    95 %.
    """
    kinds = {kind: [i for i, p in enumerate(views.pairs) if p.known == kind] for kind in (*WORSE, SAME)}
    ties = [w == 0.5 for i in kinds[SAME] for w in views.wins[i]]
    found: dict[str, Any] = {"position": _position(views), "took": asdict(took), "same": measures.sameness(views)}
    for mode, wins_NK in _modes(views):
        of = {kind: _agreement(views, wins_NK, kinds[kind]) for kind in WORSE}
        found[mode] = {"kinds": of, "beaten": all(s is not None and s["low"] > 0.5 for s in of.values())}
    return found | {"identical": {"num": len(ties), "ties": sum(ties)}, "num": len(views.pairs)}


def of_votes(views: Views, took: Took, source: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """What people's votes show of a judge; `source` names the files that they are from."""
    pairs = views.pairs
    ceiling = measures.beside_ceiling(pairs, measures.wins_of(views, False))[0]
    found: dict[str, Any] = {
        "source": [dict(s) for s in source],
        "pairs": len(pairs),
        "instructions": len({p.instruction for p in pairs}),
        "votes": sum(len(p.votes) for p in pairs),
        "contradicted": sum(p.is_contradicted for p in pairs),
        "tied": sum(p.majority == 0.5 for p in pairs),
        "ceiling": _plain(ceiling),
        "position": _position(views),
        "leanings": {name: asdict(leaning) for name, leaning in leanings(views).items()},
        "took": asdict(took),
        "same": measures.sameness(views),
    }
    for mode, wins_NK in _modes(views):
        found[mode] = _of_mode(views, wins_NK, mode)
    return found


def _of_mode(views: Views, wins_NK: np.ndarray, mode: str) -> dict[str, Any]:
    pairs = views.pairs
    kappa = measures.kappa(pairs, wins_NK)
    by = measures.calibration(pairs, wins_NK, views.is_symmetric or mode == card.BOTH)
    return {
        "agreement": _plain(measures.agreement(pairs, wins_NK)),
        "beside_ceiling": _plain(measures.beside_ceiling(pairs, wins_NK)[1]),
        "kappa": {"value": kappa.value, "low": kappa.low, "high": kappa.high} if kappa else None,
        "calibration": by.plain() if by else None,
        "gain": {"value": by.gain, "low": by.gain_low} if by else None,
        "categories": {name: _of_category(views, wins_NK, name) for name in _categories(pairs)},
    }


def _of_category(views: Views, wins_NK: np.ndarray, name: str) -> dict[str, Any]:
    places = [i for i, p in enumerate(views.pairs) if p.category == name]
    some = [views.pairs[i] for i in places]
    people, judge = measures.beside_ceiling(some, wins_NK[places])
    return {
        "num": sum(p.majority != 0.5 for p in some),
        "agreement": _agreement(views, wins_NK, places),
        "ceiling": _plain(people),
        "beside_ceiling": _plain(judge),
    }


def _categories(pairs: Sequence[Pair]) -> list[str]:
    """Those that are worth figures of their own, if there are several; the largest first."""
    counts: dict[str, int] = {}
    for pair in pairs:
        counts[pair.category] = counts.get(pair.category, 0) + (pair.majority != 0.5)
    names = [n for n, num in sorted(counts.items(), key=lambda c: -c[1]) if n and num >= LEAST_OF_CATEGORY]
    return names if len(counts) > 1 else []


def _modes(views: Views) -> list[tuple[str, np.ndarray]]:
    """How a study may ask this judge, with its verdicts as it does."""
    both = (card.BOTH, measures.wins_of(views, True))
    return [both] if views.order == "both" else [(card.ONE, measures.wins_of(views, False)), both]


def _position(views: Views) -> dict[str, Any]:
    return {
        "consistency": _plain(measures.consistency(views)),
        "first": _plain(measures.preference_for_first(views)),
        "order": views.order,
    }


def _agreement(views: Views, wins_NK: np.ndarray, places: Sequence[int]) -> dict[str, Any] | None:
    return _plain(measures.agreement([views.pairs[i] for i in places], wins_NK[list(places)]))


def _plain(share: Share | None) -> dict[str, Any] | None:
    return asdict(share) if share else None
