"""`recipe: {eval: …}`: which rows are held out and how often they are looked at; no key moves by it, and what is wrong
is said.
"""

import pytest

from tests.core.small_study import STUDY, keys, read
from winsweep import layout
from winsweep.errors import BadStudy
from winsweep.graph import Need, discover
from winsweep.study.cell import Training
from winsweep.study.uses import gates_of

WITH = STUDY.replace("global_batch: 64}", "global_batch: 64, eval: {data: sum, every: 7}}")
ROWS = '{"instruction": "a", "output": "b"}\n'


def trained(study) -> dict[str, Training]:
    return {c.label: c.training for c in study.table.cells if c.training}


def test_no_key_moves(tmp_path):
    for text in (
        WITH,
        WITH.replace("every: 7", "every: 8"),
        WITH.replace("data: sum", "data: {from: toy, num_examples: 9}"),
    ):
        assert keys(read(tmp_path, text)) == keys(read(tmp_path, STUDY))


def test_a_task_a_file_and_rows_of_their_own(tmp_path):
    (tmp_path / "held.jsonl").write_text(ROWS)
    of_task = trained(read(tmp_path, WITH))["a.ins.s1"].evaluation
    assert (of_task.source.name, of_task.every) == ("sum", 7)
    of_file = trained(study := read(tmp_path, WITH.replace("data: sum", "data: held.jsonl")))["a.ins.s1"].evaluation
    assert of_file.source.reader == "jsonl" and study.files[of_file.source.data.sha256].name == "held.jsonl"
    own = trained(read(tmp_path, WITH.replace("data: sum, every: 7", "data: {from: toy, num_examples: 9}")))
    assert (own["a.ins.s1"].evaluation.source.options.num_examples, own["a.ins.s1"].evaluation.every) == (9, 50)


def test_a_model_and_a_task_say_what_differs_and_others_have_none(tmp_path):
    found = trained(read(tmp_path, WITH.replace("{epochs: 7}", "{epochs: 7, eval: {every: 3}}")))
    assert {label: t.evaluation.every for label, t in found.items() if label.endswith("s1")} == {
        "a.ins.s1": 7,
        "a.sum.s1": 3,
        "b.ins.s1": 7,
        "b.sum.s1": 3,
    }
    alone = trained(read(tmp_path, STUDY.replace("{epochs: 7}", "{epochs: 7, eval: {data: ins}}")))
    assert {label: t.evaluation is not None for label, t in alone.items() if label.startswith("a")} == {
        "a.ins.s1": False,
        "a.ins.s2": False,
        "a.sum.s1": True,
        "a.sum.s2": True,
    }


def test_the_rows_are_a_gate_and_the_rest_a_limit(tmp_path):
    study = read(tmp_path, WITH)
    need = Need(discover(layout.JOBS, "winsweep.jobs"), gates_of(study.table, study.analyses))
    finetune = need("finetune", trained(study)["a.ins.s1"])
    rows = finetune.gates["held out"]
    assert finetune.limits == {"eval": {"rows": rows.key, "every": 7}} and rows.stage == "prepare"
    assert rows.key == need("finetune", trained(study)["a.sum.s1"]).inputs["examples"].key  # read once for both


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("{every: 7}", "data is missing"),
        ("{data: sim}", "no task 'sim' in this study; legal: ins, sum; did you mean sum"),
        ("{data: base}", "no task 'base' in this study"),  # an adapter has no rows
        ("{data: sum, every: 0}", "found 0; at least 1 is legal"),
        ("{data: sum, every: often}", "often"),
        ("{data: sum, each: 7}", "each"),
        ("{data: {from: nowhere}}", "no file nowhere.py in tasks/"),
        ("{data: [sum]}", "found"),
        ("sum", "found"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, wrong, said):
    with pytest.raises(BadStudy, match=said) as e:
        read(tmp_path, WITH.replace("{data: sum, every: 7}", wrong))
    assert "study.yaml:11: " in str(e.value) and len(str(e.value).splitlines()) == 1


def test_a_file_that_is_not_there_is_missing_by_its_path(tmp_path):
    with pytest.raises(BadStudy, match=r"recipe\.eval\.data: no file at .*none\.jsonl"):
        read(tmp_path, WITH.replace("data: sum", "data: none.jsonl"))


@pytest.mark.parametrize("where", ["grid: {eval: [1, 2]}", "choose: {picks: {a.ins: {eval: {data: sum}}}}"])
def test_it_is_no_value_of_a_grid_or_a_pick(tmp_path, where):
    with pytest.raises(BadStudy, match="eval"):
        read(tmp_path, f"{STUDY}{where}\n")
