"""What a person reads when a run on this machine is over: the table, notes, where all is, what comes next, failures."""

import sys
from collections.abc import Collection

from winsweep import arm_ranking, next_steps, results, screen, table_view
from winsweep.amounts import plural
from winsweep.local import view
from winsweep.local.controller import Run
from winsweep.plan import Item, done_of
from winsweep.remarks import remarks
from winsweep.workspace import Workspace


def say(workspace: Workspace, run: Run, items: list[Item], command: str, typed: str, is_verbose: bool) -> int:
    """Print it; 0 if all of the workspace is made, else 1. (The run's own may hold only what could be judged.)

    `command` goes on with what is missing; `typed`: study and store as arguments.
    """
    print(workspace.damaged(items), end="", file=sys.stderr)
    judged = set(done_of(items, workspace.judged))
    analysed = done_of(items, workspace.analyses)
    is_current = results.is_current(workspace, judged)
    if is_current:
        print(table_view.table_text(results.path_of(workspace), workspace.study.notes))
    print("".join(f"{line}\n" for line in arm_ranking.lines(arm_ranking.rows(workspace))), end="")
    if notes := remarks(workspace, items):
        print("\n".join(screen.noted(notes)))
    print(f"{plural(run.num_started, 'job')} run; {_made(workspace, judged, len(analysed))}")
    print("".join(f"{line}\n" for line in next_steps.lines(workspace, items, typed)), end="", flush=True)
    if run.note:
        print("\n".join(screen.noted([run.note])), file=sys.stderr)
    if problems := view.failures_text(workspace, items, command, is_verbose):
        print(problems, file=sys.stderr)
    is_whole = len(judged) == len(workspace.judged) and len(analysed) == len(workspace.analyses)
    return 0 if is_whole and (is_current or not workspace.has_table) else 1


def _made(workspace: Workspace, judged: Collection[str], num_analysed: int) -> str:
    """How much of the study there is, and where."""
    share = f"{len(judged)} of {len(workspace.judged)}"
    if not workspace.has_table:
        return f"{share} {results.models_text(workspace, judged)}"
    beside = f"; {num_analysed} of {len(workspace.analyses)} analyses beside it" if workspace.analyses else ""
    return f"{share} cells judged; {results.where_text(workspace, judged)}{beside}"
