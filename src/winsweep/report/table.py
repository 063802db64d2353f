"""The results table: which columns a row has and where each figure comes from."""

import csv
import io
import json
from pathlib import Path

from winsweep.errors import Incomplete
from winsweep.job import Job
from winsweep.manifest import write_atomic
from winsweep.provenance import commit_text
from winsweep.report.means import MEAN_COLUMNS, mean_rows
from winsweep.report.winrate import describe, length_controlled, win_rate

COLUMNS = ("n", "lc_win_rate_pct", "lc_standard_error_pct", "lc_formula", "win_rate_pct", "standard_error_pct", "mean_chars",
           "mean_chars_reference", "share_truncated", "share_empty", "chrf", "exact", "starts", "judge", "judge_model")
KEYS = ("finetune", "generate", "judge")
# A spreadsheet runs a cell that begins with one of these.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write(job: Job) -> None:
    """results.csv, one row per cell, every figure from the cell's annotations alone."""
    asked = [json.loads(line)["instruction"] for line in open(job.inputs["instructions"] / "instructions.jsonl", encoding="utf-8")]
    difficulty = job.file(job.params["difficulty"]) if "difficulty" in job.params else None
    cells = job.params["cells"]
    picked = {name: json.loads((job.inputs[name] / "value.json").read_bytes()) for name in sorted({c["choice"] for c in cells if "choice" in c})}
    varying = sorted({name for values in [*(cell["varying"] for cell in cells), *picked.values()] for name in values})
    rows = []
    for i, cell in enumerate(cells):
        chosen = picked[cell["choice"]] if "choice" in cell else {}
        rows.append(row_of(cell, job.inputs[cell["label"]], asked, difficulty) | chosen)
        job.progress(i + 1, len(cells))
    means = mean_rows(rows, varying, {family: (mean, std) for family, mean, std in job.params.get("published", ())})
    names = ["model", "task", "seed", *varying, *COLUMNS, *MEAN_COLUMNS, *(f"{k}_key" for k in KEYS), "commit"]
    write_atomic(job.out / "results.csv", to_csv(names, rows + means).encode())
    if picked:
        write_atomic(job.out / "choices.csv", choices_csv(job, list(picked)).encode())


def choices_csv(job: Job, names: list[str]) -> str:
    """Every validation run of every family, and which was picked."""
    rows = [{"family": name.partition(" ")[2], **run} for name in names for run in json.loads((job.inputs[name] / "choice.json").read_bytes())["runs"]]
    return to_csv(list(dict.fromkeys(column for row in rows for column in row)), rows)


def row_of(cell: dict, judged: Path, asked: list[str], difficulty: Path | None) -> dict[str, object]:
    """One row; the categories that the cell leaves out do not count, and n says how many rows do."""
    annotations = json.loads((judged / "annotations.json").read_bytes())
    record = json.loads((judged / "record.json").read_bytes())
    kept = [a for a in annotations if a["dataset"] not in cell["leave_out"]]
    left_out = {a["instruction"] for a in annotations} - {a["instruction"] for a in kept}
    if not kept:
        raise Incomplete(f"{cell['label']}: leave_out {cell['leave_out']} leaves no instruction at all; remove a category from it")
    names = {"model": cell["model"], "task": cell["task"], "seed": cell["seed"], **cell["varying"]}
    made = {f"{k}_key": cell["keys"].get(k, "") for k in KEYS}
    return {**names, **figures(kept, [text for text in asked if text not in left_out], difficulty), **made, "commit": commit_text(record)}


def figures(rows: list[dict], asked: list[str], difficulty: Path | None) -> dict[str, object]:
    """The columns that come from annotation rows."""
    wins, error = win_rate([r["preference"] for r in rows])
    lc = length_controlled(rows, asked, difficulty)
    sides = describe([r["output_2"] for r in rows], [r["output_1"] for r in rows], [r["truncated"] for r in rows])
    return {"n": len(rows), "lc_win_rate_pct": lc.win_rate_pct, "lc_standard_error_pct": lc.standard_error_pct, "lc_formula": lc.formula,
            "win_rate_pct": 100 * wins, "standard_error_pct": 100 * error, "mean_chars": sides.mean_chars,
            "mean_chars_reference": sides.mean_chars_reference, "share_truncated": sides.share_truncated, "share_empty": sides.share_empty,
            "chrf": mean(rows, "chrf_candidate"), "exact": mean(rows, "exact"), "starts": mean(rows, "starts"),
            "judge": one(rows, "annotator"), "judge_model": one(rows, "model")}


def mean(rows: list[dict], name: str) -> float | None:
    """The mean of a column that every row has, or nothing."""
    values = [r.get(name) for r in rows]
    return None if None in values else sum(values) / len(values)


def one(rows: list[dict], name: str) -> str:
    """The one value of a column; two judges in one row of the table would be two experiments."""
    values = {str(r.get(name, "")) for r in rows}
    if len(values) > 1:
        raise Incomplete(f"{name}: a cell was judged by {' and '.join(sorted(values))}; one judge is legal; judge it again")
    return values.pop()


def to_csv(names: list[str], rows: list[dict[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([show(row.get(name)) for name in names] for row in rows)
    return text.getvalue()


def show(value: object) -> str:
    """A figure with six decimals; text that a spreadsheet would run as a formula gets a quote before it."""
    if isinstance(value, float):
        return f"{value:.6f}" if value == 0 or abs(value) >= 1e-3 else repr(value)
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) and not isinstance(value, (int, bool)) else text
