"""What `sweep.py` does on a SLURM cluster, in the words of a person: submit, watch, show."""

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from winsweep import command_names, failed, next_steps
from winsweep.amounts import figure, plural
from winsweep.attempt.retry import ChainProgress
from winsweep.check import dry
from winsweep.costs.durations import most_gpu_hours
from winsweep.costs.eta import Pace, paces
from winsweep.errors import ClusterDown
from winsweep.local.controller import run_here
from winsweep.placement import Cluster
from winsweep.results import models_text, where_text
from winsweep.screen import Detail
from winsweep.slurm import batch_script, containers, halt, machines, neighbours, options_check, sbatch
from winsweep.slurm.cancel import cancel
from winsweep.slurm.chain import Array
from winsweep.slurm.emit import Step, emit
from winsweep.slurm.reconcile import Look, judged_cells, look, planned, reconcile, table_failure
from winsweep.slurm.tasks import on_nodes
from winsweep.workspace import Workspace

CHECKS = ("check", "check_judge")
SHOWN = 20  # arrays of a dry run
WATCH_S = 30.0  # squeue asks a daemon that all users share


def act(workspace: Workspace, cluster: Cluster, a: argparse.Namespace, command: str) -> int:
    """One call of the launcher, which `command` repeats; the exit code is 0 if nothing has failed."""
    if a.cancel is not None:
        return cancel(workspace, a.cancel)
    noted = options_check.look(cluster)
    cluster = containers.resolved(cluster, workspace.store.root, workspace.study.files.values())
    cluster, sized = machines.sized(workspace, cluster)
    chosen = [*sized, *noted]
    if a.dry_run:
        return dry_run(workspace, cluster, chosen, command, Detail(a.cells, a.verbose))
    print("".join(f"{line}\n" for line in chosen), end="", flush=True)
    if a.emit:
        return say_emitted(a.emit, emit(workspace, cluster, a.emit))
    run_here(workspace, cluster.placements, a.jobs, CHECKS)  # first, as what they stand before would not be submitted
    seen = reconcile(workspace, cluster, a.retry_failed)
    say_submitted(workspace, seen)
    run_here(workspace, cluster.placements, a.jobs)
    while a.watch and not over(seen):
        time.sleep(WATCH_S)
        try:
            seen = reconcile(workspace, cluster, before=seen.chain_progress or ChainProgress(0, 0))
            say_submitted(workspace, seen)
            run_here(workspace, cluster.placements, a.jobs)
        except ClusterDown as e:  # unknown is not gone: look again later
            print(f"{e}", file=sys.stderr)
    code = report(workspace, seen, command, a.verbose)
    typed = shlex.join([str(a.study), "--store", str(a.store)])
    told = (
        [next_steps.watch(typed)] if seen.queued or seen.submitted else next_steps.lines(workspace, seen.items, typed)
    )
    print("".join(f"{line}\n" for line in told), end="", flush=True)
    return code


def over(seen: Look) -> bool:
    """Whether nothing is under way and nothing more would be submitted, as all is done or failed, or as nothing came of
    the last submissions.
    """
    if seen.queued:
        return False
    if seen.chain_progress and seen.chain_progress.is_over:
        return True
    return not seen.submitted and not any(
        i.state in ("ready", "running") for i in seen.items if i.artifact.stage != "aggregate"
    )


def say_submitted(workspace: Workspace, seen: Look) -> None:
    for array, job in seen.submitted:
        waits = f" after {', '.join(dict.fromkeys(str(x.on) for x in array.after))}" if array.after else ""
        print(f"job {job}: {array.title}, {plural(len(array.tasks), 'task')}{waits}", flush=True)


def outside_the_queue(seen: Look) -> str:
    """A line for results that somebody makes, or made a moment ago, in no queue, where no job will look again."""
    silent = [i for i in seen.items if i.state == "running" and i.artifact.key not in seen.queued]
    if not silent or seen.submitted or seen.finalizer:
        return ""
    return (
        f"running: {silent[0].artifact.name} {silent[0].why}{f' and {len(silent) - 1} more' if silent[1:] else ''}, in "
        f"no queue; if that was killed, it is known a minute later: type the same again then\n"
    )


def report(workspace: Workspace, seen: Look, command: str, is_verbose: bool = False) -> int:
    done = judged_cells(workspace, seen.items)
    states = {i.artifact.key: i.state for i in seen.items}
    analysed = sum(states.get(a.key) == "done" for a in workspace.analyses.values())
    beside = f"; {analysed} of {len(workspace.analyses)} analyses beside it" if workspace.analyses else ""
    what = (
        f"cells judged; {where_text(workspace, done)}{beside}" if workspace.has_table else models_text(workspace, done)
    )
    print(f"{plural(len(seen.submitted), 'array')} submitted; {len(done)} of {len(workspace.judged)} {what}")
    print(outside_the_queue(seen), neighbours.say(workspace, seen.tasks), sep="", end="")
    if seen.full:
        print(f"SLURM takes no more jobs now ({seen.full}); the finalizer submits the rest as room appears")
    told = failed.lines(workspace, seen.items, is_verbose)
    for key, why in table_failure(workspace, seen.items).items():
        told += [f"failed  {key} (the table)", f"        {why}", f"        log: {workspace.store.log(key)}"]
    print("".join(f"{line}\n" for line in told), end="", file=sys.stderr)
    if why := halt.reason(workspace.store, workspace.study.name):
        print(f"the last chain ended: {why}", file=sys.stderr)
    if told:
        print(f"To try them again: {command} --retry-failed", file=sys.stderr)
    return 1 if told or why else 0


