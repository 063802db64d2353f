"""Histories that broke a rule once, each found by chance or by trying every call; they hold now."""

import json
from dataclasses import replace

import pytest

from tests.histories import studies, test_histories
from tests.histories.test_doors import lose_node, task_and
from winsweep.slurm import commands, halt, pending_finalizers, reconcile
from winsweep.store import liveness
from winsweep.store.claim import Claim

EDITS = [("three", "one"), ("two", "one"), ("two", "changed"), ("two", "three", "two"), ("one", "two", "one")]


@pytest.mark.parametrize("asked", EDITS)
def test_a_study_that_was_edited_and_typed_again_is_finished_though_its_finalizer_waited_for_more(begin, asked):
    """The finalizer of the study before found that its cells were not asked for any more, and left the rest to a
    person, who had typed sweep.py again and was told that nothing was missing.
    """
    with begin(asked[0]) as world:
        world.machine.run(world.launch())
        world.begin_all()
        for study in asked[1:]:
            world.edit(study)
            world.machine.run(world.launch())
        world.drain()
        assert world.is_finished() and not world.rules.broken
        assert halt.reason(world.store, "histories") == ""


def test_a_cell_that_was_edited_is_not_taken_over_by_a_finalizer_of_the_others(begin):
    """Asked for one cell with --only, the new finalizer would have waited for the other as it was, and have ended."""
    with begin("two") as world:
        world.machine.run(world.launch())
        world.edit("changed")
        world.machine.run(world.launch(only="a.ins.s1"))
        told = [
            json.loads(path.read_bytes())["cells"]
            for path in sorted((world.root / "runs/.work/arrays").glob(f"*/{pending_finalizers.FINALIZER_FILE}"))
            if not (path.parent / "over").exists()
        ]
        assert ["a.ins.s1"] in told
        world.drain()
        cell = world.workspaces[studies.TEXTS["changed"]].only(["a.ins.s1"])
        assert all(i.state == "done" for i in cell.plan(cell.facts())) and not world.rules.broken


def test_an_attempt_that_was_taken_over_while_it_claimed_leaves_its_successor_alone(tmp_path):
    """A node was lost between an attempt's claim and its first look at what earlier ones had left; the process lived
    on, and threw away the directory that the next attempt was filling, which then failed for good.
    """
    later = Claim(tmp_path, 2, "the next")
    (later.work / "saved").touch()
    Claim(tmp_path, 1, "the one before")
    assert later.out.is_dir() and (later.work / "saved").exists()


@pytest.mark.parametrize("doors", range(96, 130, 3))
def test_a_task_that_slurm_put_back_is_made_although_the_old_process_claims_meanwhile(begin, doors):
    with begin("one") as world:
        task_and(world, "finetune+collect", lose_node(40), doors)
        assert world.is_finished() and not world.rules.broken


@pytest.mark.parametrize("doors", [1, 5, 20])
def test_a_turn_that_claims_late_does_not_take_a_result_from_the_turn_after_it(begin, doors):
    """SLURM had lost sight of a node and started the task anew; the old process came to its claim only then, and took
    the later turn, which lived, for an earlier one that was over.
    """
    with begin("one") as world:
        task_and(world, "prepare", lose_node(40), doors)
        assert world.is_finished() and not world.rules.broken
        owner = "n1@7@0.00@slurm-5_3."
        assert liveness.same_task(f"{owner}0", "slurm-5_3.1") and not liveness.same_task(f"{owner}1", "slurm-5_3.0")


