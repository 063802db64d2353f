"""Which results are made by one task, and which by none."""

from tests.core.test_chain import BY_STAGE, cells, chain, together
from winsweep.artifact import Artifact
from winsweep.placement import Placement, Placements
from winsweep.slurm.chain import After


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
