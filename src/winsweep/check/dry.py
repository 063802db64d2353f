"""What a dry run prints: arms × stages, what is missing, what it costs, and everything that can be known of a study's
models, judges and machines before anything runs.
"""

from collections import Counter
from collections.abc import Sequence

from winsweep import arm_grid, earlier_tables, failed, inspection, judge_card, prefetch, remarks, screen
from winsweep.amounts import plural
from winsweep.check import early, room
from winsweep.check.finding import Finding
from winsweep.check.room import GpuGb
from winsweep.costs import findable, forecast, judge_order, pairs_cost
from winsweep.placement import Placements
from winsweep.plan import Item
from winsweep.quoting import quoted
from winsweep.screen import Detail
from winsweep.workspace import Workspace


def say_plan(workspace: Workspace, items: Sequence[Item], detail: Detail) -> None:
    """Print how far each arm is, and what of it failed or is blocked."""
    states = {i.artifact.key: i.state for i in items}
    done = sum(states.get(a.key, "done") == "done" for a in workspace.order)
    print(
        f"{workspace.study.name}: {plural(len(workspace.order) - done, 'result')} to make, {done:,} reused from "
        f"{workspace.store.root}. Done/all of each arm named:"
    )
    print("\n".join(arm_grid.lines(workspace, states, screen.width())))
    if detail.cells:
        print("\n".join(arm_grid.cell_lines(workspace, states, screen.width())))
    if detail.verbose:
        print("\n".join(_paths(workspace, items)))
    told = failed.lines(workspace, items, detail.verbose) + failed.blocked_lines(items, detail.verbose)
    print("".join(f"{line}\n" for line in told), end="")


def say_amounts(workspace: Workspace, items: Sequence[Item], detail: Detail) -> list[inspection.Finding]:
    """Print what is not there yet, what is wrong with files, and what is still to be made, computed and paid; the
    findings of files.
    """
    print(prefetch.not_there(workspace, items, detail.verbose), end="")
    looked = inspection.findings(workspace)
    notes = [
        part
        for of in (remarks.unanswerable, remarks.absent_categories, judge_card.against, earlier_tables.lines)
        for line in of(workspace)
        for part in screen.wrapped(f"note: {line}", screen.width())
    ]
    amounts = [*forecast.lines(workspace, items, detail.verbose), *judge_card.figures(workspace)]
    more = [*pairs_cost.lines(workspace, items), *judge_order.lines(workspace, items), *findable.lines(workspace)]
    print("\n".join([*inspection.lines(looked), *notes, *amounts, *more]))
    return looked


def say_checks(
    workspace: Workspace,
    placements: Placements,
    items: Sequence[Item],
    num_jobs: int | None,
    gpu_gb: GpuGb | None,
    looked: Sequence[inspection.Finding],
    detail: Detail,
) -> tuple[int, bool]:
    """Print the table of what is still to be made, its last line counting the problems of files (`looked`) too: the
    exit code, and whether there is any problem.

    The code is 1 if a model is broken, which no environment fixes, or a file is wrong; what the run itself would end
    with where a package is missing: 1, or 2 where no cell is left.
    """
    from winsweep.check.table import table_text  # rich is slow to import

    models, facts = early.models(workspace, items)
    models = [row for row in models if row.finding.what not in early.INSTALL]  # told once, of packages
    quick = early.quick(workspace, items)
    found = [
        *models,
        *quick,
        *labels(workspace, placements),
        *room.rows(workspace.store.root, placements, items, num_jobs, gpu_gb, facts),
    ]
    num_above = unreadable(workspace, looked)
    if found or num_above:
        print(table_text(found, num_above, detail.verbose))
    is_wrong = any(row.finding.verdict == "problem" for row in models) or any(f.problem for f in looked)
    has_problems = bool(num_above) or any(row.finding.verdict == "problem" for row in found)
    return max(int(is_wrong), _without_packages(workspace, items, quick)), has_problems


def labels(workspace: Workspace, placements: Placements) -> list[early.Row]:
    """What of a cluster file's `labels:` decides for nothing of the study, which a mistyped pattern does; nothing where
    only a part of the study is looked at.
    """
    if len(workspace.judged) < len(workspace.study.table.cells):
        return []
    unused = placements.unused((a.stage, a.label) for a in workspace.order)
    named = screen.few([f"{quoted(pattern)} for {stage}" for pattern, stage in unused])
    like = next((a.label for a in workspace.order if unused and a.stage == unused[0][1]), "")
    said = f"{named} fits nothing of this study, or an earlier pattern does"
    do = f"labels of {unused[0][1]} are such as {like}" if like else ""
    return [early.Row("cluster file", Finding("unknown", "labels", said, do))] if unused else []


def _without_packages(workspace: Workspace, items: Sequence[Item], rows: Sequence[early.Row]) -> int:
    """What a run ends with that leaves alone what needs a package that is not here."""
    left = early.without(workspace, items, [row for row in rows if row.of == early.PACKAGES])
    return 2 if workspace.judged and not left.judged else int(left is not workspace)


def say_next(items: Sequence[Item], command: str, code: int, has_problems: bool) -> None:
    """Print what to type, and why problems do not show in the exit code where they do not."""
    if all(i.state == "done" for i in items):
        print("Nothing is left to make.")
        return
    again = " --retry-failed" if any(i.state == "failed" for i in items) else ""
    then = "Once the problems above are mended, to run it" if code else "To run it"
    zero = "Exit code 0: a key or file may come yet. " if has_problems and not code else ""
    print(
        f"{then}: {command}{again}\n{zero}More here: --cells (every cell), --verbose (paths, assumptions, every check)"
    )


def unreadable(workspace: Workspace, looked: Sequence[inspection.Finding]) -> int:
    """How many problems the files of a study have, each said on a line of its own: faults of rows, and files that are
    neither here nor of the web.
    """
    return len({f.problem for f in looked if f.problem}) + len(
        workspace.study.missing.keys() - workspace.study.urls.keys()
    )


def _paths(workspace: Workspace, items: Sequence[Item]) -> list[str]:
    """A line for each stage and for each result of it that is not there."""
    told = []
    for stage in workspace.need.stages:
        of_stage = [i for i in items if i.artifact.stage == stage]
        to_run = [i for i in of_stage if i.state != "done"]
        counts = ", ".join(f"{n} {state}" for state, n in sorted(Counter(i.state for i in to_run).items()))
        reused = len(of_stage) - len(to_run)
        told += [f"{stage:12s} {len(to_run):4d} to run{f' ({counts})' if counts else ''}  {reused:4d} reused"]
        told += [
            f"    {workspace.store.root / i.artifact.name}   {'replaces a stale one; ' if i.stale else ''}{i.why}"
            for i in to_run
        ]
    return told
