"""Plans: what is done shrinks them exactly, what is gone makes what hangs on it run again, what failed blocks only its
users.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from winsweep.artifact import Artifact, closure
from winsweep.plan import Facts, plan

TRANSIENT = frozenset({"finetune"})


def cell(task: str, reference: Artifact | None = None, lr: float = 1e-5) -> tuple[Artifact, Artifact]:
    data = Artifact("prepare", 1, task, {"task": task})
    tuned = Artifact("finetune", 1, task, {"lr": lr}, {"examples": data})
    model = Artifact("collect", 1, task, {}, {"finetune": tuned})
    outputs = Artifact("generate", 1, task, {"max": 2048}, {"base": model})
    return Artifact("judge", 1, task, {}, {"candidate": outputs, "reference": reference or outputs}), outputs


REFERENCE = cell("lima")[1]
CELLS = [cell(t, REFERENCE)[0] for t in ("gsm", "mbpp", "poetry")]
ALL = list(closure(CELLS))


def states(facts: Facts, wanted=CELLS) -> dict[str, str]:
    return {i.artifact.label + "/" + i.artifact.stage: i.state for i in plan(wanted, facts)}


def test_shared_work_appears_once():
    assert len(ALL) == len({a.key for a in ALL}) == 3 * 5 + 4


def test_nothing_done_starts_at_the_leaves():
    ready = [i.artifact.stage for i in plan(CELLS, Facts(transient=TRANSIENT)) if i.state == "ready"]
    assert ready == ["prepare"] * 4


@given(st.sets(st.integers(0, len(ALL) - 1)))
@settings(max_examples=200)
def test_a_plan_shrinks_by_exactly_what_is_done(chosen):
    done = {a.key for a in closure([ALL[i] for i in chosen])}  # done, with all that it was made from
    planned = {i.artifact.key for i in plan(CELLS, Facts(present=done, transient=TRANSIENT)) if i.state != "done"}
    assert planned == {a.key for a in ALL} - done


def test_inputs_of_what_is_done_are_not_planned():
    planned = plan(CELLS, Facts(present={a.key for a in ALL}, transient=TRANSIENT))
    assert [(i.artifact.stage, i.state) for i in planned] == [("judge", "done")] * 3


def test_a_deleted_output_runs_again_with_what_hangs_on_it_and_nothing_else():
    gone = CELLS[0].inputs["candidate"]
    items = [
        i
        for i in plan(CELLS, Facts(present={a.key for a in ALL} - {gone.key}, transient=TRANSIENT))
        if i.state != "done"
    ]
    assert [(i.artifact, i.state, i.stale) for i in items] == [(gone, "ready", False), (CELLS[0], "waiting", True)]


def test_a_gate_is_waited_for_where_something_is_to_be_made_and_moves_no_key():
    gate = Artifact("check", 1, "base", {})
    tuned = CELLS[0].inputs["candidate"].inputs["base"].inputs["finetune"]
    gated = Artifact("finetune", 1, tuned.label, tuned.params, tuned.inputs, gates={"check": gate})
    data = tuned.inputs["examples"].key
    assert gated == tuned and [i.artifact for i in plan([gated], Facts(present={gated.key, data}))] == [gated]
    assert {i.artifact.stage: i.state for i in plan([gated], Facts(present={data}))} == {
        "prepare": "done",
        "check": "ready",
        "finetune": "waiting",
    }
    stopped = plan([gated], Facts(present={data}, failed={gate.key: "data: a weight is missing"}))
    assert [(i.state, i.why) for i in stopped if i.artifact == gated] == [("blocked", f"{gate.name} failed")]
    assert [i.state for i in plan([gated], Facts(present={data, gate.key}))] == ["done", "done", "ready"]


def test_a_dropped_checkpoint_is_not_missed_once_its_model_is_collected():
    tuned = {a.key for a in ALL if a.stage == "finetune"}
    assert all(i.state == "done" for i in plan(CELLS, Facts(present={a.key for a in ALL} - tuned, transient=TRANSIENT)))


def test_a_dropped_checkpoint_is_made_again_when_its_model_is_needed():
    gone = {a.key for a in closure([CELLS[0].inputs["candidate"].inputs["base"]])}
    items = {
        i.artifact.stage: i.state
        for i in plan(CELLS[:1], Facts(present={a.key for a in ALL} - gone, transient=TRANSIENT))
    }
    assert items["finetune"] == "waiting" and items["prepare"] == "ready"


def test_a_failure_blocks_its_users_only():
    failed = CELLS[0].inputs["candidate"].inputs["base"].inputs["finetune"]
    ready = {a.key for a in ALL if a.stage == "prepare"}
    got = states(Facts(present=ready, failed={failed.key: "NaN"}, transient=TRANSIENT))
    assert (
        got["gsm/finetune"] == "failed"
        and got["gsm/judge"] == "blocked"
        and got["mbpp/finetune"] == "ready"
        and got["mbpp/judge"] == "waiting"
    )


def test_a_failed_reference_blocks_every_comparison():
    failed = REFERENCE.inputs["base"].inputs["finetune"]
    got = states(
        Facts(present={a.key for a in ALL if a.stage == "prepare"}, failed={failed.key: "NaN"}, transient=TRANSIENT)
    )
    assert {got[f"{t}/judge"] for t in ("gsm", "mbpp", "poetry")} == {"blocked"} and got["gsm/generate"] == "waiting"


def test_what_runs_is_not_started_again():
    got = states(Facts(running={a.key: "job 1" for a in ALL if a.stage == "prepare"}, transient=TRANSIENT))
    assert {s for n, s in got.items() if n.endswith("prepare")} == {"running"} and "ready" not in got.values()


def test_a_change_upstream_moves_every_key_below_it():
    a, b = cell("gsm", REFERENCE)[0], cell("gsm", REFERENCE, lr=3e-6)[0]
    moved = {
        x.stage for x, y in zip(closure([a.inputs["candidate"]]), closure([b.inputs["candidate"]])) if x.key != y.key
    }
    assert a.key != b.key and moved == {"finetune", "collect", "generate"}


def test_what_was_set_aside_is_made_again_for_whom_is_not_done_and_for_nobody_else():
    by = {(a.stage, a.label): a.key for a in ALL}
    gone = by["prepare", "gsm"]
    present = {a.key for a in ALL} - {gone}
    # as for a person's rm -r: all that hangs on it is stale
    assert plan(CELLS, Facts(present, transient=TRANSIENT))[0].artifact.key == gone
    assert set(states(Facts(present, transient=TRANSIENT, set_aside={gone})).values()) == {"done"}
    left = present - {by["collect", "gsm"], by["generate", "gsm"], by["judge", "gsm"], by["finetune", "gsm"]}
    found = states(Facts(left, transient=TRANSIENT, set_aside={gone}))
    assert (
        found["gsm/prepare"] == "ready"
        and found["gsm/finetune"] == "waiting"
        and found["mbpp/judge"] == found["poetry/judge"] == "done"
    )
