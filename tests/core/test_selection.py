"""What a study says beyond one grid: validation runs that decide test runs, arms of their own kind, one study over
another.
"""

from pathlib import Path

import pytest

from tests.core.small_study import STUDY, keys, read
from winsweep import layout
from winsweep.artifact import closure
from winsweep.errors import BadStudy
from winsweep.graph import Need, discover

CHOOSE = """
choose:
  grid: {epochs: [5, 7, 10]}
  instructions: {from: toy, part: dev}
  reference: {outputs: others.json}
"""


def choosing(folder: Path, text: str = CHOOSE):
    (folder / "others.json").write_text("[]")
    return read(folder, STUDY + text)


def test_what_is_chosen_decides_test_runs_and_validation_runs_do_not_depend_on_test_seeds(tmp_path):
    study = choosing(tmp_path)
    cells = {c.label: c for c in study.table.cells}
    choice = cells["a.sum.s1"].training.choice
    assert [(r.name, r.candidate.model.seed, r.candidate.model.recipe.epochs) for r in choice.runs] == [
        (f"a.sum.val.epochs{e}", 42, e) for e in (5, 7, 10)
    ]
    assert (
        choice == cells["a.sum.s2"].training.choice
        and choice.by == "lc_win_rate"
        and cells["a.base.s1"].training is None
    )
    need = Need(discover(layout.JOBS, "winsweep.jobs"))
    test = need("finetune", cells["a.sum.s1"].training)
    assert test.plain_params["recipe"]["epochs"] == {"late_input": "choice", "late_field": "epochs"}
    below = [a.label for a in closure([need("judge", cells["a.sum.s1"].comparison)]) if a.stage == "finetune"]
    assert sorted(below) == sorted(
        [f"a.{t}.val.epochs{e}" for t in ("sum", "ins") for e in (5, 7, 10)] + ["a.sum.s1", "a.ins.s1"]
    )
    before, after = keys(study), keys(choosing(tmp_path, CHOOSE.replace("10]", "10, 15]")))
    assert before["a.base.s1"] != after["a.base.s1"]  # through its reference
    assert {k for k in before["a.sum.s1"] if "judge" not in k and "choose" not in k} & after["a.sum.s1"]


def test_what_the_study_says_of_a_chosen_field_moves_no_key(tmp_path):
    assert keys(choosing(tmp_path)) == keys(read(tmp_path, STUDY.replace("epochs: 7", "epochs: 9") + CHOOSE))


def test_a_pick_of_a_person_makes_no_validation_runs(tmp_path):
    picked = keys(
        choosing(
            tmp_path,
            CHOOSE + "  picks: {a.ins: {epochs: 15}, a.sum: {epochs: 7}, b.ins: {epochs: 7}, b.sum: {epochs: 7}}\n",
        )
    )
    direct = keys(read(tmp_path, STUDY.replace("ins: {from: toy}", "ins: {from: toy, recipe: {epochs: 15}}")))
    assert picked["a.sum.s1"] == direct["a.sum.s1"]


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        (
            "  grid: {epochs: [5, 7, 10]}\n",
            "",
            (
                r"choose: grid is missing; choose: wants .*, or picks: for every family; 4 have none, such as a\.ins; "
                r"add grid:"
            ),
        ),
        ("epochs: [5", "epoch: [5", r"choose\.grid\.epoch: unknown key 'epoch'; .*did you mean epochs\?"),
        ("{outputs: others.json}", "{task: ins}", r"choose\.reference: no file of outputs; .*; type \{outputs: FILE\}"),
        (
            "choose:",
            "choose:\n  picks: {a.inss: {epochs: 7}}",
            r"choose\.picks: no family 'a\.inss'; .*did you mean a\.ins\?",
        ),
        ("choose:", "choose:\n  by: lc", r"choose\.by: found the text 'lc'; legal: lc_win_rate, win_rate"),
    ],
)
def test_a_wrong_choice_is_refused(tmp_path, old, new, match):
    assert old in CHOOSE
    with pytest.raises(BadStudy, match=match):
        choosing(tmp_path, CHOOSE.replace(old, new, 1))


def test_an_arm_has_its_own_frame_models_and_reference(tmp_path):
    text = STUDY.replace(
        "  sum: {",
        "  ab: {from: toy, frame: {user: U, assistant: A}, models: [a]}\n"
        "  ab_res: {from: toy, empty_instructions: true, frame: {user: U, assistant: A}, models: [a], reference: ab}\n "
        " sum: {",
    )
    cells = {c.label: c for c in read(tmp_path, text).table.cells}
    assert "a.ab.s1" in cells and "b.ab.s1" not in cells
    res = cells["a.ab_res.s2"].comparison
    assert res.candidate.frame.user == res.candidate.model.frame.user == "U" and res.reference.name == "a.ab.s2"
    with pytest.raises(
        BadStudy, match=r"tasks\.ab_res\.reference: no task or adapter 'abb' in this study; .*did you mean ab\?"
    ):
        read(tmp_path, text.replace("reference: ab}", "reference: abb}"))
    with pytest.raises(BadStudy, match=r"no model 'c' in this study"):
        read(tmp_path, text.replace("models: [a]}", "models: [c]}"))


def test_a_study_may_lie_over_another(tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base/below.yaml").write_text(STUDY.replace("ins: {from: toy}", "ins: {path: rows.jsonl}"))
    (tmp_path / "base/rows.jsonl").write_text('{"instruction": "a", "output": "b"}\n')
    over = (
        "extends: base/below.yaml\nname: over\nmodels: {b: null}\nseeds: [3]\nrecipe: {epochs: 1}\ntasks: {poem: "
        "{from: toy, kinds: [poem]}}\n"
    )
    study = read(tmp_path, over)
    assert [c.label for c in study.table.cells] == [
        "a.base.s3",
        "a.ins.s3",
        "a.sum.s3",
        "a.poem.s3",
    ] and study.name == "over"
    recipe = study.table.cells[1].training.recipe
    assert (recipe.epochs, recipe.lr) == (1, 1e-5) and list(study.files.values()) == [tmp_path / "base/rows.jsonl"]
    with pytest.raises(BadStudy, match=r"study\.yaml:1: extends: .* extends this file"):
        read(tmp_path, over.replace("base/below.yaml", "study.yaml"))


def test_published_figures_belong_to_families(tmp_path):
    study = read(tmp_path, STUDY + "published: {a.sum: [22.9, 0.97]}\n")
    assert study.table.published == (("a.sum", 22.9, 0.97),)
    with pytest.raises(
        BadStudy, match=r"published\.a\.summ: no family 'a\.summ' in this study; .*did you mean a\.sum\?"
    ):
        read(tmp_path, STUDY + "published: {a.summ: [22.9, 0.97]}\n")
    with pytest.raises(BadStudy, match=r"found 1 numbers; a mean and a standard deviation are legal"):
        read(tmp_path, STUDY + "published: {a.sum: [22.9]}\n")