# of a launcher with --watch, 29 steps
EDITED_WHILE_WATCHED = (
    ("begin", dict(doors=12, study="one")),
    ("all_go_on", dict(seconds=7.0)),
    ("prune", dict(doors=None)),
    ("damage", dict(how="cut", n=87)),
    ("damage", dict(how="gone", n=60)),
    ("prune", dict(doors=72)),
    ("start", dict(doors=4, n=81)),
    ("prune", dict(doors=101)),
    ("sweep", dict(doors=None, host="login2", retry=False)),
    ("edit", dict(study="two")),
    ("start", dict(doors=7, n=82)),
    ("start", dict(doors=21, n=71)),
    ("all_go_on", dict(seconds=0.0)),
    ("watch", dict(doors=48)),
    ("scancel", dict(is_whole=False, n=83)),
    ("damage", dict(how="cut", n=18)),
    ("forget", dict()),
    ("forget", dict()),
    ("start", dict(doors=None, n=43)),
    ("all_go_on", dict(seconds=7.0)),
    ("sweep", dict(doors=5, host="login1", retry=False)),
    ("start", dict(doors=92, n=96)),
    ("edit", dict(study="three")),
    ("prune", dict(doors=None)),
    ("damage", dict(how="cut", n=98)),
    ("edit", dict(study="changed")),
    ("sweep", dict(doors=6, host="login2", retry=True)),
    ("damage", dict(how="cut", n=97)),
    ("slurm", dict(is_away=True, lost=1)),
    ("sweep", dict(doors=70, host="login1", retry=True)),
)


SUBMITTED_TWICE = (
    ("begin", dict(doors=2, study="one")),
    ("go_on", dict(doors=8, n=9)),
    ("slurm", dict(is_away=False, lost=1)),
    ("sweep", dict(doors=42, host="login1", retry=True)),
    ("watch", dict(doors=98)),
    ("limit", dict(submitted=9, tasks=1000)),
    ("wait", dict(seconds=70.0)),
    ("fail", dict(kind="exit", num=1)),
    ("prune", dict(doors=30)),
    ("fail", dict(kind="hard exit", num=3)),
    ("fail", dict(kind="waiting", num=2)),
    ("go_on", dict(doors=112, n=63)),
    ("scancel", dict(is_whole=False, n=84)),
    ("limit", dict(submitted=5, tasks=1)),
    ("forget", {}),
    ("scancel", dict(is_whole=False, n=25)),
    ("limit", dict(submitted=9, tasks=2)),
    ("suspend", dict(n=7)),
    ("kill", dict(n=17)),
    ("edit", dict(study="changed")),
    ("slurm", dict(is_away=False, lost=1)),
    ("sweep", dict(doors=147, host="login2", retry=False)),
    ("wait", dict(seconds=200.0)),
    ("slurm", dict(is_away=False, lost=0)),
    ("fail", dict(kind="data", num=4)),
    ("all_go_on", dict(seconds=7.0)),
    ("watch", dict(doors=None)),
)


def test_what_failed_for_good_is_not_begun_by_a_task_that_was_submitted_twice(begin):
    """sbatch's answer was lost; the second task made an attempt although the first had ended for good."""
    replay(begin, SUBMITTED_TWICE)


@pytest.mark.parametrize("doors", range(36, 46))
def test_a_cell_is_cancelled_although_a_launcher_was_killed_before_its_finalizer_was_sent(begin, doors):
    """There was an array of which nobody could say what it was to wait for."""
    with begin("one") as world:
        launcher = world.launch()
        world.machine.run(launcher, doors)
        world.kill(launcher)
        world.machine.run(world.launch())
        world.machine.run(world.launch(cancels="a.ins.s1"))
        assert not world.rules.broken


