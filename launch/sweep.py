"""Make all results of a study that are missing, then write its table.

  python launch/sweep.py STUDY.yaml --dry-run         what would run, and its cost
  python launch/sweep.py STUDY.yaml                   run it on this machine
  python launch/sweep.py STUDY.yaml --cluster NAME    submit it to SLURM, and exit

The same command goes on with whatever is missing.
Exit code: 0 no failure, 1 something failed, 2 it could not start.
"""

import argparse
import shlex
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from winsweep import arguments, command_end, command_names, inspection, layout, ownership, paths, prefetch, screen
from winsweep.cell_results import several
from winsweep.check import dry, left_out, room
from winsweep.check.auto_placement import Machines
from winsweep.check.room import GpuGb
from winsweep.cluster_file import cluster_file, read_cluster
from winsweep.costs import judge_cost
from winsweep.errors import BadData, BadStudy, WinsweepError
from winsweep.local import gpus
from winsweep.local.controller import default_jobs, drive
from winsweep.placement import Cluster
from winsweep.results import with_done
from winsweep.screen import Detail
from winsweep.store import disk
from winsweep.workspace import Workspace, open_workspace


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.study(p)
    p.add_argument("--dry-run", action="store_true", help="print what would run and what it costs. Nothing is started")
    p.add_argument(
        "--prefetch", action="store_true", help="fetch the models, data sets and files that the study names, then stop"
    )
    p.add_argument(
        "--only",
        metavar="CELL",
        action="append",
        help="make this cell only, such as llama.gsm.s1; llama.gsm: all of an arm; llama: of a model. Repeatable",
    )
    p.add_argument(
        "--train-only", action="store_true", help="make the finetuned models only. Nothing is generated or judged"
    )
    p.add_argument("--retry-failed", action="store_true", help="try again what has failed")
    p.add_argument("--cells", action="store_true", help="with --dry-run: a line for every cell too")
    p.add_argument(
        "--verbose", action="store_true", help="print everything: each attempt; with --dry-run paths and every check"
    )
    arguments.store(p)
    p.add_argument(
        "--jobs",
        metavar="N",
        type=paths.at_least_one,
        default=default_jobs(),
        help="attempts at once on this machine (default: its cores)",
    )
    add_cluster(p.add_argument_group("on a cluster (SLURM)"))
    return p


def add_cluster(slurm: argparse._ArgumentGroup) -> None:
    slurm.add_argument(
        "--cluster",
        metavar="NAME",
        type=paths.word,
        default="local",
        help="a file of slurm/clusters/ without .yaml, or a path to one (default: local, which is this machine)",
    )
    slurm.add_argument("--watch", action="store_true", help="stay, and submit again until all is done or has failed")
    slurm.add_argument(
        "--cancel", metavar="CELL", nargs="?", const="", help="take the study, a cell or an arm out of the queue"
    )
    slurm.add_argument(
        "--emit",
        metavar="DIR",
        type=paths.argument,
        help="write batch scripts and a submit.sh into DIR; submit nothing",
    )


@command_end.told
def main() -> int:
    a = parser().parse_args()
    try:
        workspace = only(a, opened(a))
        workspace = workspace.models() if a.train_only else workspace
        if not a.dry_run:  # which says the same among its amounts and checks
            print("".join(f"{line}\n" for line in judge_cost.warnings(workspace)), end="", file=sys.stderr)
            print(ownership.told_once(workspace.store.root), end="", file=sys.stderr)
        if a.prefetch:
            return prefetch.fetch(workspace)
        if not a.dry_run and a.cancel is None:
            inspection.refuse(workspace)
        cluster = read_cluster(layout.STAGES, cluster_file(a.cluster, study=a.study), workspace.need.stages)
        refuse_without_queue(a, cluster)
        if a.cancel is None:
            room.refuse_few(cluster.file, workspace.order, cluster.placements)
        whole, starts = workspace, a.cancel is None and not a.dry_run and not a.emit
        if starts:
            workspace = left_out.told(whole, cluster, gpu_gb(cluster), machines_of(cluster))
        elif a.cancel is None:
            workspace = left_out.placed(whole, cluster, machines_of(cluster))
        if workspace is not whole and not workspace.judged:
            return 2
        missing = int(workspace is not whole)
        if cluster.kind == "slurm":
            from winsweep.slurm import commands

            return commands.act(workspace, cluster, a, again(a)) or missing
        return (dry_run(workspace, cluster, a) if a.dry_run else sweep(workspace, a, cluster)) or missing
    except WinsweepError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        screen.nobody_reads()
        return 0 if a.dry_run else stopped_unread(a)
    except OSError as e:
        print(f"error: {disk.words(e, a.store)}", file=sys.stderr)
        return 2


def stopped_unread(a: argparse.Namespace) -> int:
    """A run that nobody listens to is no quiet success."""
    print(
        f"error: nobody reads what the run says, so it ended early; what is made is kept. Type {again(a)}",
        file=sys.stderr,
    )
    return 1


