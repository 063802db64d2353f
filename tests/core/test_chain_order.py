"""What each array of a chain waits for: references, analyses, validation runs, checks, rows that are read."""

import pytest

from tests.core.chains import BY_STAGE, cells, chain, seeds, sound, together
from winsweep.artifact import Artifact
from winsweep.placement import Placement, Placements
from winsweep.plan import Facts, plan
from winsweep.slurm.chain import After, arrays, behind_rows


def test_untrained_arms_do_not_wait_for_training():
    found = chain(cells(4, untrained=2))
    generate = [a for a in found if a.stage == "generate"]
    assert [len(a.tasks) for a in generate] in ([2, 4], [4, 2])
    stages = {n: a.stage for n, a in enumerate(found)}
    untrained = next(a for a in generate if a.tasks[0][0].label.startswith("u"))
    assert {stages[x.on] for x in untrained.after} == {"pretrain", "prepare"}


@pytest.mark.parametrize(("arms", "num"), [(2, 1), (3, 2), (9, 5), (2, 40)])
def test_a_cell_is_judged_as_soon_as_its_two_sides_are_there(arms, num):
    found = chain(seeds(arms, num), placed=together("collect"))
    assert sound(found) and len(found) <= 6
    generate = next(n for n, a in enumerate(found) if a.stage == "generate")
    assert {task[0].label.partition(".")[0] for task in found[generate].tasks[:num]} == {"a0"}  # references begin first
    judges = [a for a in found if a.stage == "judge"]
    assert len(judges) == min(num, 3)
    for array in judges:
        own, others = array.after
        assert (
            own == After(generate, corresponding=True) and others.on == generate and len(others.tasks) <= -(-num // 3)
        )
        assert [found[generate].tasks[n][0] for n in array.indices] == [j.inputs["candidate"] for (j,) in array.tasks]


def test_a_cell_that_is_its_own_reference_waits_for_nothing_else():
    judge = [a for a in chain(seeds(1, 5)) if a.stage == "judge"]
    assert len(judge) == 1 and [x.corresponding for x in judge[0].after] == [True]


def test_more_references_than_can_be_named_are_an_array_of_their_own():
    found = chain(seeds(2, 400), placed=together("collect"))
    assert sound(found) and len(found) == 1 + 1 + 2 + 2
    first, rest = (n for n, a in enumerate(found) if a.stage == "generate")
    assert {task[0].label.partition(".")[0] for task in found[first].tasks} == {"a0"}
    waits = [a.after for a in found if a.stage == "judge"]
    assert (After(first), After(rest, corresponding=True)) in waits and (After(first, corresponding=True),) in waits


def test_analyses_follow_their_own_cell():
    wanted = seeds(4, 3)
    drift = [
        Artifact(
            "drift", 1, j.label, {}, {"outputs": j.inputs["candidate"], "task": Artifact("prepare", 1, "d1", {"d": 1})}
        )
        for j in wanted[1::4]
    ]
    rank = [Artifact("rank", 1, j.label, {}, {"base": j.inputs["candidate"].inputs["base"]}) for j in wanted[::5]]
    contained = [Artifact("containment", 1, j.label, {}, {"judged": j}) for j in wanted[:1]]
    found = chain([*wanted, *drift, *rank, *contained], placed=together("collect"))
    assert sound(found)
    for stage, parent, num in (("drift", "generate", 3), ("rank", "finetune", 3), ("containment", "judge", 1)):
        (array,) = (a for a in found if a.stage == stage)
        assert len(array.tasks) == num
        on = next(x.on for x in array.after if x.corresponding)
        assert found[on].stage == parent
        slots = found[on].slots()
        assert all(
            {a.key for a in slots[n]} & {i.key for i in task[0].inputs.values()}
            for n, task in zip(array.indices, array.tasks)
        )


def test_validation_runs_come_before_what_is_chosen_by_them():
    trials = seeds(2, 4)
    picked = Artifact("choose", 2, "pick", {}, {f"run{n}": j for n, j in enumerate(trials)})
    tuned = [Artifact("finetune", 1, f"t{n}", {"n": n, "test": 1}, {"choice": picked}) for n in range(3)]
    outputs = [
        Artifact("generate", 1, t.label, {}, {"base": Artifact("collect", 1, t.label, {}, {"finetune": t})})
        for t in tuned
    ]
    found = chain(
        [Artifact("judge", 1, o.label, {}, {"candidate": o, "reference": outputs[0]}) for o in outputs],
        placed=together("collect"),
    )
    assert sound(found)
    stages = [a.stage for a in found]
    assert (
        stages.index("choose") > max(n for n, a in enumerate(found) if any(t[0] in trials for t in a.tasks))
        and sum(len(a.tasks) for a in found) == 3 + 24 + 1 + 9
    )


def test_finetunes_wait_for_their_checks_and_still_correspond():
    check = {x: Artifact("check", 1, x, {"model": x}) for x in "ab"}
    tuned = [Artifact("finetune", 1, f"c{n}", {"n": n}, {}, gates={"check": check["ab"[n % 2]]}) for n in range(6)]
    outputs = [
        Artifact("generate", 1, t.label, {}, {"base": Artifact("collect", 1, t.label, {}, {"finetune": t})})
        for t in tuned
    ]
    found = chain(
        [Artifact("judge", 1, o.label, {}, {"candidate": o, "reference": outputs[0]}) for o in outputs],
        placed=Placements(BY_STAGE | {"check": Placement(), "collect": Placement(where="with_input")}),
    )
    assert [a.title for a in found] == ["check", "finetune+collect", "generate", "judge"] and sound(found)
    assert found[1].after == (After(0),) and found[2].after == (After(1, corresponding=True),)


def test_what_is_in_the_queue_is_waited_for_by_its_job():
    wanted = cells(3)
    tuned = [j.inputs["candidate"].inputs["base"].inputs["finetune"] for j in wanted]
    done = {i.key for t in tuned for i in t.inputs.values()} | {wanted[0].inputs["candidate"].inputs["asked"].key}
    found = chain(wanted, present=done, running={t.key: f"job 77_{n}: runs" for n, t in enumerate(tuned)})
    assert [a.stage for a in found] == ["collect", "generate", "judge"] and found[0].after == (
        After("77", corresponding=True),
    )


def test_finetunes_wait_for_everything_that_reads_rows():
    """However it is split, and whatever the finetunes themselves are made from; what fails to read rows holds up no
    other.
    """
    wanted = cells(4)
    first = Artifact("prepare", 1, "d0", {"d": 0})
    for facts in ({}, {"present": {first.key}}, {"running": {first.key: "job 17_0"}}):
        apart = Placements(BY_STAGE, (("d1", "prepare", Placement(threads=2)),))
        items = plan(wanted, Facts(transient=frozenset({"finetune"}), **facts))
        found = behind_rows(arrays(items, apart, 2), items)
        rows = {n for n, a in enumerate(found) if a.stage == "prepare"} | ({"17"} if "running" in facts else set())
        assert len(rows) >= 2
        for n, array in enumerate(found):
            assert all(isinstance(x.on, str) or x.on < n for x in array.after)
            if array.stage == "finetune":
                assert {x.on for x in array.after if not x.corresponding} >= rows
        assert sorted(t.key for a in found for task in a.tasks for t in task) == sorted(
            t.key for a in arrays(items, apart, 2) for task in a.tasks for t in task
        )
