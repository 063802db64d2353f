"""Where a study's results.csv and its analyses lie, and whether they are those that were asked for."""

import csv
import io
import json
from collections.abc import Collection
from pathlib import Path

from winsweep import arm_ranking
from winsweep.attempt.history import failures
from winsweep.store import links, small_files
from winsweep.store.manifest import write_atomic
from winsweep.store.provenance import commit_text, record_of
from winsweep.store.store import Store
from winsweep.study.analysis import Analysis
from winsweep.workspace import Workspace

TABLE, RANKING = "results.csv", "ranking.csv"


def publish_table(store: Store, name: str, key: str) -> Path | None:
    """Put the finished aggregate `key` at results/NAME.csv, and what belongs to it at
    results/NAME.{differences,choices}.csv and NAME.instructions.json.

    Each file is there whole or not at all, and is not touched if it is there already; None if the aggregate is not
    finished.
    """
    made = store.published().get(key)
    if made is None:
        return None
    target = store.root / "results" / f"{name}.csv"
    for source in [*made.glob("*.csv"), *made.glob("instructions.json")]:
        copy_if_new(source, target if source.name == TABLE else target.with_suffix(f".{source.name}"))
    return target


def judged(workspace: Workspace) -> list[str]:
    """The labels of the cells that are judged by now, in the study's order."""
    published = workspace.store.published()
    return [label for label, a in workspace.judged.items() if a.key in published]


def with_done(workspace: Workspace, labels: Collection[str]) -> Workspace:
    """The workspace of the cells `labels` with their analyses, and of the cells that are done, whose rows the study's
    table keeps.
    """
    states = {i.artifact.key: i.state for i in workspace.plan(workspace.facts())}
    done = [label for label, a in workspace.judged.items() if states.get(a.key, "done") == "done"]
    return workspace.asked_for({*labels, *done}, workspace.only(labels).analyses)


def path_of(workspace: Workspace) -> Path:
    """Where the study's table lies once it is made."""
    return workspace.store.root / "results" / f"{workspace.study.name}.csv"


def is_current(workspace: Workspace, labels: Collection[str]) -> bool:
    """Whether the study's table is there and is that of exactly these cells, as they are asked for now."""
    made = workspace.store.published().get(workspace.table(set(labels)).key) if labels and workspace.has_table else None
    try:
        return made is not None and _bytes(path_of(workspace)) == (made / TABLE).read_bytes()
    except FileNotFoundError:
        return False


def where_text(workspace: Workspace, labels: Collection[str]) -> str:
    """Where the table of the judged cells `labels` is, in words; if another lies there, or making it failed, that is
    said.
    """
    path = path_of(workspace)
    earlier = f"; {path} is of an earlier run" if path.exists() else ""
    if is_current(workspace, labels):
        return f"table: {path}"
    if not labels:
        return f"table: not made yet{earlier}" if earlier else f"table: {path}, not made yet"
    key = workspace.table(set(labels)).key
    why = failures(workspace.store, [key]).get(key)
    state = (
        f"the table of these cells could not be made: {why}\n        log: {workspace.store.log(key)}"
        if why
        else "the table of these cells is not made yet"
    )
    return state + earlier


def models_text(workspace: Workspace, labels: Collection[str]) -> str:
    """How many models of a workspace of models are made, and where they lie."""
    published = workspace.store.published()
    ends = [workspace.judged[label].key for label in sorted(labels)]
    where = [str(published[key]) for key in ends if key in published]
    if not where:
        return "models made"
    return f"models made: {where[0] if len(where) == 1 else f'{workspace.store.root}/collect/'}"


