"""How a person reads a results table on a screen: each arm with its win rate, its interval, and what speaks against the
figure. Everything else is in the file and in the report.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from winsweep import screen
from winsweep.amounts import plural
from winsweep.stats.columns import LITTLE, varying
from winsweep.stats.control import FIGURES, Figure, changes, control_of
from winsweep.store import small_files

MOST_ROWS = 40
INTERVAL = "95 % interval"
SAYS = "{head}: wins{where}{but}; 50 is as good as the reference. cut, identical: share of the answers, %."
Row = Mapping[str, str]


def table_text(path: Path, notes: str, columns: int | None = None) -> str:
    """The rows of a results file, at most `columns` wide (None: as the terminal); then what was left out and where it
    is, what all rows share, and what the study says of its table.

    Of many rows those of single seeds are left out where their mean is there.
    """
    columns = columns or screen.width()
    with small_files.lines(path) as f:
        rows = [{k: screen.printable(v) for k, v in row.items() if k} for row in csv.DictReader(f)]
    shown = _rows(rows)
    found = [(head, [of(row) for row in shown]) for head, of in _columns(rows)]
    found = [(head, values) for head, values in found if any(values)]
    kept = _that_fit(found, columns)
    num_left = sum(head in ("model", "arm") for head, _ in kept)
    lines = screen.grid([head for head, _ in kept], list(zip(*(values for _, values in kept))), num_left)
    left_out = [f"columns {', '.join(head for head, _ in found[len(kept) :])}"] if len(kept) < len(found) else []
    left_out += [f"{plural(len(rows) - len(shown), 'row')}{_of_seeds(shown)}"] if len(shown) < len(rows) else []
    shared = {"judge": judges(rows), "commit": ", ".join(sorted({r["commit"] for r in rows}))}
    rest = f"not shown: {'; '.join(left_out)}. " if left_out else ""
    below = [
        _says(rows, shown, found),
        _changes(shown),
        _starts(rows),
        f"{rest}All columns: {path}",
        _jury(rows),
        "; ".join(f"{name}: {said}" for name, said in shared.items() if said),
    ]
    return "\n".join(
        [
            *lines,
            *(line for text in below for line in screen.wrapped(text, columns)),
            *(part for line in notes.strip().splitlines() for part in _wrapped(line, columns)),
        ]
    )


def _wrapped(line: str, columns: int) -> list[str]:
    return screen.wrapped(screen.printable(line), columns, "") or [""]


def judges(rows: Sequence[Row]) -> str:
    """Who judged, with the model where there is one."""
    return ", ".join(sorted(filter(None, {_judge(row.get("judge", ""), row.get("judge_model", "")) for row in rows})))


def _judge(name: str, model: str) -> str:
    """AlpacaEval's prompts bear the name of the model that they were made for, which another may answer."""
    if model and "alpaca_eval" in name:
        return f"{model} (prompt {name})"
    return f"{name} ({model})" if model else name


def _jury(rows: Sequence[Row]) -> str:
    """That judges of a jury agree little, once for all cells."""
    few = sorted(float(row["jury_alpha"]) for row in rows if row.get("jury_alpha") and LITTLE in row.get("note", ""))
    if not few:
        return ""
    ends = " to ".join(dict.fromkeys(f"{alpha:.2f}" for alpha in (few[0], few[-1])))
    return f"note: {LITTLE} ({ends}) in {plural(len(few), 'row')}; their mean stands for none of them."


def _says(rows: Sequence[Row], shown: Sequence[Row], found: Sequence[tuple[str, list[str]]]) -> str:
    """What the win rate is that the table shows, and of which rows it is the plain one, but for those of an arm that is
    its own reference.
    """
    figure = _figure(rows)
    if not any(head == INTERVAL for head, _ in found):
        return ""
    others = [row for row in shown if row.get("share_identical") and float(row["share_identical"]) < 1]
    plain = [row for row in others if row.get(figure.formula, "paired") in ("raw", "")] if figure.where else []
    named = screen.few([".".join(_arm(row)) for row in plain])
    if plain and len(plain) == len(others):
        where, but = "", f", not {figure.where} (the CSV's column note says why)"
    else:
        where = f" {figure.where}" if figure.where else ""
        but = f", but plain in {len(plain)} of {len(others)} rows: {named} (the CSV's column note says why)"
    return SAYS.format(head=figure.head, where=where, but=but if plain else "")


def _figure(rows: Sequence[Row]) -> Figure:
    """The win rate that the study reads."""
    return FIGURES[control_of(rows[0].get("control") if rows else None)]


