"""Chains: one array a stage and chunk, tasks that correspond, what shares a task, what is in no array."""

import pytest

from tests.core.chains import BY_STAGE, cells, chain, seeds, sound, together
from winsweep.artifact import Artifact, closure
from winsweep.placement import Placement, Placements
from winsweep.slurm.batch_script import ranges
from winsweep.slurm.chain import After


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


def test_a_judgement_placed_with_its_answers_waits_for_no_other_cell():
    """With a reference that is there, or is the answers themselves, it is in their task, else in one of its own."""
    wanted, placed = cells(3), together("collect", "generate", "judge")
    found = chain(wanted, placed=placed)
    assert sound(found) and sorted((a.title, len(a.tasks)) for a in found if a.stage in ("finetune", "judge")) == [
        ("finetune+collect+generate", 2),
        ("finetune+collect+generate+judge", 1),
        ("judge", 2),
    ]
    reference = wanted[0].inputs["candidate"]
    there = {a.key for a in closure([reference])}
    found = chain(wanted, placed=placed, present=there)
    assert sorted((a.title, len(a.tasks)) for a in found if a.stage in ("finetune", "judge")) == [
        ("finetune+collect+generate+judge", 2),
        ("judge", 1),
    ]


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


def test_holes_have_no_results_and_ranges_are_those_of_sbatch():
    found = [a for a in chain(seeds(9, 5)) if a.stage == "judge"]
    slots = found[1].slots()
    assert [n for n, task in enumerate(slots) if task] == list(found[1].indices) and () in slots
    assert [ranges(of) for of in ([0], [0, 1, 2], [3], [0, 2, 3, 7])] == ["0-0", "0-2", "3", "0-0,2-3,7"]


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
