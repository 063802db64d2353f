"""What style.csv says of verdicts, in sentences: which of length and Markdown go with wins, and by how much. Nobody
varied them, so no more is said than that.
"""

from collections.abc import Mapping, Sequence
from typing import Any

OF = {
    "length": "Longer answers",
    "headers": "Answers with more headers",
    "lists": "Answers with more lists",
    "bold": "Answers with more bold text",
    "code": "Answers with more code blocks",
}
BARE = {"length": "length", "headers": "headers", "lists": "lists", "bold": "bold text", "code": "code blocks"}
Row = Mapping[str, Any]


def tastes(rows: Sequence[Row]) -> list[str]:
    """A sentence for each covariate that some arm's interval tells from none, and one for the rest.

    `rows`: one for each arm and covariate, with the numbers of columns.STYLE (None: there is none). Empty where no arm
    has a fit.
    """
    fitted = {name: [row for row in rows if row["covariate"] == name and row["log_odds"] is not None] for name in OF}
    told = {name: [row for row in of if row["low"] > 0 or row["high"] < 0] for name, of in fitted.items()}
    said = [_sentence(name, told[name], len(fitted[name])) for name in OF if told[name]]
    untold = [BARE[name] for name in OF if fitted[name] and not told[name]]
    return said + ([f"Nothing tells whether wins go with {_listed(untold)}."] if untold else [])


def _sentence(name: str, told: Sequence[Row], num: int) -> str:
    more_often = sum(row["log_odds"] > 0 for row in told)
    how = (
        "won more often"
        if more_often == len(told)
        else "won less often"
        if not more_often
        else "won, in some arms more and in some less often,"
    )
    odds = sorted(row["odds"] for row in told)
    where = f" in {len(told)} of {num} arms" if num > 1 else ""
    by = f"{odds[0]:.2f}" if f"{odds[0]:.2f}" == f"{odds[-1]:.2f}" else f"{odds[0]:.2f} to {odds[-1]:.2f}"
    more = sorted(row["deviation"] for row in told)
    return f"{OF[name]} {how}{where}, other things equal: odds × {by} for {_amount(more, str(told[0]['unit']))}."


def _amount(deviations: Sequence[float], unit: str) -> str:
    """One deviation, in words."""
    low, high = (f"{value:,.0f}" if value >= 9.5 else f"{value:.1g}" for value in (deviations[0], deviations[-1]))
    many = low if low == high else f"{low} to {high}"
    return f"{many} {unit} more" if unit == "characters" else f"{many} more {unit}"


def _listed(words: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