def opened(a: argparse.Namespace) -> Workspace:
    """The study against the store; files of the web that it names and that are not there yet are fetched, but only if
    something is to be run.
    """
    if (a.dry_run or a.prefetch) and a.cancel is None:
        return open_workspace(a.study, a.store, lenient=True)
    try:
        return open_workspace(a.study, a.store)
    except BadStudy as e:
        try:
            if not prefetch.fetch_urls(open_workspace(a.study, a.store, lenient=True)):
                raise
        except BadData as why:
            raise BadStudy(f"{e}\n{why}") from why
        return open_workspace(a.study, a.store)


def only(a: argparse.Namespace, workspace: Workspace) -> Workspace:
    """The workspace of just the cells named, beside those in the table that are done."""
    if not a.only:
        return workspace
    labels = [label for name in a.only for label in several(workspace, name)]
    has_table = not (a.train_only or a.prefetch or a.cancel is not None)
    return with_done(workspace, labels) if has_table else workspace.only(labels)


def refuse_without_queue(a: argparse.Namespace, cluster: Cluster) -> None:
    """BadStudy for what only a queue can do, asked of this machine: nothing may be started by a person who wants it
    cancelled.
    """
    for word, given in (("--cancel", a.cancel is not None), ("--emit", a.emit), ("--watch", a.watch)):
        if given and cluster.kind == "local":
            here = "; a sweep on this machine ends with Ctrl-C" if word == "--cancel" else ""
            raise BadStudy(
                f"{word}: {cluster.file} is of kind local; a cluster file with kind: slurm is legal; add --cluster "
                f"NAME{here}"
            )


def study_words(a: argparse.Namespace) -> str:
    """The study and the store as any command takes them."""
    return shlex.join([str(a.study), "--store", str(a.store)])


def again(a: argparse.Namespace) -> str:
    """The command that goes on with just what this one was asked for."""
    words = ["--cluster", a.cluster] if a.cluster != "local" else []
    words += [*(f"--only={label}" for label in a.only or ()), *(["--train-only"] if a.train_only else [])]
    return " ".join(filter(None, [command_names.command("run"), study_words(a), shlex.join(words)]))


def gpu_gb(cluster: Cluster) -> GpuGb | None:
    """Memory of the GPUs that a placement may get, as SLURM or this machine tells; neither is asked before it is. None
    where there is none.
    """
    if cluster.kind == "local":
        return (lambda placed: room.here()) if gpus.here() else None
    from winsweep.slurm import machines

    return machines.gpu_gb()


def machines_of(cluster: Cluster) -> Machines:
    """What a finetune may get whose placement is auto; SLURM or this machine is asked once this is."""
    if cluster.kind == "local":
        return gpus.of_machine(gpus.here())
    from winsweep.slurm import machines

    return machines.of_cluster()


def dry_run(workspace: Workspace, cluster: Cluster, a: argparse.Namespace) -> int:
    items, detail, memory_gb = workspace.plan(workspace.facts()), Detail(a.cells, a.verbose), room.here()
    cluster, chosen = gpus.sized(workspace, cluster, gpus.here())
    dry.say_plan(workspace, items, detail)
    print("".join(f"{line}\n" for line in chosen), end="")
    looked = dry.say_amounts(workspace, items, detail)
    print(gpus.side_by_side(workspace, cluster, a.jobs, gpus.here()), end="")
    gpu_gb = (lambda placed: memory_gb) if memory_gb else None
    code, has_problems = dry.say_checks(workspace, cluster.placements, items, a.jobs, gpu_gb, looked, detail)
    dry.say_next(items, again(a), code, has_problems)
    return code


def sweep(workspace: Workspace, a: argparse.Namespace, cluster: Cluster) -> int:
    from winsweep.local import summary, view
    from winsweep.messages.messenger import Messenger
    from winsweep.trackers import tracking

    # also where a shell started this in the background with SIGINT ignored
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.default_int_handler)
    command, here, messenger = again(a), gpus.here(), Messenger(workspace, cluster)
    cluster, chosen = gpus.sized(workspace, cluster, here)
    at_once = gpus.side_by_side(workspace, cluster, a.jobs, here)
    print("".join(f"{line}\n" for line in chosen) + (at_once if here else ""), end="", flush=True)
    try:
        with view.View(workspace, a.verbose) as shown:
            show = messenger.watching(shown.show)
            run, items = drive(workspace, cluster.placements, a.jobs, a.retry_failed, show)
        messenger.close(items)
        tracking.at_end(workspace, cluster.track)
    except KeyboardInterrupt:
        print(f"\nstopped; what is finished stays. To go on: {command}", file=sys.stderr)
        return 130
    return summary.say(workspace, run, items, command, study_words(a), a.verbose)


if __name__ == "__main__":
    sys.exit(main())
