"""A judge's card: where it lies in a store, and what of it a table, a note or a report may use. Nothing heavy."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from winsweep import keys
from winsweep.judge import ledger
from winsweep.stats import calibration
from winsweep.store import folders, links, small_files
from winsweep.store.manifest import write_atomic
from winsweep.study import jury
from winsweep.study.cell import Judge

FORMAT = 1
ONE, BOTH = "one_order", "both_orders"
MOST_BYTES = 4 << 20


def place(store: Path, judge: Judge, identity: Mapping[str, Any]) -> Path:
    """Where the card of a judge lies: beside its judgements, under a digest of its options. Neither limits nor the
    number of orders are part of it: one card has figures of both.
    """
    options = {k: v for k, v in keys.given(judge.options).items() if k != "both_orders"}
    folder, _ = ledger.place(store, judge.name, judge.version, identity)
    return folder / f"card-{keys.digest({'options': options, 'code': judge.code})}.json"


def read(path: Path) -> object:
    """What lies at `path`, None for nothing, as anyone may have written it: `kept.find` checks it. ValueError, OSError,
    RecursionError or LinkInStore for what cannot be read.
    """
    links.refuse(links.refuse(path.parent) / path.name)  # a link in a store is nobody's card
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return None
    if size > MOST_BYTES:
        raise ValueError(f"{size:,} bytes, more than {MOST_BYTES:,}")
    return json.loads(small_files.content(path, MOST_BYTES) or b"")


def write(path: Path, card: Mapping[str, Any]) -> None:
    """Put the card in its place, whole or not at all."""
    folders.make(links.refuse(path.parent.parent))
    links.refuse(path.parent).mkdir(exist_ok=True)
    write_atomic(links.refuse(path), (json.dumps(card, indent=1, ensure_ascii=False) + "\n").encode())


def mode(card: Mapping[str, Any], options: object) -> str:
    """Which of a card's figures are those of a judge with these options."""
    wanted = BOTH if all(getattr(each, "both_orders", False) for each in jury.options_of(options)) else ONE
    has = card["votes"] if card.get("votes") else card["check"]
    return wanted if wanted in has else BOTH if wanted == ONE else ONE


def figures(card: Mapping[str, Any], options: object) -> dict[str, Any]:
    """What the votes say of the judge as these options ask it; nothing without votes."""
    return dict((card.get("votes") or {}).get(mode(card, options)) or {})


def calibration_of(card: Mapping[str, Any] | None, options: object) -> calibration.Calibration | None:
    """How to correct this judge's win rates; None without votes, or for a judge that is not better than chance."""
    try:
        found = calibration.of_plain(figures(card or {"check": {}}, options)["calibration"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return found if found.is_usable else None


def share(found: Any) -> tuple[float, float, float] | None:
    """A share of a card with the ends of its interval; None where it has none."""
    try:
        numbers = tuple(float(found[name]) for name in ("share", "low", "high"))
    except (KeyError, TypeError, ValueError):
        return None
    return numbers if all(map(math.isfinite, numbers)) else None  # type: ignore[return-value]  # three of them


def digest(card: Mapping[str, Any] | None) -> str:
    """A short name of what a card says; "" without one."""
    return keys.digest(_finite(card)) if card else ""


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
