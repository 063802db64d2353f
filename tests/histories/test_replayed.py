"""More histories that broke a rule once, most of them step by step as chance had made them; they hold now."""

from dataclasses import replace

import pytest

from tests.histories import test_histories
from winsweep.slurm import commands, reconcile


def replay(begin, steps) -> None:
    test_histories.BEGIN[:] = [begin]
    history = test_histories.Histories()
    for name, words in steps:
        getattr(history, name)(**words)
        history.holds()
    history.teardown()


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


def test_a_launcher_that_watches_a_study_as_it_was_before_an_edit_ends(begin):
    """Its finalizers found the study edited and left it to a person; it found no table and sent another, for ever."""
    replay(begin, EDITED_WHILE_WATCHED)
