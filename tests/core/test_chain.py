"""Chains: one array a stage and chunk, tasks that correspond, what is waited for."""

import pytest

from winsweep.artifact import Artifact
from winsweep.placement import Placement, Placements
from winsweep.plan import Facts, plan
from winsweep.slurm.chain import After, arrays, behind_rows

BY_STAGE = {s: Placement() for s in ("pretrain", "prepare", "finetune", "collect", "generate", "judge")}
PLACED = Placements(BY_STAGE)


def cells(num: int, untrained: int = 0) -> list[Artifact]:
    """Judge artifacts of `num` trained cells and `untrained` untrained ones, all against the first."""
    base = Artifact("pretrain", 1, "base", {})
    asked = Artifact("prepare", 1, "asked", {"x": 0})
    outputs = []
    for n in range(num):
        tuned = Artifact("finetune", 1, f"c{n}", {"n": n}, {"base": base, "examples": Artifact("prepare", 1, f"d{n % 3}", {"d": n % 3})})
        model = Artifact("collect", 1, f"c{n}", {}, {"finetune": tuned})
        outputs.append(Artifact("generate", 1, f"c{n}", {}, {"base": model, "asked": asked}))
    outputs += [Artifact("generate", 1, f"u{n}", {"u": n}, {"base": base, "asked": asked}) for n in range(untrained)]
    return [Artifact("judge", 1, o.label, {}, {"candidate": o, "reference": outputs[0]}) for o in outputs]


def chain(wanted, max_tasks: int = 1000, placed: Placements = PLACED, **facts):
    return arrays(plan(wanted, Facts(transient=frozenset({"finetune"}), **facts)), placed, max_tasks)


def test_a_thousand_cells_are_one_array_a_stage():
    found = chain(cells(1000))
    assert [(a.stage, len(a.tasks)) for a in found] == [("pretrain", 1), ("prepare", 4), ("finetune", 1000), ("collect", 1000), ("generate", 1000), ("judge", 1000)]
    assert len({t.key for a in found for task in a.tasks for t in task}) == 4005


def test_a_cells_own_way_corresponds_and_shared_work_is_waited_for_as_a_whole():
    by_stage = {a.stage: a for a in chain(cells(7))}
    assert by_stage["finetune"].after == (After(0), After(1))
    assert by_stage["collect"].after == (After(2, corresponding=True),)
    assert set(by_stage["generate"].after) == {After(1), After(3, corresponding=True)}
    assert by_stage["judge"].after == (After(1), After(4)) or by_stage["judge"].after == (After(4),)
    for child, parent, name in (("collect", "finetune", "finetune"), ("generate", "collect", "base")):
        assert [(t.inputs[name],) for t, in by_stage[child].tasks] == list(by_stage[parent].tasks)


def together(*stages: str) -> Placements:
    return Placements(BY_STAGE | {s: Placement(where="with_input") for s in stages})


def test_what_is_placed_with_its_input_shares_its_task():
    found = chain(cells(7), placed=together("collect"))
    assert [a.title for a in found] == ["pretrain", "prepare", "finetune+collect", "generate", "judge"]
    assert all(model.inputs["finetune"] is tuned for tuned, model in found[2].tasks)
    assert set(found[3].after) == {After(1), After(2, corresponding=True)}
    found = chain(cells(7, untrained=1), placed=together("collect", "generate"))
    assert sorted(a.title for a in found) == ["finetune+collect+generate", "generate", "judge", "prepare", "pretrain"]
    assert set(next(a for a in found if a.stage == "finetune").after) == {After(0), After(1)}  # also what the answers are made from


def test_what_is_placed_with_an_input_that_is_there_goes_alone():
    wanted = cells(3)
    tuned = [j.inputs["candidate"].inputs["base"].inputs["finetune"] for j in wanted]
    done = {i.key for t in tuned for i in t.inputs.values()} | {t.key for t in tuned[:2]} | {wanted[0].inputs["candidate"].inputs["asked"].key}
    found = chain(wanted, placed=together("collect"), present=done)
    assert sorted((a.title, len(a.tasks)) for a in found if a.stage != "generate") == [("collect", 2), ("finetune+collect", 1), ("judge", 3)]


def test_what_is_made_of_a_model_that_is_there_shares_a_task():
    """So that several adapters, or instruction sets, load it once."""
    other = [Artifact("generate", 1, f"o{n}", {"base": {"source": n}, "x": x}, {"asked": Artifact("prepare", 1, "asked", {"x": 0})}) for n in range(2) for x in range(3)]
    wanted = [*cells(2, untrained=3), *(Artifact("judge", 1, o.label, {}, {"candidate": o}) for o in other)]
    found = [[a.label for a in task] for array in chain(wanted, placed=together("collect", "generate")) if array.stage == "generate" for task in array.tasks]
    assert sorted(found) == [["o0"] * 3, ["o1"] * 3, ["u0", "u1", "u2"]]
    assert all(len(task) == 1 for array in chain(wanted, placed=together("collect")) if array.stage == "generate" for task in array.tasks)


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


def test_what_is_in_the_queue_is_waited_for_by_its_job():
    wanted = cells(3)
    tuned = [j.inputs["candidate"].inputs["base"].inputs["finetune"] for j in wanted]
    done = {i.key for t in tuned for i in t.inputs.values()} | {wanted[0].inputs["candidate"].inputs["asked"].key}
    found = chain(wanted, present=done, running={t.key: f"job 77_{n}: runs" for n, t in enumerate(tuned)})
    assert [a.stage for a in found] == ["collect", "generate", "judge"] and found[0].after == (After("77"),)


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
    assert sum(a.stage == "judge" for a in found) == 1


def test_what_belongs_on_the_login_node_is_in_no_array_nor_what_waits_for_it():
    login = Placements(BY_STAGE | {"judge": Placement(where="login")})
    assert {a.stage for a in chain(cells(3), placed=login)} == {"pretrain", "prepare", "finetune", "collect", "generate"}
    login = Placements(BY_STAGE | {"prepare": Placement(where="login")})
    assert {a.stage for a in chain(cells(3), placed=login)} == {"pretrain"}


def test_finetunes_wait_for_everything_that_reads_rows():
    """However it is split, and whatever the finetunes themselves are made from; what fails to read rows holds up no other."""
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
        assert sorted(t.key for a in found for task in a.tasks for t in task) == sorted(t.key for a in arrays(items, apart, 2) for task in a.tasks for t in task)