def dry_run(workspace: Workspace, cluster: Cluster, chosen: Sequence[str], command: str, detail: Detail) -> int:
    """Arms × stages, the arrays, what each waits for, GPU-hours as asked and as measured, and whether SLURM would take
    them (1 if not).
    """
    seen = look(workspace)
    items = on_nodes(seen.items, cluster.placements)
    todo = planned(workspace, items, cluster, asks=True)
    known = paces(workspace, {a.stage for a in todo})
    dry.say_plan(workspace, seen.items, detail)
    print(neighbours.say(workspace, seen.tasks), end="")
    print("".join(f"{line}\n" for line in chosen), end="")
    for n, array in enumerate(todo[: len(todo) if detail.verbose else SHOWN]):
        print(f"#{n:<3d} {array_line(array, known.get(array.stage))}{waits_text(array)}")
    if len(todo) > SHOWN and not detail.verbose:
        print(f"… and {plural(len(todo) - SHOWN, 'more array')} (--verbose)")
    if held := sum(i.artifact.stage != "aggregate" for i in seen.items) - sum(
        i.artifact.stage != "aggregate" for i in items
    ):
        print(
            f"{plural(held, 'result is', 'results are')} made on this machine (where: login) or waiting for those; "
            f"{command_names.command('run')} --watch sees to both"
        )
    asked = sum(most_gpu_hours(x.placement, len(x.tasks)) for x in todo)
    measured = sum(known[x.stage].gpu_hours * len(x.tasks) for x in todo if x.stage in known)
    by_pace = f" (about {figure(measured)} by finished results of {', '.join(sorted(known))})" if known else ""
    print(
        f"{plural(sum(len(x.tasks) for x in todo), 'task')} in {plural(len(todo), 'array')}, then the table; at "
        f"most {_hours(asked)} "
        f"GPU-hours{by_pace}; "
        f"{plural(sum(i.state == 'done' for i in seen.items), 'result')} reused"
    )
    looked = dry.say_amounts(workspace, seen.items, detail)
    code, has_problems = dry.say_checks(
        workspace,
        cluster.placements,
        seen.items,
        None,
        machines.gpu_gb(),
        looked,
        detail,
    )
    code = max(code, say_refusals(todo))
    dry.say_next(seen.items, command, code, has_problems or bool(code))
    return code


def array_line(array: Array, known: Pace | None) -> str:
    placed, num = array.placement, len(array.tasks)
    measured = f", about {figure(num * known.gpu_hours)} by {known.num} finished" if known and placed.gpus else ""
    return (
        f"{array.title:16s} {num:5d} task{'s' if num > 1 else ' '} × {plural(placed.nodes, 'node')} × "
        f"{plural(placed.ranks, 'rank')}, "
        f"{placed.gpus} GPUs, "
        f"{placed.time_min} min; at most {_hours(most_gpu_hours(placed, num))} GPU-hours{measured}"
    )


def _hours(num: float) -> str:
    return f"{num:.1f}" if num >= 0.05 or not num else figure(num)


def waits_text(array: Array) -> str:
    """What an array waits for, as a person says it."""

    def name(on: int | str) -> str:
        return f"#{on}" if isinstance(on, int) else f"job {on}"

    whole = [name(x.on) for x in array.after if not x.corresponding and not x.tasks]
    own = [name(x.on) for x in array.after if x.corresponding]
    said = [f"all of {', '.join(whole)}"] * bool(whole) + [f"each its own of {', '.join(own)}"] * bool(own)
    said += [f"{len(x.tasks)} task{'s' if x.tasks[1:] else ''} of {name(x.on)}" for x in array.after if x.tasks]
    return f"; after {' and '.join(said)}" if said else ""


def say_refusals(todo: Sequence[Array]) -> int:
    """Ask SLURM once for each shape that a placement has to it, the longest array of each; 1 if it refuses any."""
    shapes: dict[str, list[Array]] = {}
    for array in todo:
        one = replace(array, tasks=array.tasks[:1], at=())  # how many tasks it has is no part of its shape
        shapes.setdefault(str(batch_script.parameters(one, "", "", [])), []).append(array)
    code = 0
    for of_shape in shapes.values():
        stages = ", ".join(dict.fromkeys(x.title for x in of_shape))
        why = sbatch.refusal(max(of_shape, key=lambda x: len(x.tasks)))
        code = 1 if why else code
        print(
            f"SLURM refuses {stages}: {why}; {command_names.command('doctor')} says what this cluster has"
            if why
            else f"SLURM takes {stages}"
        )
    return code


def say_emitted(out: Path, steps: Sequence[Step]) -> int:
    if not steps:
        print("nothing is missing that could be submitted, so nothing was written")
        return 0
    print(
        f"{plural(len(steps) - 1, 'array')} and a finalizer written to {out}; to submit them: bash "
        f"{shlex.quote(str(out / 'submit.sh'))}"
    )
    return 0
