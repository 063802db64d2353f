"""What the seeds of an arm say together: their mean and spread, beside what others published."""

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

import numpy as np

from winsweep.stats import bootstrap
from winsweep.stats.bootstrap import Arm as Drawn
from winsweep.stats.comparison import Scored
from winsweep.stats.control import FIGURES, Control
from winsweep.stats.differences import Arm, arm_of
from winsweep.stats.uncertainty import interval_pct

MEAN = "mean"  # in the column seed
AVERAGED = (
    "lc_win_rate_pct",
    "share_ties",
    "share_identical",
    "position_bias_pct",
    "share_disagree",
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
DEVIATIONS = {
    "lc_std_pct": "lc_win_rate_pct",
    "paired_std_pct": "paired_win_rate_pct",
    "style_std_pct": "style_win_rate_pct",
    "std_pct": "win_rate_pct",
}
PUBLISHED = "the published deviation may be of seeds that share one order of the rows (recipe order: constant)"
ALIKE = ("n", "lc_formula", "paired_formula", "style_formula", "control", "judge", "judge_model", "commit")
Row = Mapping[str, Any]
Family = Sequence[tuple[Row, Scored]]


def families(rows: Sequence[Row], scored: Sequence[Scored], varying: Sequence[str]) -> list[Family]:
    """The cells of each arm (points of a grid are arms of their own), in their order."""
    found: dict[tuple, list[tuple[Row, Scored]]] = {}
    for row, cell in zip(rows, scored, strict=True):
        found.setdefault((row["model"], row["task"], *(row.get(v) for v in varying)), []).append((row, cell))
    return list(found.values())


def arms_of(of: Sequence[Family], varying: Sequence[str], control: Control) -> list[Arm]:
    """The arms, each by its task and what varies in it."""
    return [
        arm_of(str(rows[0]["model"]), _name(rows[0], varying), [r["seed"] for r in rows], cells, control)
        for rows, cells in map(_unzip, of)
    ]


def mean_row(of: Family, varying: Sequence[str], published: Mapping[str, tuple[float, float]]) -> dict[str, object]:
    """One row for an arm with several seeds: means, sample deviations over the seeds (ddof 1), and the head-to-head
    intervals over seeds and instructions, in percent.

    `published`: MODEL.ARM to mean and standard deviation; `difference_pct` is ours less theirs, length-controlled.
    """
    rows, cells = _unzip(of)
    first = rows[0]
    row: dict[str, Any] = {name: first.get(name) for name in ("model", "task", *varying)} | {
        "seed": MEAN,
        "num_seeds": len(rows),
    }
    for name in AVERAGED:
        values = [r[name] for r in rows]
        row[name] = None if None in values else fmean(values)
    row |= {name: first.get(name) for name in ALIKE if len({r.get(name) for r in rows}) == 1}
    for control, figure in FIGURES.items():
        found = arm_of("", "", [r["seed"] for r in rows], cells, control).mean()
        low, high = interval_pct(found.value, found.error, found.freedom)
        row |= {figure.rate: found.value, figure.error: found.error, figure.low: low, figure.high: high}
    row["jury_win_rates_pct"] = _of_judges([r.get("jury_win_rates_pct") for r in rows])
    row["note"] = _note(rows)
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


def drawn_of(of: Sequence[Family], arms: Sequence[Arm], num: int, difficulty_N: np.ndarray | None) -> list[Drawn]:
    """Each arm's win rates over `num` draws of its instructions."""
    return [
        bootstrap.arm_of(arm.model, arm.name, arm.seeds, _unzip(rows)[1], num, difficulty_N)
        for arm, rows in zip(arms, of, strict=True)
    ]


def with_draws(rows: Sequence[Row], means: Sequence[Row], of: Sequence[Family], drawn: Sequence[Drawn]) -> list[Row]:
    """The rows of the table with the columns of their draws: of one seed over instructions, of a mean over both."""
    of_cells = {
        id(row): bootstrap.columns_of(arm.rates_BS[:, s])
        for arm, family in zip(drawn, of, strict=True)
        for s, (row, _) in enumerate(family)
    }
    of_means = [bootstrap.columns_of(arm.mean_B()) for arm, family in zip(drawn, of, strict=True) if len(family) > 1]
    return [
        *({**row, **of_cells[id(row)]} for row in rows),
        *({**row, **found} for row, found in zip(means, of_means, strict=True)),
    ]


def _name(row: Row, varying: Sequence[str]) -> str:
    return " ".join([str(row["task"]), *(f"{name}={row[name]}" for name in varying if row.get(name) is not None)])


def _unzip(of: Family) -> tuple[list[Row], list[Scored]]:
    return [row for row, _ in of], [cell for _, cell in of]


def _of_judges(rates: Sequence[Any]) -> str | None:
    """The mean over seeds of each judge of a jury, where all seeds have as many."""
    each = [[float(rate) for rate in str(of).split()] for of in rates if of]
    if not each or len(each) < len(rates) or len({len(of) for of in each}) > 1:
        return None
    return " ".join(f"{fmean(of):.1f}" for of in zip(*each))


def _note(rows: Sequence[Row]) -> str:
    same = len({r["generate_key"] for r in rows}) == 1
    return f"one set of outputs against {len(rows)} references: the spread is theirs" if same else ""
