"""One thing goes wrong at any one call of a launcher, a task or a finalizer: nobody types anything, and the study is
finished.
"""

from collections.abc import Callable

import pytest

from tests.histories.actors import Actor
from tests.histories.cluster import Task
from tests.histories.world import World

STRIDE = 37  # between the calls that are tried; each of them by hand (test_at_every_call)
Act = Callable[[World, Task, Actor], None]


def lose_node(doors: int | None) -> Act:
    """The next turn gets so far beside the old process."""

    def act(world: World, task: Task, actor: Actor) -> None:
        world.lose_node(task)
        world.machine.advance(8)
        if task.state == "PENDING":
            world.machine.run(world.begin(task), doors)
        world.machine.run(actor)

    return act


def without_slurm(seconds: int) -> Act:
    def act(world: World, task: Task, actor: Actor) -> None:
        world.queue.is_away = True
        for _ in range(seconds // 100):
            world.machine.run(actor)
            world.machine.advance(100)
        world.queue.is_away = False

    return act


OF_TASKS: dict[str, Act] = {
    "killed": lambda world, task, actor: world.kill(actor),
    "preempted at once": lambda world, task, actor: world.preempt(task, 0),
    "preempted": lambda world, task, actor: world.preempt(task, 40),
    "lost with its node": lambda world, task, actor: world.lose_node(task, requeue=False),
    "put back by SLURM, both go on": lose_node(None),
    "put back by SLURM, the new one begins": lose_node(5),
    "put back by SLURM, the new one works": lose_node(40),
    "slurmctld away": without_slurm(1000),
}
# a finalizer that is killed for good is missed by nobody but a person
OF_FINALIZERS = [name for name in OF_TASKS if name not in ("killed", "lost with its node")]


def task_and(world: World, kind: str, act: Act, doors: int) -> bool:
    """`act` where a task of this kind has passed so many doors; whether it had no more."""
    world.machine.run(world.launch())
    is_over = None
    while is_over is None:
        for task in [t for t in world.queue.ready() if t.state == "PENDING"]:
            actor = world.begin(task)
            if is_over is not None or task.job.kind != kind:
                world.machine.run(actor)
                continue
            world.machine.run(actor, doors)
            is_over = actor.is_over
            if not is_over:
                act(world, task, actor)
        world.machine.advance(10)
    world.drain()
    return is_over


def killed_launcher(world: World, doors: int) -> bool:
    actor = world.launch()
    world.machine.run(actor, doors)
    is_over = actor.is_over
    world.kill(actor)
    world.drain()
    return is_over


def two_launchers(world: World, doors: int) -> bool:
    actor = world.launch()
    world.machine.run(actor, doors)
    world.machine.run(world.launch("login2"))
    is_over = actor.is_over
    world.drain()
    return is_over


def suspended_launcher(world: World, doors: int) -> bool:
    """It is taken for dead, and goes on when another has submitted everything."""
    actor = world.launch()
    world.machine.run(actor, doors)
    is_over, actor.is_suspended = actor.is_over, True
    world.machine.advance(100)
    other = world.launch("login2")
    for _ in range(9):
        world.machine.run(other)
        world.begin_all()
        world.machine.advance(7)
    actor.is_suspended = False
    world.drain()
    return is_over


CASES: dict[str, Callable[[World, int], bool]] = {
    "launcher killed": killed_launcher,
    "two launchers": two_launchers,
    "launcher suspended": suspended_launcher,
    **{
        f"{kind} {name}": lambda world, doors, kind=kind, name=name: task_and(world, kind, OF_TASKS[name], doors)
        for kind, names in (("finetune+collect", OF_TASKS), ("prepare", OF_TASKS), ("finalizer", OF_FINALIZERS))
        for name in names
    },
}


def check(begin: Callable, case: str, stride: int) -> None:
    doors, is_over = 1, False
    while not is_over:
        with begin("one") as world:
            is_over = CASES[case](world, doors)
            is_begun = world.queue.num_submitted > 0
            assert not is_begun or world.is_finished(), (case, doors)
            world.finish()
            assert not world.rules.broken, (case, doors, world.rules.broken)
            assert world.is_finished(), (case, doors)
        doors += stride


@pytest.mark.parametrize("case", CASES)
def test_at_some_calls(begin, case):
    check(begin, case, STRIDE)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("case", CASES)
def test_at_every_call(begin, case):
    check(begin, case, 1)
