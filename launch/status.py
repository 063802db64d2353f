"""Show where a study stands: arms × stages, what failed and why, what runs.

  python launch/status.py STUDY.yaml                       how far it is
  python launch/status.py STUDY.yaml --why llama.gsm.s1    why a cell is not done
  python launch/status.py STUDY.yaml --watch               the same live, with logs and losses

Nothing is started.
"""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from winsweep import arguments, arm_grid, batch_lines, cell_results, command_end, inspection, screen
from winsweep.artifact import closure
from winsweep.attempt.arrays import open_arrays
from winsweep.check import early
from winsweep.errors import ClusterDown, WinsweepError
from winsweep.plan import Item, state_of
from winsweep.prefetch import not_there
from winsweep.remarks import remarks
from winsweep.results import where_text
from winsweep.screen import Detail
from winsweep.slurm import queue_view
from winsweep.slurm.queue import Task
from winsweep.store import disk
from winsweep.store.siblings import earlier_files, nearest
from winsweep.workspace import Workspace, chain, columns, open_workspace


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.study(p)
    p.add_argument("--cells", action="store_true", help="a line for every cell too")
    p.add_argument(
        "--verbose", action="store_true", help="print everything: each failure, each attempt, each missing file"
    )
    p.add_argument(
        "--why",
        metavar="CELL",
        help="one cell, such as llama.gsm.s1: its stages, and what differs from the nearest finished result",
    )
    p.add_argument("--watch", action="store_true", help="a live board. Where there is no terminal, as without it")
    p.add_argument(
        "--json",
        action="store_true",
        help="one line of JSON (docs/how_to/watch.md). With --watch: another one at each change, until nothing is left",
    )
    arguments.store(p)
    return p


@command_end.told
def main() -> int:
    a = parser().parse_args()
    try:
        workspace = open_workspace(a.study, a.store, lenient=True, is_made=not a.watch)
        if a.json or (a.watch and not a.why and is_terminal()):
            return live(workspace, a.json, a.watch)
        items, queued = seen(workspace)
        print(why(workspace, items, a.why) if a.why else overview(workspace, items, queued, Detail(a.cells, a.verbose)))
        print(
            f"{workspace.damaged(items)}{not_there(workspace, items, a.verbose)}{in_the_way(workspace, items)}", end=""
        )
    except WinsweepError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return screen.nobody_reads()
    except OSError as e:
        print(f"error: {disk.words(e, a.store)}", file=sys.stderr)
        return 2
    return 0


def is_terminal() -> bool:
    """Whether there is a terminal to draw on and to listen to."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def live(workspace: Workspace, is_json: bool, is_watch: bool) -> int:
    """The board, or JSON for scripts: imported only here, as other calls need none of it."""
    if is_json:
        from winsweep.watch import lines

        return lines.say(workspace, is_watch)
    from winsweep.watch import board

    return board.show(workspace)


def seen(workspace: Workspace) -> tuple[list[Item], Mapping[str, Task | None]]:
    """The plan and what of it is in a SLURM queue, which is asked only if anything was submitted there."""
    if open_arrays(workspace.store.root):
        from winsweep.slurm.reconcile import look

        try:
            found = look(workspace)
            return found.items, found.queued
        except ClusterDown as e:
            print(f"{e}\nWhat follows is what the store shows; what waits in the queue is not known.", file=sys.stderr)
    return workspace.plan(workspace.facts()), {}


def in_the_way(workspace: Workspace, items: list[Item]) -> str:
    """A line for each fault for which sweep.py would leave cells alone: of local files, of judges' keys, of packages on
    this machine.
    """
    told = [f.problem for f in inspection.findings(workspace) if f.problem]
    told += [
        f"{row.of}: {row.finding.what}: {row.finding.text}"
        for row in early.quick(workspace, items)
        if row.finding.verdict == "problem"
    ]
    return "".join(f"problem  {line}\n" for line in dict.fromkeys(told))


def overview(workspace: Workspace, items: list[Item], queued: Mapping[str, Task | None], detail: Detail) -> str:
    """Arms × stages, then what failed, runs or waits, then how much is done."""
    shown = {i.artifact.key: "queued" if queue_view.is_waiting(i, queued) else i.state for i in items}
    columns = screen.width()
    told = [f"{workspace.study.name}: done/all of each arm named", *arm_grid.lines(workspace, shown, columns)]
    told += arm_grid.cell_lines(workspace, shown, columns) if detail.cells else []
    notes = screen.noted(remarks(workspace, items))
    ends = arm_grid.ends(workspace)
    done = len(workspace.judged) - len({label for label, a in ends if shown.get(a.key, "done") != "done"})
    judged = {label for label, a in workspace.judged.items() if shown.get(a.key, "done") == "done"}
    last = f"{done} of {len(workspace.judged)} cells done; {where_text(workspace, judged)}"
    queue = queue_view.lines(workspace, items, queued, avoided(workspace) if queued else [], detail.verbose)
    return "\n".join([*told, *queue, *batch_lines.lines(workspace), *notes, last])


def avoided(workspace: Workspace) -> list[str]:
    from winsweep.slurm.array_folders import excluded

    return excluded(workspace)


def why(workspace: Workspace, items: list[Item], label: str) -> str:
    label = cell_results.named(workspace, label).label
    told = {i.artifact: i for i in items}
    found = chain(workspace.ends(label))
    steps = [a for s in columns([found]) for a in found[s]]
    said = {a: screen.printable(i.why) for a, i in told.items()}
    lines = [f"{state_of(items, a):8s} {a.name}  {said.get(a, '')}" for a in steps]
    elsewhere = [i for a in closure(workspace.ends(label)) if a not in steps and (i := told.get(a))]
    lines += [
        f"failed   {i.artifact.name}, which it needs: {said[i.artifact]}" for i in elsewhere if i.state == "failed"
    ]
    open_ones = [a for a in steps if state_of(items, a) != "done"]
    pressing = (a for a in open_ones if told[a].state in ("failed", "ready", "running"))
    first = next(pressing, (open_ones or steps)[-1])  # a cell has its judgement at least
    near = nearest(first, workspace.store)
    if near is None:
        return "\n".join([*lines, f"nothing else of the stage {first.stage} is finished"])
    lines.append(f"{first.name} differs from the nearest finished one, {near[0]}, in:")
    earlier = earlier_files(workspace.store, f"{first.stage}/{near[0].rpartition('-')[2]}")
    return "\n".join([*lines, *(f"    {d.text(workspace.study.files, earlier)}" for d in near[1])])


if __name__ == "__main__":
    sys.exit(main())
