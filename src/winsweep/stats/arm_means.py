"""What the seeds of an arm say together: their mean and spread, beside what others published."""

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from winsweep.stats.comparison import Scored
from winsweep.stats.differences import Arm, arm_of
from winsweep.stats.uncertainty import interval_pct

MEAN = "mean"  # in the column seed
AVERAGED = (
    "lc_win_rate_pct",
    "win_rate_pct",
    "share_ties",
    "share_identical",
    "position_bias_pct",
    "jury_alpha",
    "jury_agreement",
    "mean_chars",
    "mean_chars_reference",
    "share_truncated",
    "share_empty",
    "chrf",
    "exact",
    "starts",
)
DEVIATIONS = {"lc_std_pct": "lc_win_rate_pct", "paired_std_pct": "paired_win_rate_pct", "std_pct": "win_rate_pct"}
PUBLISHED = "the published deviation may be of seeds that share one order of the rows (recipe order: constant)"
ALIKE = ("n", "lc_formula", "paired_formula", "judge", "judge_model", "commit")
Row = Mapping[str, Any]
Family = Sequence[tuple[Row, Scored]]


def families(rows: Sequence[Row], scored: Sequence[Scored], varying: Sequence[str]) -> list[Family]:
    """The cells of each arm (points of a grid are arms of their own), in their order."""
    found: dict[tuple, list[tuple[Row, Scored]]] = {}
    for row, cell in zip(rows, scored, strict=True):
        found.setdefault((row["model"], row["task"], *(row.get(v) for v in varying)), []).append((row, cell))
    return list(found.values())


def arms_of(of: Sequence[Family], varying: Sequence[str]) -> list[Arm]:
    """The arms, each by its task and what varies in it."""
    return [
        arm_of(str(rows[0]["model"]), _name(rows[0], varying), [r["seed"] for r in rows], cells)
        for rows, cells in map(_unzip, of)
    ]


def mean_row(
    of: Family, arm: Arm, varying: Sequence[str], published: Mapping[str, tuple[float, float]]
) -> dict[str, object]:
    """One row for an arm with several seeds: means, sample deviations over the seeds (ddof 1), and the head-to-head
    interval over seeds and instructions, in percent.

    `published`: MODEL.ARM to mean and standard deviation; `difference_pct` is ours less theirs, length-controlled.
    """
    rows, _ = _unzip(of)
    first, found = rows[0], arm.mean()
    row: dict[str, Any] = {name: first.get(name) for name in ("model", "task", *varying)} | {
        "seed": MEAN,
        "num_seeds": len(rows),
    }
    for name in AVERAGED:
        values = [r[name] for r in rows]
        row[name] = None if None in values else fmean(values)
    row |= {name: first[name] for name in ALIKE if len({r[name] for r in rows}) == 1}
    low, high = interval_pct(found.value, found.error, found.freedom)
    row |= {
        "paired_win_rate_pct": found.value,
        "paired_standard_error_pct": found.error,
        "paired_low_pct": low,
        "paired_high_pct": high,
        "note": _note(rows),
    }
    row |= {deviation: stdev(r[rate] for r in rows) for deviation, rate in DEVIATIONS.items()}
    theirs = published.get(f"{first['model']}.{first['task']}")
    if theirs:
        row |= {
            "published_pct": theirs[0],
            "published_std_pct": theirs[1],
            "difference_pct": row["lc_win_rate_pct"] - theirs[0],
        }
        row["note"] = "; ".join(filter(None, (row["note"], PUBLISHED)))
    return row


def _name(row: Row, varying: Sequence[str]) -> str:
    return " ".join([str(row["task"]), *(f"{name}={row[name]}" for name in varying if row.get(name) is not None)])


def _unzip(of: Family) -> tuple[list[Row], list[Scored]]:
    return [row for row, _ in of], [cell for _, cell in of]


def _note(rows: Sequence[Row]) -> str:
    same = len({r["generate_key"] for r in rows}) == 1
    return f"one set of outputs against {len(rows)} references: the spread is theirs" if same else ""
