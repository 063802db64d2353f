"""How a person reads a results table on a screen: the columns that are compared first, as many as fit."""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from winsweep import screen

BELOW = ("judge", "judge_model", "commit")  # said once under the table
MOST_ROWS = 40
Row = Mapping[str, str]


def table_text(path: Path, notes: str, columns: int | None = None) -> str:
    """The rows of a results file, at most `columns` wide (None: as the terminal); then what was left out and where it
    is, what all rows share, and what the study says of its table.

    Of many rows those of single seeds are left out where their mean is there.
    """
    columns = columns or screen.width()
    with open(path, encoding="utf-8", newline="") as f:
        rows = [{k: screen.printable(v) for k, v in row.items() if k} for row in csv.DictReader(f)]
    shown = _rows(rows)
    found = [(head, [of(row) for row in shown]) for head, of in _columns(rows)]
    found = [(head, values) for head, values in found if any(values)]
    kept = _that_fit(found, columns)
    num_left = sum(head in ("model", "arm") for head, _ in kept)
    lines = screen.grid([head for head, _ in kept], list(zip(*(values for _, values in kept))), num_left)
    left_out = [f"columns {', '.join(head for head, _ in found[len(kept) :])}"] if len(kept) < len(found) else []
    left_out += [f"{len(rows) - len(shown):,} rows{_of_seeds(shown)}"] if len(shown) < len(rows) else []
    shared = [f"{name}: {', '.join(sorted({r[name] for r in rows}))}" for name in BELOW if any(r[name] for r in rows)]
    below = [
        "± is the standard error over instructions, sd the deviation over seeds, [ ] the 95 % interval.",
        f"not shown: {'; '.join(left_out)}. All of it: {path}" if left_out else "",
        "; ".join(shared),
    ]
    return "\n".join(
        [
            *lines,
            *(line for text in below for line in screen.wrapped(text, columns)),
            *([notes.strip()] if notes else []),
        ]
    )


def _rows(rows: Sequence[Row]) -> list[Row]:
    if len(rows) <= MOST_ROWS:
        return list(rows)
    means = {_arm(row) for row in rows if row["seed"] == "mean"}
    return [row for row in rows if row["seed"] == "mean" or _arm(row) not in means][:MOST_ROWS]


def _arm(row: Row) -> tuple[str, ...]:
    return tuple(row[name] for name in ("model", "task", *_varying(row)))


def _varying(row: Row) -> list[str]:
    """The recipe fields that vary, which stand between the seed and the number of instructions."""
    heads = list(row)
    return heads[heads.index("seed") + 1 : heads.index("n")] if "n" in heads else []


def _of_seeds(shown: Sequence[Row]) -> str:
    return " of single seeds" if all(row["seed"] == "mean" for row in shown) else ""


def _columns(rows: Sequence[Row]) -> list[tuple[str, Callable[[Row], str]]]:
    """Heads and what stands under them, those that are compared first in front."""

    def plain(name: str) -> Callable[[Row], str]:
        return lambda row: short(row.get(name, ""))

    return [
        ("model", plain("model")),
        ("arm", plain("task")),
        *((name, plain(name)) for name in (_varying(rows[0]) if rows else ())),
        ("seed", lambda row: f"mean of {row['num_seeds']}" if row.get("num_seeds") else row["seed"]),
        ("LC win %", lambda row: _with_error(row, "lc_win_rate_pct", "lc_standard_error_pct", "lc_std_pct")),
        ("paired %", _paired),
        ("win %", lambda row: _with_error(row, "win_rate_pct", "standard_error_pct", "std_pct")),
        ("n", plain("n")),
        ("chars", lambda row: _rounded(row.get("mean_chars", ""))),
        ("published %", lambda row: _with_error(row, "published_pct", "", "published_std_pct")),
        ("difference", plain("difference_pct")),
        ("cut", plain("share_truncated")),
        ("empty", plain("share_empty")),
        ("ref chars", lambda row: _rounded(row.get("mean_chars_reference", ""))),
        ("LC formula", plain("lc_formula")),
        ("order bias", plain("position_bias_pct")),
        ("chrF", plain("chrf")),
        ("exact", plain("exact")),
        ("starts", plain("starts")),
    ]


def _with_error(row: Row, value: str, error: str, deviation: str) -> str:
    """A figure with its standard error; of several seeds with its deviation over them."""
    if not row.get(value):
        return ""
    beside = (
        f" ± {short(row[error])}" if row.get(error) else f" sd {short(row[deviation])}" if row.get(deviation) else ""
    )
    return f"{short(row[value])}{beside}"


def _paired(row: Row) -> str:
    ends = [_tenths(row.get(name, "")) for name in ("paired_low_pct", "paired_high_pct")]
    between = f" [{', '.join(ends)}]" if all(ends) else ""
    return f"{short(row['paired_win_rate_pct'])}{between}" if row.get("paired_win_rate_pct") else ""


def _that_fit(found: list[tuple[str, list[str]]], columns: int) -> list[tuple[str, list[str]]]:
    """The first columns that together are no wider; what names a row, and the first figure, always stay."""
    least = next((n + 1 for n, (head, _) in enumerate(found) if head == "LC win %"), len(found))
    num = len(found)
    while num > least and sum(max(map(len, (head, *of))) + len(screen.GAP) for head, of in found[:num]) - 2 > columns:
        num -= 1
    return found[:num]


def short(value: str) -> str:
    """A figure with as many decimals as a table needs."""
    try:
        return f"{float(value):.3g}" if "e-" in value else f"{float(value):.2f}" if "." in value else value
    except ValueError:
        return value


def _rounded(value: str) -> str:
    try:
        return f"{float(value):.0f}"
    except ValueError:
        return value


def _tenths(value: str) -> str:
    try:
        return f"{float(value):.1f}"
    except ValueError:
        return value
