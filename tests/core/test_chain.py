"""Chains: one array a stage and chunk, tasks that correspond, what is waited for."""

import pytest

from winsweep.artifact import Artifact
from winsweep.placement import Placement, Placements
from winsweep.plan import Facts, plan
from winsweep.slurm.chain import After, arrays, behind_rows
from winsweep.slurm.sbatch import ranges

BY_STAGE = {
    s: Placement()
    for s in (
        "pretrain",
        "prepare",
        "finetune",
        "collect",
        "generate",
        "judge",
        "choose",
        "rank",
        "drift",
        "containment",
    )
}
PLACED = Placements(BY_STAGE)


def cells(num: int, untrained: int = 0) -> list[Artifact]:
    """Judge artifacts of `num` trained cells and `untrained` untrained ones, all against the first."""
    base = Artifact("pretrain", 1, "base", {})
    asked = Artifact("prepare", 1, "asked", {"x": 0})
    outputs = []
    for n in range(num):
        tuned = Artifact(
            "finetune",
            1,
            f"c{n}",
            {"n": n},
            {"base": base, "examples": Artifact("prepare", 1, f"d{n % 3}", {"d": n % 3})},
        )
        model = Artifact("collect", 1, f"c{n}", {}, {"finetune": tuned})
        outputs.append(Artifact("generate", 1, f"c{n}", {}, {"base": model, "asked": asked}))
    outputs += [Artifact("generate", 1, f"u{n}", {"u": n}, {"base": base, "asked": asked}) for n in range(untrained)]
    return [Artifact("judge", 1, o.label, {}, {"candidate": o, "reference": outputs[0]}) for o in outputs]


def chain(wanted, max_tasks: int = 1000, placed: Placements = PLACED, **facts):
    return arrays(plan(wanted, Facts(transient=frozenset({"finetune"}), **facts)), placed, max_tasks)


def test_a_thousand_cells_are_one_array_a_stage():
    found = chain(cells(1000))
    assert [(a.stage, len(a.tasks)) for a in found] == [
        ("pretrain", 1),
        ("prepare", 4),
        ("finetune", 1000),
        ("collect", 1000),
        ("generate", 1000),
        ("judge", 1000),
    ]
    assert len({t.key for a in found for task in a.tasks for t in task}) == 4005


def test_a_cells_own_way_corresponds_and_shared_work_is_waited_for_as_a_whole():
    by_stage = {a.stage: a for a in chain(cells(7))}
    assert by_stage["finetune"].after == (After(0), After(1))
    assert by_stage["collect"].after == (After(2, corresponding=True),)
    assert set(by_stage["generate"].after) == {After(1), After(3, corresponding=True)}
    # its own outputs, and the reference's
    assert by_stage["judge"].after == (After(4, corresponding=True), After(4, tasks=(0,)))
    for child, parent, name in (("collect", "finetune", "finetune"), ("generate", "collect", "base")):
        assert [(t.inputs[name],) for (t,) in by_stage[child].tasks] == list(by_stage[parent].tasks)


def together(*stages: str) -> Placements:
    return Placements(BY_STAGE | {s: Placement(where="with_input") for s in stages})


def test_what_is_placed_with_its_input_shares_its_task():
    found = chain(cells(7), placed=together("collect"))
    assert [a.title for a in found] == ["pretrain", "prepare", "finetune+collect", "generate", "judge"]
    assert all(model.inputs["finetune"] is tuned for tuned, model in found[2].tasks)
    assert set(found[3].after) == {After(1), After(2, corresponding=True)}
    found = chain(cells(7, untrained=1), placed=together("collect", "generate"))
    assert sorted(a.title for a in found) == [
        "finetune+collect+generate",
        "generate",
        "judge",
        "judge",
        "prepare",
        "pretrain",
    ]
    # also what the answers are made from
    assert set(next(a for a in found if a.stage == "finetune").after) == {After(0), After(1)}


def test_what_is_placed_with_an_input_that_is_there_goes_alone():
    wanted = cells(3)
    tuned = [j.inputs["candidate"].inputs["base"].inputs["finetune"] for j in wanted]
    done = (
        {i.key for t in tuned for i in t.inputs.values()}
        | {t.key for t in tuned[:2]}
        | {wanted[0].inputs["candidate"].inputs["asked"].key}
    )
    found = chain(wanted, placed=together("collect"), present=done)
    assert sorted((a.title, len(a.tasks)) for a in found if a.stage != "generate") == [
        ("collect", 2),
        ("finetune+collect", 1),
        ("judge", 1),
        ("judge", 2),
    ]


def test_what_is_made_of_a_model_that_is_there_shares_a_task():
    """So that several adapters, or instruction sets, load it once."""
    other = [
        Artifact(
            "generate",
            1,
            f"o{n}",
            {"base": {"source": n}, "x": x},
            {"asked": Artifact("prepare", 1, "asked", {"x": 0})},
        )
        for n in range(2)
        for x in range(3)
    ]
    wanted = [*cells(2, untrained=3), *(Artifact("judge", 1, o.label, {}, {"candidate": o}) for o in other)]
    found = [
        [a.label for a in task]
        for array in chain(wanted, placed=together("collect", "generate"))
        if array.stage == "generate"
        for task in array.tasks
    ]
    assert sorted(found) == [["o0"] * 3, ["o1"] * 3, ["u0", "u1", "u2"]]
    assert all(
        len(task) == 1
        for array in chain(wanted, placed=together("collect"))
        if array.stage == "generate"
        for task in array.tasks
    )