def _changes(shown: Sequence[Row]) -> str:
    """What a control other than the usual one changes."""
    control = control_of(shown[0].get("control") if shown else None)
    if control == "length":
        return ""
    arms = [row for row in shown if row["seed"] == "mean"] or shown
    others = [row for row in arms if _number(row.get("share_identical", "")) != 1]
    rates = [figure.rate for figure in FIGURES.values()]
    told = [
        {"model": row["model"], "name": " ".join(_arm(row)[1:]), **{rate: _number(row.get(rate, "")) for rate in rates}}
        for row in others
    ]
    return " ".join(changes(told, control))


def _starts(rows: Sequence[Row]) -> str:
    """Which cells the models of the table start from."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        found.setdefault(row["model"], {}).update(dict.fromkeys(filter(None, [row.get("starts_from")])))
    return "; ".join(f"{model} starts from {screen.few(list(cells))}" for model, cells in found.items() if cells)


def _rows(rows: Sequence[Row]) -> list[Row]:
    if len(rows) <= MOST_ROWS:
        return list(rows)
    means = {_arm(row) for row in rows if row["seed"] == "mean"}
    return [row for row in rows if row["seed"] == "mean" or _arm(row) not in means][:MOST_ROWS]


def _arm(row: Row) -> tuple[str, ...]:
    return tuple(row[name] for name in ("model", "task", *varying(row)))


def _of_seeds(shown: Sequence[Row]) -> str:
    return " of single seeds" if all(row["seed"] == "mean" for row in shown) else ""


def _columns(rows: Sequence[Row]) -> list[tuple[str, Callable[[Row], str]]]:
    """Heads and what stands under them, those that are compared first in front."""

    def plain(name: str) -> Callable[[Row], str]:
        return lambda row: short(row.get(name, ""))

    return [
        ("model", plain("model")),
        ("arm", plain("task")),
        *((name, plain(name)) for name in (varying(rows[0]) if rows else ())),
        ("seed", lambda row: f"mean of {row['num_seeds']}" if row.get("num_seeds") else row["seed"]),
        *_win_rates(rows),
        ("n", plain("n")),
        ("cut", lambda row: _percent(row.get("share_truncated", ""))),
        ("identical", lambda row: _percent(row.get("share_identical", ""))),
        *_official(rows),
        *_calibrated(rows),
    ]


def _win_rates(rows: Sequence[Row]) -> list[tuple[str, Callable[[Row], str]]]:
    """The win rate that the study reads and its interval; of a file that has none, the plain one."""
    figure = _figure(rows)
    if not any(row.get(figure.rate) and row.get(figure.low) for row in rows):
        return [("win %", lambda row: _tenths(row.get("win_rate_pct", "")))]
    return [
        (figure.head, lambda row: _tenths(row.get(figure.rate, ""))),
        (INTERVAL, lambda row: _interval(row, figure.low, figure.high)),
    ]


def _official(rows: Sequence[Row]) -> list[tuple[str, Callable[[Row], str]]]:
    """What is compared with published figures: AlpacaEval's length-controlled win rate, where it is that formula's."""

    def tenths(name: str) -> Callable[[Row], str]:
        return lambda row: _tenths(row.get(name, ""))

    if not any(row.get("lc_formula") == "official" for row in rows):
        return []
    return [
        ("LC win %", tenths("lc_win_rate_pct")),
        ("published", tenths("published_pct")),
        ("difference", tenths("difference_pct")),
    ]


def _calibrated(rows: Sequence[Row]) -> list[tuple[str, Callable[[Row], str]]]:
    """What people would say, where the judge's card tells; of the plain win rate."""
    if not any(row.get("calibrated_win_rate_pct") for row in rows):
        return []
    return [
        ("win %", lambda row: _tenths(row.get("win_rate_pct", ""))),
        ("calibrated %", lambda row: _tenths(row.get("calibrated_win_rate_pct", ""))),
        ("its 95 % interval", lambda row: _interval(row, "calibrated_low_pct", "calibrated_high_pct")),
    ]


def _interval(row: Row, low: str, high: str) -> str:
    ends = [_tenths(row.get(name, "")) for name in (low, high)]
    return f"[{', '.join(ends)}]" if all(ends) else ""


def _that_fit(found: list[tuple[str, list[str]]], columns: int) -> list[tuple[str, list[str]]]:
    """The first columns that together are no wider; the names, the win rate and its interval always stay."""
    least = next((n + 1 for n, (head, _) in enumerate(found) if head in (INTERVAL, "win %")), len(found))
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


def _percent(share: str) -> str:
    """A share in percent, whole; below one of them with a decimal, so that a few are not none."""
    try:
        percent = 100 * float(share)
    except ValueError:
        return share
    return f"{percent:.0f}" if percent >= 1 or not percent else f"{percent:.1f}"


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _tenths(value: str) -> str:
    try:
        return f"{float(value):.1f}"
    except ValueError:
        return value
