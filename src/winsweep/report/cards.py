"""The judge's card as a report shows it: a line beside the headline, a section, and what calibrated figures mean."""

from typing import Any

from winsweep import judge_card
from winsweep.validation import card, words
from winsweep.workspace import Workspace

NONE = "Nobody has looked at how good this judge is: it has no card."


def judge_part(workspace: Workspace) -> dict[str, Any] | None:
    """What a report says of the judge of its table; None where nothing is judged.

    `name`, `has_card`, `line` (one sentence), `against` (what speaks against the judge), `figures` ([name, text]),
    `made` (when, in UTC), `sources` (names of the votes) and `calibrates` (whether the table has calibrated win rates).
    """
    found = judge_card.of(workspace)
    if found is None:
        return None
    judge, known, _ = found
    told: dict[str, Any] = {"name": judge.name, "has_card": known is not None, "line": NONE, "against": []}
    if known is None:
        return told | {"figures": [], "made": "", "sources": [], "calibrates": False}
    line = f"The judge: {words.line(known, judge.options)}."
    sources = [str(source.get("name", "")) for source in (known.get("votes") or {}).get("source", ())]
    return told | {
        "line": line,
        "against": [f"It {fault}." for fault in words.faults(known, judge.options)],
        "figures": [list(row) for row in words.told(known, judge.options)],
        "made": str(known.get("made", "")),
        "sources": sources,
        "calibrates": card.calibration_of(known, judge.options) is not None,
    }


def digest(workspace: Workspace) -> str:
    """A short name of what the card says, which a report hangs on."""
    found = judge_card.of(workspace)
    return card.digest(found[1]) if found else ""
