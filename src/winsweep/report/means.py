"""What the seeds of an arm say together: their mean and spread, beside what others published."""

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

MEAN = "mean"  # in the column seed
MEAN_COLUMNS = ("num_seeds", "lc_std_pct", "std_pct", "published_pct", "published_std_pct", "difference_pct", "note")
AVERAGED = ("lc_win_rate_pct", "win_rate_pct", "mean_chars", "mean_chars_reference", "share_truncated", "share_empty", "chrf", "exact", "starts")
ALIKE = ("n", "lc_formula", "judge", "judge_model", "commit")


def mean_rows(rows: Sequence[Mapping[str, object]], varying: Sequence[str], published: Mapping[str, tuple[float, float]]) -> list[dict[str, object]]:
    """One row for each arm with more than one seed: means, and the sample deviation over the seeds (ddof 1) of both win rates, in percent.

    `published`: MODEL.ARM to mean and standard deviation; `difference_pct` is ours less theirs, length-controlled.
    """
    families: dict[tuple, list[Mapping[str, object]]] = {}
    for row in rows:
        families.setdefault((row["model"], row["task"], *(row.get(v) for v in varying)), []).append(row)
    return [_mean_row(of, varying, published) for of in families.values() if len(of) > 1]


def _mean_row(of: Sequence[Mapping[str, object]], varying: Sequence[str], published: Mapping[str, tuple[float, float]]) -> dict[str, object]:
    first = of[0]
    row: dict[str, object] = {name: first.get(name) for name in ("model", "task", *varying)} | {"seed": MEAN, "num_seeds": len(of)}
    for name in AVERAGED:
        values = [r[name] for r in of]
        row[name] = None if None in values else fmean(values)
    row |= {name: first[name] for name in ALIKE if len({r[name] for r in of}) == 1}
    row |= {"lc_std_pct": stdev(r["lc_win_rate_pct"] for r in of), "std_pct": stdev(r["win_rate_pct"] for r in of), "note": _note(of)}
    theirs = published.get(f"{first['model']}.{first['task']}")
    if theirs:
        row |= {"published_pct": theirs[0], "published_std_pct": theirs[1], "difference_pct": row["lc_win_rate_pct"] - theirs[0]}
    return row


def _note(of: Sequence[Mapping[str, object]]) -> str:
    same = len({r["generate_key"] for r in of}) == 1
    return f"one set of outputs against {len(of)} references: the spread is theirs" if same else ""