TAKEN_BACK = (
    ("begin", dict(doors=131, study="two")),
    ("limit", dict(submitted=5, tasks=2)),
    ("scancel", dict(is_whole=False, n=72)),
    ("edit", dict(study="one")),
    ("suspend", dict(n=73)),
    ("edit", dict(study="one")),
    ("hold", dict(by="JobHeldUser", n=58)),
    ("edit", dict(study="three")),
    ("sweep", dict(doors=1, host="login1", retry=True)),
    ("sweep", dict(doors=57, host="login2", retry=True)),
    ("lose_node", dict(n=73, requeue=True)),
    ("edit", dict(study="two")),
    ("hold", dict(by="", n=0)),
    ("cancel", dict(cell="a.ins.s1", doors=4)),
    ("sweep", dict(doors=9, host="login1", retry=False)),
    ("lose_node", dict(n=72, requeue=False)),
    ("cancel", dict(cell="", doors=112)),
    ("cancel", dict(cell="a.ins.s1", doors=None)),
    ("sweep", dict(doors=None, host="login1", retry=True)),
    ("limit", dict(submitted=1000, tasks=1)),
    ("limit", dict(submitted=9, tasks=1000)),
    ("limit", dict(submitted=3, tasks=2)),
    ("hold", dict(by="", n=70)),
    ("lose_node", dict(n=55, requeue=True)),
    ("cancel", dict(cell="", doors=None)),
    ("hold", dict(by="JobHeldUser", n=75)),
    ("limit", dict(submitted=1000, tasks=1)),
    ("sweep", dict(doors=7, host="login1", retry=False)),
    ("edit", dict(study="three")),
    ("suspend", dict(n=40)),
)


def test_an_array_that_is_taken_back_while_it_is_read_is_none(begin):
    """SLURM took no more jobs of one launcher, which removed the folder while another listed it for --cancel."""
    replay(begin, TAKEN_BACK)


KILLED_A_MOMENT_AGO = (
    ("begin", dict(study="one", doors=100)),
    ("sweep", dict(doors=58, host="login2", retry=True)),
    ("prune", dict(doors=11)),
    ("edit", dict(study="three")),
    ("start", dict(doors=65, n=29)),
    ("prune", dict(doors=9)),
    ("kill", dict(n=6)),
    ("cancel", dict(cell="a.ins.s1", doors=94)),
    ("kill", dict(n=66)),
    ("hold", dict(by="", n=33)),
    ("fail", dict(kind="exit", num=1)),
    ("all_go_on", dict(seconds=0.0)),
    ("edit", dict(study="three")),
)


def test_what_was_killed_a_moment_ago_and_nothing_waits_for_is_made_by_the_same_command_a_minute_later(begin):
    """All else had failed for good, so that no finalizer was sent to look after it; the command says so now."""
    replay(begin, KILLED_A_MOMENT_AGO)


def test_a_result_that_is_made_in_no_queue_is_told_with_what_to_type(begin):
    with begin("one") as world:
        looked = reconcile.look(world.workspace)
        assert commands.outside_the_queue(looked) == ""
        items = [replace(i, state="running", why="by n1@7") for i in looked.items[:2]]
        told = commands.outside_the_queue(replace(looked, items=items))
        assert f"running: {items[0].artifact.name} by n1@7 and 1 more, in no queue" in told
        assert "a minute later: type the same again then" in told
        assert commands.outside_the_queue(replace(looked, items=items, finalizer=True)) == ""


def replay(begin, steps) -> None:
    test_histories.BEGIN[:] = [begin]
    history = test_histories.Histories()
    for name, words in steps:
        getattr(history, name)(**words)
        history.holds()
    history.teardown()


def test_a_launcher_that_watches_a_study_as_it_was_before_an_edit_ends(begin):
    """Its finalizers found the study edited and left it to a person; it found no table and sent another, for ever."""
    replay(begin, EDITED_WHILE_WATCHED)


@pytest.mark.parametrize("doors", range(1, 60, 6))
def test_two_prunes_at_once_share_what_there_is(begin, doors):
    """The second found gone what it had seen a moment before, and ended in a traceback."""
    with begin("one") as world:
        world.machine.run(world.launch())
        for _ in range(3):
            world.begin_all()
            for actor in [a for a in world.machine.actors if a.lives]:
                world.machine.run(actor)
        first = world.prune()
        world.machine.run(first, doors)
        world.machine.run(world.prune())
        world.machine.run(first)
        assert not world.rules.broken
        assert not list((world.root / "runs").glob("*/.pruned-*"))
        world.drain()
        assert world.is_finished() and not world.rules.broken
