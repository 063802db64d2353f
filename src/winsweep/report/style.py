"""What the judge of a study makes of length and Markdown, arm by arm and in sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

from winsweep.report.arms import number
from winsweep.report.table import ReportTable, Row
from winsweep.stats import columns
from winsweep.stats.style_words import tastes

TEXTS = ("covariate", "unit", "why")


def style(table: ReportTable, arms: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`says`: sentences; `rows`: for each arm that is not compared with itself and each covariate the row of style.csv
    that speaks for it, numbers as numbers or None, with `arm`.

    Both are empty where the table has no style.csv, or no arm has Markdown to control for.
    """
    varying = columns.varying(table.columns)
    names = ("model", "task", *varying, "seed")
    place = {_key(table.rows[arm["row"]], names): arm["id"] for arm in arms if not arm["is_reference"]}
    rows = [_plain(row) | {"arm": place[key]} for row in table.style if (key := _key(row, names)) in place]
    if all(row["log_odds"] is None for row in rows):
        return {"says": [], "rows": []}
    return {"says": tastes(rows), "rows": rows}


def _key(row: Row, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(row[name] for name in names)


def _plain(row: Row) -> dict[str, Any]:
    return {name: row[name] if name in TEXTS else number(row[name]) for name in columns.STYLE}