def test_untrained_arms_do_not_wait_for_training():
    found = chain(cells(4, untrained=2))
    generate = [a for a in found if a.stage == "generate"]
    assert [len(a.tasks) for a in generate] in ([2, 4], [4, 2])
    stages = {n: a.stage for n, a in enumerate(found)}
    untrained = next(a for a in generate if a.tasks[0][0].label.startswith("u"))
    assert {stages[x.on] for x in untrained.after} == {"pretrain", "prepare"}


@pytest.mark.parametrize("max_tasks", [1, 3, 4, 100])
def test_chunks_keep_within_the_clusters_limit_and_still_correspond(max_tasks):
    found = chain(cells(10), max_tasks)
    assert max(len(a.tasks) for a in found) <= max_tasks
    collects = [a for a in found if a.stage == "collect"]
    assert len(collects) == -(-10 // max_tasks) and all([x.corresponding for x in a.after] == [True] for a in collects)


def test_parents_come_first_and_nothing_waits_for_a_later_array():
    for n, array in enumerate(chain(cells(9, untrained=3), 4)):
        assert all(after.on < n for after in array.after)
    assert sound(chain(cells(9, untrained=3), 4))


def sound(found) -> bool:
    """Whether each task waits for everything that it needs and that is made now, and for nothing that comes later."""
    place = {
        a.key: (n, at) for n, array in enumerate(found) for at, task in zip(array.indices, array.tasks) for a in task
    }

    def covered(array, at: int, key: str) -> bool:
        on, index = place[key]
        return any(
            x.on == on and (index == at if x.corresponding else not x.tasks or index in x.tasks) for x in array.after
        )

    return all(
        covered(array, at, i.key)
        for array in found
        for at, task in zip(array.indices, array.tasks)
        for a in task
        for i in a.needs
        if i.key in place and i.key not in {x.key for x in task}
    ) and all(x.on < n for n, array in enumerate(found) for x in array.after if isinstance(x.on, int))


def seeds(arms: int, num: int) -> list[Artifact]:
    """Judge artifacts of `arms` arms × `num` seeds, each against the first arm of its seed, which comes last."""
    made = {}
    for n in range(num):
        for arm in reversed(range(arms)):
            tuned = Artifact(
                "finetune",
                1,
                f"a{arm}.s{n}",
                {"arm": arm, "n": n},
                {"examples": Artifact("prepare", 1, f"d{arm}", {"d": arm})},
            )
            model = Artifact("collect", 1, tuned.label, {}, {"finetune": tuned})
            made[arm, n] = Artifact(
                "generate", 1, tuned.label, {}, {"base": model, "asked": Artifact("prepare", 1, "asked", {"x": 0})}
            )
    return [Artifact("judge", 1, o.label, {}, {"candidate": o, "reference": made[0, n]}) for (_, n), o in made.items()]


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


def test_holes_have_no_results_and_ranges_are_those_of_sbatch():
    found = [a for a in chain(seeds(9, 5)) if a.stage == "judge"]
    slots = found[1].slots()
    assert [n for n, task in enumerate(slots) if task] == list(found[1].indices) and () in slots
    assert [ranges(of) for of in ([0], [0, 1, 2], [3], [0, 2, 3, 7])] == ["0-0", "0-2", "3", "0-0,2-3,7"]


def test_what_is_in_the_queue_is_waited_for_by_its_job():
    wanted = cells(3)
    tuned = [j.inputs["candidate"].inputs["base"].inputs["finetune"] for j in wanted]
    done = {i.key for t in tuned for i in t.inputs.values()} | {wanted[0].inputs["candidate"].inputs["asked"].key}
    found = chain(wanted, present=done, running={t.key: f"job 77_{n}: runs" for n, t in enumerate(tuned)})
    assert [a.stage for a in found] == ["collect", "generate", "judge"] and found[0].after == (
        After("77", corresponding=True),
    )


def test_failed_work_and_what_hangs_on_it_is_not_submitted():
    wanted = cells(3)
    bad = wanted[1].inputs["candidate"].inputs["base"].inputs["finetune"]
    sizes = {a.stage: len(a.tasks) for a in chain(wanted, failed={bad.key: "config"})}
    assert sizes == {"pretrain": 1, "prepare": 4, "finetune": 2, "collect": 2, "generate": 2, "judge": 2}


def test_models_that_need_another_placement_have_arrays_of_their_own():
    large = Placement(nodes=2, ranks=2)
    found = chain(cells(6), placed=Placements(BY_STAGE, (("c[45]", "finetune", large),)))
    assert [(a.placement.nodes, len(a.tasks)) for a in found if a.stage == "finetune"] == [(1, 4), (2, 2)]
    for stage in ("collect", "generate"):
        split = [a for a in found if a.stage == stage]
        assert [len(a.tasks) for a in split] == [4, 2] and all(any(x.corresponding for x in a.after) for a in split)
    assert [len(a.tasks) for a in found if a.stage == "judge"] == [4, 2]


def test_what_belongs_on_the_login_node_is_in_no_array_nor_what_waits_for_it():
    login = Placements(BY_STAGE | {"judge": Placement(where="login")})
    assert {a.stage for a in chain(cells(3), placed=login)} == {
        "pretrain",
        "prepare",
        "finetune",
        "collect",
        "generate",
    }
    login = Placements(BY_STAGE | {"prepare": Placement(where="login")})
    assert {a.stage for a in chain(cells(3), placed=login)} == {"pretrain"}


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
