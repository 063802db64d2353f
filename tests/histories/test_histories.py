"""Histories by chance: whatever happens to launchers, tasks, finalizers, SLURM and the store, the rules hold."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.histories import studies
from tests.histories.work import FAULTS
from tests.histories.world import World

STEPS = 30
NUM = 15  # seconds of one core; more of them by hand
DOORS = st.one_of(st.none(), st.integers(1, 12), st.integers(1, 150))
ANY = st.integers(0, 99)
SECONDS = st.sampled_from([7.0, 35.0, 70.0, 200.0, 1000.0])
BEGIN: list[Callable[[str], AbstractContextManager[World]]] = []  # hypothesis makes the machine, without arguments


class Histories(RuleBasedStateMachine):
    """What may happen, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()

    @initialize(study=st.sampled_from(["one", "two"]), doors=DOORS)
    def begin(self, study, doors) -> None:
        self.world: World = self.stack.enter_context(BEGIN[0](study))
        self.world.machine.run(self.world.launch(), doors)

    # -- what people do

    @rule(doors=DOORS, retry=st.booleans(), host=st.sampled_from(["login1", "login2"]))
    def sweep(self, doors, retry, host) -> None:
        self.world.machine.run(self.world.launch(host, retry=retry and doors is None), doors)

    @rule(doors=DOORS)
    def watch(self, doors) -> None:
        self.world.machine.run(self.world.launch(watch=True), doors)

    @rule(cell=st.sampled_from(["", "a.ins.s1"]), doors=DOORS)
    def cancel(self, cell, doors) -> None:
        self.world.rules.hit()
        self.world.machine.run(self.world.launch(cancels=cell), doors)

    @rule(n=ANY, is_whole=st.booleans())
    def scancel(self, n, is_whole) -> None:
        if task := pick(self.world.queue.live(), n):
            self.world.scancel(task.job.id if is_whole else task.id)

    @rule(study=st.sampled_from([*studies.TEXTS]))
    def edit(self, study) -> None:
        self.world.rules.hit()
        self.world.edit(study)

    @rule(doors=DOORS)
    def prune(self, doors) -> None:
        self.world.machine.run(self.world.prune(), doors)

    # -- what goes on

    @rule(n=ANY, doors=DOORS)
    def start(self, n, doors) -> None:
        if task := pick(self.world.queue.ready(), n):
            self.world.machine.run(self.world.begin(task), doors)

    @rule(n=ANY, doors=DOORS)
    def go_on(self, n, doors) -> None:
        if actor := pick(self.lives, n):
            self.world.machine.run(actor, doors)

    @rule(seconds=st.sampled_from([0.0, 7.0]))
    def all_go_on(self, seconds) -> None:
        self.world.machine.advance(seconds)
        for actor in self.lives:
            self.world.machine.run(actor)
        self.world.begin_all()

    @rule(seconds=SECONDS)
    def wait(self, seconds) -> None:
        self.world.machine.advance(seconds)

    # -- what goes wrong

    @rule(n=ANY)
    def kill(self, n) -> None:
        if actor := pick(self.lives, n):
            self.world.kill(actor)

    @rule(n=ANY)
    def suspend(self, n) -> None:
        if actor := pick(self.lives, n):
            actor.is_suspended = not actor.is_suspended
            self.world.rules.strays.add(actor)

    @rule(n=ANY, requeue=st.booleans())
    def lose_node(self, n, requeue) -> None:
        if task := pick(self.running, n):
            self.world.lose_node(task, requeue)

    @rule(n=ANY, grace=st.integers(0, 80), is_limit=st.booleans())
    def end(self, n, grace, is_limit) -> None:
        if task := pick(self.running, n):
            (self.world.time_out if is_limit else self.world.preempt)(task, grace)

    @rule(kind=st.sampled_from([*FAULTS]), num=st.integers(1, 4))
    def fail(self, kind, num) -> None:
        self.world.rules.to_raise += [FAULTS[kind]() for _ in range(num)]

    @rule(is_away=st.booleans(), lost=st.integers(0, 2))
    def slurm(self, is_away, lost) -> None:
        self.world.queue.is_away, self.world.queue.lost_answers = is_away, lost

    @rule(tasks=st.sampled_from([1, 2, 1000]), submitted=st.sampled_from([2, 3, 5, 9, 1000]))
    def limit(self, tasks, submitted) -> None:
        self.world.queue.most_tasks, self.world.queue.most_submitted = tasks, submitted

    @rule(n=ANY, by=st.sampled_from(["JobHeldUser", "JobHeldAdmin", ""]))
    def hold(self, n, by) -> None:
        if task := pick([t for t in self.world.queue.live() if t.state == "PENDING"], n):
            task.held = by

    @rule()
    def forget(self) -> None:
        """slurmctld dies, and what it accepted last is gone."""
        if job := pick([*self.world.queue.jobs.values()], -1):
            self.world.forget(job)

    @rule(n=ANY, how=st.sampled_from(["changed", "cut", "gone"]))
    def damage(self, n, how) -> None:
        self.world.damage(n, how)

    # -- what must hold

    @property
    def lives(self) -> list:
        return [a for a in self.world.machine.actors if a.lives]

    @property
    def running(self) -> list:
        return [t for t in self.world.queue.live() if t.state == "RUNNING" and t.actor and t.actor.lives]

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "world"):
            self.world.rules.now(self.world.workspace, self.world.queue)
            assert not self.world.rules.broken

    def teardown(self) -> None:
        try:
            if hasattr(self, "world") and not self.world.rules.broken:
                self.world.finish()
                assert not self.world.rules.broken
        finally:
            self.stack.close()


def pick(found: list, n: int):
    return found[n % len(found)] if found else None


def run(begin, num: int, derandomize: bool) -> None:
    BEGIN[:] = [begin]
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=num,
            stateful_step_count=STEPS,
            derandomize=derandomize,
            deadline=None,
            database=None,
            print_blob=False,
            suppress_health_check=[*HealthCheck],
        ),
    )


@pytest.mark.slow
def test_rules_hold_in_a_fixed_choice_of_histories(begin):
    run(begin, NUM, derandomize=True)


@pytest.mark.long
@pytest.mark.timeout(0)
def test_rules_hold_in_ten_thousand_histories(begin):
    """WINSWEEP_HISTORIES: how many; --hypothesis-seed=N chooses others."""
    run(begin, int(os.environ.get("WINSWEEP_HISTORIES", "10000")), derandomize=False)
