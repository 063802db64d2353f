"""Histories that broke a rule once, each found by chance or by trying every call; they hold now."""

import json

import pytest

from tests.histories import studies
from tests.histories.test_doors import lose_node, task_and
from winsweep.slurm import halt, pending_finalizers
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