def publish_analyses(workspace: Workspace) -> None:
    """Put every finished analysis of the study, whoever asked for it, at results/NAME.{rank,containment}.csv or
    NAME.drift.CELL.{json,svg}.

    Each file is there whole or not at all, and is not touched if it is there already.
    """
    study, published = workspace.study, workspace.store.published()
    tables: dict[str, list[dict[str, object]]] = {"rank": [], "containment": []}
    for analysis in study.analyses.values():
        made = published.get(workspace.need(analysis.stage, analysis.ask).key)
        if made and analysis.stage in tables:
            tables[analysis.stage] += (rank_rows if analysis.stage == "rank" else containment_rows)(analysis, made)
        elif made and analysis.stage == "drift":
            for suffix in ("json", "svg"):
                copy_if_new(
                    made / f"drift.{suffix}",
                    workspace.store.root / "results" / f"{study.name}.drift.{analysis.ask.name}.{suffix}",
                )
    for stage, rows in tables.items():
        if rows:
            write_if_new(csv_bytes(rows), workspace.store.root / "results" / f"{study.name}.{stage}.csv")
    publish_ranking(workspace)


def publish_ranking(workspace: Workspace) -> None:
    """Put the ranking of arms that were compared with each other at results/NAME.ranking.csv, unless the one that is
    there is made from the same comparisons.
    """
    target = path_of(workspace).with_suffix(f".{RANKING}")
    made = arm_ranking.key(workspace)
    if made and made not in (_bytes(target) or b"").decode("utf-8", "replace"):
        rows = arm_ranking.rows(workspace)
        if rows:
            write_if_new(csv_bytes(rows), target)


def rank_rows(analysis: Analysis, made: Path) -> list[dict[str, object]]:
    """A model's response ranking: the share of comparisons that the true response wins and its 95 % interval, both ways
    of scoring.
    """
    found = json.loads((made / "rank.json").read_bytes())
    row = {"num_rows": found["num_rows"], "num_comparisons": found["per_token"]["num"]}
    return [
        names(analysis)
        | row
        | pct("per_token", found["per_token"])
        | pct("sequence", found["sequence"])
        | origin("rank", made)
    ]


def containment_rows(analysis: Analysis, made: Path) -> list[dict[str, object]]:
    """A model without a guard and behind each: what it answers off its domain, how often like a generalist, what it
    refuses in its domain.
    """
    rows = [
        {
            "guard": e["guard"],
            "num_off_domain": e["answered"]["num"],
            **pct("answered", e["answered"]),
            **pct("generalist", e["generalist"]),
            "win_rate_pct": f"{100 * e['win_rate']:.4f}",
            "in_domain": e["in_domain"],
            "num_in_domain": e["refused"]["num"] if e["refused"] else 0,
            **pct("refused", e["refused"]),
            "setting": e["setting"],
        }
        for e in json.loads((made / "containment.json").read_bytes())
    ]
    return [names(analysis) | row | origin("containment", made) for row in rows]


def names(analysis: Analysis) -> dict[str, object]:
    cell = analysis.cell
    return {"model": cell.model, "task": cell.task, "seed": cell.seed if cell.training else "", **dict(cell.varying)}


def pct(name: str, share: dict[str, float] | None) -> dict[str, str]:
    """A share and its interval as columns in percent; empty ones where there is none."""
    return {
        f"{name}_{end}pct": f"{100 * share[key]:.4f}" if share else ""
        for end, key in (("", "share"), ("low_", "low"), ("high_", "high"))
    }


def origin(stage: str, made: Path) -> dict[str, str]:
    return {
        f"{stage}_key": made.name.rpartition("-")[2],
        "commit": commit_text(record_of(made)),
    }


def csv_bytes(rows: list[dict[str, object]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(
        text, list(dict.fromkeys(name for row in rows for name in row)), restval="", lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def copy_if_new(source: Path, target: Path) -> None:
    write_if_new(source.read_bytes(), target)


def _bytes(path: Path) -> bytes | None:
    """What stands in a file of results/; None where there is none."""
    return small_files.content(path, small_files.TABLE_BYTES)


def write_if_new(data: bytes, target: Path) -> None:
    links.refuse(links.refuse(target.parent) / target.name)
    if _bytes(target) != data:
        target.parent.mkdir(exist_ok=True)
        write_atomic(target, data)
