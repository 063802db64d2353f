"""Faults of the queue: what SLURM, its administrator or a hasty colleague does to tasks and nodes."""

from collections.abc import Sequence

from tests.chaos.hurt_processes import Hurt, choose
from tests.chaos.plan import Fault
from tests.chaos.world import World

NODES = ["n1", "n2", "n3", "n4"]


def stage_of(task: Sequence[str]) -> str:
    """The stage of a task of ours; the name of any other job."""
    return task[1].split(".")[1] if task[1].startswith("winsweep.") else task[1]


def to_task(verb: str, back: str = "", *states: str) -> Hurt:
    """`scontrol VERB` of a task in one of these states, and after a while `scontrol BACK`."""

    def hurt(world: World, fault: Fault) -> str:
        if (task := choose(world.queue(*states) or [], fault.which)) is None:
            return "none there"
        said = world.tell("scontrol", verb, task[0])
        if back:
            world.later(fault.lasts_s, f"{back} {task[0]}", lambda: world.tell("scontrol", back, task[0]))
        return f"{task[0]} {stage_of(task)} {task[2]}: {said}"

    return hurt


def cancel(what: str) -> Hurt:
    """`scancel` of a task, of its whole array, or of a task that others wait for."""

    def hurt(world: World, fault: Fault) -> str:
        found = world.queue() or []
        if what == "parent":
            waited = world.tell("squeue", "-h", "-r", "-t", "PENDING", "-o", "%E")
            found = [task for task in found if task[0].partition("_")[0] in waited]
        if (task := choose(found, fault.which)) is None:
            return "none there"
        aim = task[0].partition("_")[0] if what == "array" else task[0]
        return f"{aim} {stage_of(task)} {task[2]}: {world.tell('scancel', aim)}"

    return hurt


def time_limit(world: World, fault: Fault) -> str:
    if (task := choose(world.queue("RUNNING") or [], fault.which)) is None:
        return "none there"
    return f"{task[0]} {stage_of(task)}: {world.tell('scontrol', 'update', f'jobid={task[0]}', 'TimeLimit=1')}"


def node(state: str) -> Hurt:
    def hurt(world: World, fault: Fault) -> str:
        name = choose(NODES, fault.which)
        said = world.tell("scontrol", "update", f"nodename={name}", f"state={state}", "reason=chaos")
        world.later(
            fault.lasts_s,
            f"{name} resumed",
            lambda: world.tell("scontrol", "update", f"nodename={name}", "state=resume"),
        )
        return f"{name}: {said}"

    return hurt


def preempt(world: World, fault: Fault) -> str:
    """A job of the higher partition takes one to four nodes."""
    num = 1 + int(fault.how * 4)
    words = ("sbatch", "--parsable", "-o", "/dev/null", "-p", "hi", f"-N{num}", "--exclusive", "-t", "1")
    return f"{num} nodes: job {world.tell(*words, '--wrap', f'sleep {int(fault.lasts_s)}')}"


def table() -> dict[str, Hurt]:
    return {
        "requeue": to_task("requeue", "", "RUNNING"),
        "requeue and hold": to_task("requeuehold", "", "RUNNING"),
        "hold": to_task("hold", "release", "PENDING"),
        "suspend": to_task("suspend", "resume", "RUNNING"),
        "node down": node("down"),
        "node drained": node("drain"),
        "preemption": preempt,
        "time limit": time_limit,
        "scancel a task": cancel("task"),
        "scancel an array": cancel("array"),
        "scancel a parent": cancel("parent"),
    }
