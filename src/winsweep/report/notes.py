"""What a reader of a report must know before trusting it: of the table, of answers, of what failed or is missing."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from winsweep.amounts import plural
from winsweep.plan import Item
from winsweep.remarks import remarks
from winsweep.report.table import ReportTable
from winsweep.stats.arm_means import MEAN
from winsweep.stats.columns import LEAST_ALPHA, LITTLE
from winsweep.workspace import Workspace

MOST_FAILURES = 20
BIASED_PCT = 10.0  # points of position bias that are said
SPLIT = 0.2  # share of pairs whose two orders disagree that is said


def notes(
    workspace: Workspace,
    table: ReportTable,
    items: Sequence[Item],
    arms: Sequence[Mapping[str, Any]],
    curves: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Each with `kind` (warning or note), `text`, and `of`: the cells that it is about, none where it is of all."""
    return [
        *_of_state(workspace, table, items),
        *_of_training(curves),
        *_of_order(arms),
        *_of_jury(table),
        *({"kind": "warning", "text": text, "of": []} for text in _remarks(workspace, items)),
        *_of_rows(table),
    ]


def _of_state(workspace: Workspace, table: ReportTable, items: Sequence[Item]) -> Iterable[dict[str, Any]]:
    if len(table.labels) < len(workspace.judged):
        in_table = set(table.labels)
        left = [label for label in workspace.judged if label not in in_table]
        yield {
            "kind": "warning",
            "text": f"{len(left)} of {len(workspace.judged)} cells are not judged yet",
            "of": left,
        }
    if table.note and table.labels:
        yield {"kind": "warning", "text": table.note, "of": []}
    failed = [i for i in items if i.state == "failed"]
    for item in failed[:MOST_FAILURES]:
        yield {"kind": "warning", "text": f"{item.artifact.name} failed: {item.why}", "of": []}
    if len(failed) > MOST_FAILURES:
        yield {
            "kind": "warning",
            "text": f"{plural(len(failed) - MOST_FAILURES, 'other result')} failed, too",
            "of": [],
        }
    for line in workspace.damaged(items).splitlines():
        yield {"kind": "warning", "text": line, "of": []}
    for path, why in workspace.study.missing.items():
        yield {"kind": "note", "text": f"a file that the study names is not here: {path.name}", "of": [], "why": why}
    yield from _of_commits(table)


def _of_commits(table: ReportTable) -> Iterable[dict[str, Any]]:
    commits = sorted({row["commit"] for row in table.rows if row.get("commit")})
    if len(commits) > 1:
        yield {"kind": "note", "text": f"cells were judged by {len(commits)} commits of winsweep", "of": []}
    if changed := [c for c in commits if c.endswith("+changes")]:
        what = f"cells were judged by code that differs from its commit ({', '.join(c[:12] for c in changed)})"
        yield {"kind": "warning", "text": what, "of": []}


def _of_training(curves: Sequence[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    """Runs whose loss left the numbers, or ended above where it began (by the means of their first and last tenths)."""
    lost = [c["name"] for c in curves if None in c["loss"]]
    if lost:
        yield {"kind": "warning", "text": "the training loss was not a number at some step", "of": lost}
    rose = [c["name"] for c in curves if c["name"] not in lost and _rose(c["loss"])]
    if rose:
        yield {"kind": "warning", "text": "the training loss ended above where it began", "of": rose}


def _rose(loss: Sequence[float]) -> bool:
    tenth = max(1, len(loss) // 10)
    return len(loss) > 1 and fmean(loss[-tenth:]) > fmean(loss[:tenth])


def _of_order(arms: Sequence[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    """A judge that goes by the order of the two answers."""
    biased = [arm for arm in arms if abs(arm["position_bias_pct"] or 0.0) >= BIASED_PCT]
    if biased:
        most = max(biased, key=lambda arm: abs(arm["position_bias_pct"]))["position_bias_pct"]
        where = "first" if most > 0 else "second"
        text = f"the judge goes by the order: an answer wins up to {abs(most):.0f} points more when it is shown {where}"
        yield {"kind": "warning", "text": text, "of": [f"{arm['model']}.{arm['name']}" for arm in biased]}
    split = [arm for arm in arms if (arm["share_disagree"] or 0.0) >= SPLIT]
    if split:
        most = max(arm["share_disagree"] for arm in split)
        text = f"the judge names another winner when the order is turned, in up to {100 * most:.0f} % of the pairs"
        yield {"kind": "warning", "text": text, "of": [f"{arm['model']}.{arm['name']}" for arm in split]}


def _of_jury(table: ReportTable) -> Iterable[dict[str, Any]]:
    """How far the judges of a jury agree, over all cells."""
    rows = [row for row in table.rows if row.get("jury_agreement") and row["seed"] != MEAN]
    if rows:
        same = sorted(float(row["jury_agreement"]) for row in rows)
        alphas = sorted(float(row["jury_alpha"]) for row in rows if row.get("jury_alpha"))
        is_little = any(LITTLE in row.get("note", "") for row in rows)
        alpha = f"; Krippendorff's alpha is {_range(alphas, 1, 2)}" if alphas else ""
        alpha += f": little, below {LEAST_ALPHA}" if is_little else ""
        text = f"the judges of the jury give the same verdict to {_range(same, 100, 0)} % of the pairs of a cell{alpha}"
        yield {"kind": "warning" if is_little else "note", "text": text, "of": []}


def _range(values: Sequence[float], times: float, digits: int) -> str:
    return " to ".join(dict.fromkeys(f"{times * end:.{digits}f}" for end in (values[0], values[-1])))


def _remarks(workspace: Workspace, items: Sequence[Item]) -> list[str]:
    return [line.removeprefix("note").strip() for line in remarks(workspace, items)]


def _of_rows(table: ReportTable) -> list[dict[str, Any]]:
    """The column note: rows that say the same as one."""
    said: dict[str, list[str]] = {}
    for i, row in enumerate(table.rows):
        for text in filter(None, row.get("note", "").split("; ")):
            if text == LITTLE:  # said with its figures, see _of_jury
                continue
            said.setdefault(text, []).append(
                f"{row['model']}.{row['task']}" if row["seed"] == MEAN else table.labels[i]
            )
    return [{"kind": "note", "text": text, "of": of} for text, of in said.items()]
