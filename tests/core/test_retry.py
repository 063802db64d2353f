"""What an attempt's end means: bugs are not tried again, progress is free, a machine that kills twice is left out."""

import pytest

from winsweep.attempt.retry import GENERATIONS, MAX_EXCLUDED, ChainProgress, End, bad_nodes, failed, next_progress


def ends(*told: tuple[str, int]) -> list[End]:
    return [End(kind, "why", progress) for kind, progress in told]


@pytest.mark.parametrize("kind", ["application", "config", "data", "missing", "a kind that nobody knows"])
def test_a_bug_or_bad_input_is_not_tried_again(kind):
    assert failed(ends((kind, 0))) == f"{kind}: why"


@pytest.mark.parametrize("kind", ["node", "host OOM", "GPU OOM", "killed", "hang", "disk", "lost", "busy", "blocked"])
def test_what_may_pass_is_tried_three_times_without_progress(kind):
    assert failed(ends((kind, 0), (kind, 0))) is None
    assert failed(ends((kind, 0), (kind, 0), (kind, 0))) == f"{kind}: why (3 attempts in a row got no further)"


@pytest.mark.parametrize("kind", ["judge", "network"])
def test_what_is_asked_of_others_may_answer_later_and_three_times_is_enough(kind):
    assert failed(ends((kind, 0), (kind, 0))) is None
    said = failed(ends((kind, 0), (kind, 0), (kind, 0)))
    assert said.startswith(
        f"{kind}: why (3 attempts in a row got no further; type the same command with --retry-failed"
    )


def test_a_judge_that_refused_is_not_asked_again_by_itself():
    assert failed(ends(("judge refused", 7))) == "judge refused: why; then type the same command with --retry-failed"
    assert failed(ends(("judge", 7), ("judge refused", 9))).startswith("judge refused: why; then type")


def test_three_time_limits_before_anything_was_gained_fail_and_say_what_to_do():
    assert failed(ends(("time limit", 0), ("time limit", 0))) is None
    said = failed(ends(("time limit", 7), ("time limit", 7), ("time limit", 7), ("time limit", 7)))
    assert said.startswith(
        "time limit: why (3 attempts in a row got no further; raise time_min, or save more often (checkpoint_steps: "
        "N), "
    )


def test_preemptions_before_anything_was_gained_count_only_when_there_are_many():
    assert failed(ends(*[("preempted", 0)] * 9)) is None
    said = failed(ends(*[("preempted", 0)] * 10))
    assert said.startswith(
        "preempted: why (10 attempts in a row got no further; save more often (checkpoint_steps: N), or name a "
        "partition "
    )
    assert failed(ends(*[("preempted", 0)] * 9, ("preempted", 1), *[("preempted", 1)] * 9)) is None


def test_preemptions_neither_use_up_nor_renew_the_budget_of_other_ends():
    assert failed(ends(("killed", 0), ("preempted", 0), ("killed", 0), ("preempted", 0))) is None
    assert failed(ends(("killed", 0), ("preempted", 0), ("killed", 0), ("preempted", 0), ("killed", 0))).startswith(
        "killed: why (5"
    )


def test_attempts_that_got_further_are_free():
    assert failed(ends(*(("time limit", step) for step in range(10, 200, 10)))) is None
    assert failed(ends(("preempted", 50), ("killed", 20), ("killed", 50))) is None
    assert failed(ends(("preempted", 50), ("killed", 20), ("killed", 50), ("node", 49))).startswith("node: why (3")


@pytest.mark.parametrize("kind", ["stopped", "already", "done", "waiting"])
def test_ends_that_say_nothing_against_the_ask_do_not_count(kind):
    assert failed(ends(*[(kind, 0)] * 9)) is None
    assert failed(ends(("killed", 0), ("killed", 0), (kind, 0))) is None


def test_an_attempt_whose_input_was_tried_again_since_does_not_count():
    waited = End("blocked", "an input is not there", 0, is_resolved=True)
    assert failed([waited] * 9) is None
    assert failed([*[waited] * 9, End("blocked", "why", 0), End("blocked", "why", 0)]) is None
    assert failed([End("blocked", "why", 0), waited, End("blocked", "why", 0), End("killed", "why", 0)]).startswith(
        "killed: why (3"
    )


def test_a_chain_in_which_nothing_came_further_ends_after_three_links():
    at = ChainProgress(5, 70)
    for far, idle in (
        ((5, 70), 1),
        ((4, 70), 2),
        ((6, 0), 0),
        ((6, 0), 1),
        ((5, 0), 2),
        ((5, 9), 0),
        ((5, 9), 1),
        ((6, 8), 2),
        ((2, 9), GENERATIONS),
    ):
        at = next_progress(at, *far)
        assert at.idle == idle and at.is_over == (idle >= GENERATIONS), far


def test_results_that_come_and_go_are_no_advance():
    at, links = ChainProgress(5, 0), 0
    while not at.is_over:
        at, links = next_progress(at, 4 + links % 2, 0), links + 1
    assert links == GENERATIONS


def test_a_node_is_left_out_after_two_deaths_within_a_day():
    died = [
        End("node", "", 0, "n1", 1000.0),
        End("hang", "", 0, "n1", 2000.0),
        End("node", "", 0, "n2", 2000.0),
        End("preempted", "", 0, "n3", 1.0),
        End("preempted", "", 0, "n3", 1.0),
    ]
    assert bad_nodes(died, now=3000.0) == ["n1"]
    assert bad_nodes(died, now=2000.0 + 86400.0 - 1) == []


def test_only_a_few_nodes_are_ever_left_out():
    died = [End("node", "", 0, f"n{i:02d}", 0.0) for i in range(20) for _ in range(2)]
    assert len(bad_nodes(died, now=1.0)) == MAX_EXCLUDED


def test_what_was_before_a_result_was_made_says_nothing_of_making_it_again():
    assert failed(ends(("application", 0), ("done", 5))) is None
    assert failed(ends(("killed", 0), ("killed", 0), ("done", 5), ("killed", 0))) is None
    assert failed(ends(("done", 5), ("application", 0))) == "application: why"


def test_what_fails_for_good_stays_so_whatever_is_counted_later():
    """A task of an earlier array that was lost, say."""
    assert failed(ends(("config", 0), ("lost", 0))) == "config: why"
    assert failed(ends(("application", 0), ("blocked", 0), ("preempted", 0))) == "application: why"
