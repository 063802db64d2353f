"""Points of a trajectory: what they are called, what they are made from, and every number of epochs that is refused."""

import dataclasses

import pytest

from tests.core.small_study import STUDY, keys, read
from tests.core.test_selection import CHOOSE, choosing
from winsweep import layout
from winsweep.errors import BadStudy
from winsweep.graph import Need, discover
from winsweep.study.recipe import Recipe

LONG = STUDY.replace("kinds: [sum], recipe: {epochs: 7}", "kinds: [sum], recipe: {epochs: 7}, trajectory: [2, 5]")


def test_points_are_cells_of_their_own_kind(tmp_path):
    cells = {c.label: c for c in read(tmp_path, LONG).table.cells}
    assert [label for label in cells if label.startswith("a.sum.s1")] == [
        "a.sum.s1",
        "a.sum.s1@epoch2of7",
        "a.sum.s1@epoch5of7",
    ]
    whole, point = cells["a.sum.s1"], cells["a.sum.s1@epoch5of7"]
    assert point.task == "sum@epoch5of7" and point.comparison.reference == whole.comparison.reference
    assert point.training == dataclasses.replace(whole.training, name=point.label, stop_after_epochs=5)
    need = Need(discover(layout.JOBS, "winsweep.jobs"))
    params = need("finetune", point.training).plain_params
    assert (
        params == need("finetune", whole.training).plain_params | {"stop_after_epochs": 5}
        and params["recipe"]["epochs"] == 7
    )
    assert need("collect", point.training).key != need("collect", whole.training).key


def test_the_seeds_of_a_point_are_one_arm_also_in_a_grid(tmp_path):
    """Each was a row of its own in every command, called `sum@epoch2of7a.sum.s1@epoch2of7`."""
    arms = {(c.arm, c.seed) for c in read(tmp_path, LONG).table.cells if c.model == "a"}
    assert arms == {(arm, n) for arm in ("base", "ins", "sum", "sum@epoch2of7", "sum@epoch5of7") for n in (1, 2)}
    grid = read(tmp_path, LONG + "grid: {lr: [1.0e-4, 2.0e-4]}\n").table.cells
    assert len(grid) > len(arms) and len({c.arm for c in grid}) * 2 == len({c.label for c in grid if c.model == "a"})
    assert {c.arm for c in grid if c.task == "sum@epoch2of7"} == {f"sum.lr0.000{n}@epoch2of7" for n in (1, 2)}


def test_they_move_no_key_and_no_run_of_so_many_epochs_is_one(tmp_path):
    before, after = keys(read(tmp_path, STUDY)), keys(read(tmp_path, LONG))
    assert before.items() <= after.items() and len(after) == len(before) + 8
    short = keys(read(tmp_path, STUDY.replace("recipe: {epochs: 7}", "recipe: {epochs: 5}")))
    assert (
        not {
            k
            for k in short["a.sum.s1"] & after["a.sum.s1@epoch5of7"]
            if k.startswith(("finetune", "collect", "generate", "judge/"))
        }
        - after["a.ins.s1"]
    )


def test_a_point_has_the_steps_of_its_epochs_and_the_rates_of_the_whole_run():
    recipe = Recipe(epochs=15)
    assert recipe.num_steps(1030, 5) == 85 == Recipe(epochs=5).num_steps(1030) and recipe.num_steps(1030) == 255
    assert recipe.lr_at(84, 1030) > 6e-6 and Recipe(epochs=5).lr_at(84, 1030) == 0.0


@pytest.mark.parametrize(
    ("written", "match"),
    [
        (
            "[7]",
            (
                r"study\.yaml:\d+: tasks\.sum\.trajectory\[0\]: found 7; 1 to 6 is legal: the ends of epochs before "
                r"the last of a\.sum\.s1"
            ),
        ),
        ("[0]", r"trajectory\[0\]: found 0; 1 to 6 is legal"),
        ("[2, 5.5]", r"trajectory\[1\]: found 5\.5; a whole number is legal"),
        ("5", r"tasks\.sum\.trajectory: found 5; a list is legal here; type \[5\]"),
    ],
)
def test_what_is_refused(tmp_path, written, match):
    with pytest.raises(BadStudy, match=match):
        read(tmp_path, LONG.replace("[2, 5]", written))


def test_a_run_of_chosen_length_has_none_until_it_is_picked(tmp_path, monkeypatch):
    (tmp_path / "others.json").write_text("[]")
    with pytest.raises(
        BadStudy,
        match=r"trajectory\[0\]: found a trajectory of a run whose epochs choose: decides; .*picks: \{a\.sum: "
        r"\{epochs: 3\}\}",
    ):
        read(tmp_path, LONG + CHOOSE)
    picks = "  picks: {a.sum: {epochs: 10}, b.sum: {epochs: 10}}\n"
    assert "a.sum.s1@epoch5of10" in [c.label for c in read(tmp_path, LONG + CHOOSE + picks).table.cells]
    assert all(
        run.candidate.model.stop_after_epochs is None
        for c in choosing(tmp_path).table.cells
        if c.training
        for run in (c.training.choice.runs if c.training.choice else ())
    )


def test_checkpoints_of_a_longer_run_are_refused_and_a_trajectory_is_offered(tmp_path):
    with pytest.raises(
        BadStudy,
        match=r"each number of epochs has a learning-rate schedule of its own, .*trajectory: \[5\] beside from:",
    ):
        read(tmp_path, STUDY.replace("recipe: {epochs: 7}", "recipe: {epochs: 7, keep_epochs: true}"))
