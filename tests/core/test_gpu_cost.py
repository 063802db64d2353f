"""GPU-hours from names and assumptions, by hand; what nothing is known of is said and not counted."""

import pytest

from tests.core.small_study import STUDY, read
from tests.core.test_selection import CHOOSE
from winsweep import layout
from winsweep.artifact import closure
from winsweep.costs import gpu_cost
from winsweep.graph import Need, discover

BIG = STUDY.replace("some/model", "meta-llama/Llama-2-7b-hf").replace("{from: toy, kinds: [sum]", "{from: gsm")


def artifacts(study) -> list:
    need = Need(discover(layout.JOBS, "winsweep.jobs"))
    return list(closure(need("judge", c.comparison) for c in study.table.cells))


def of(found: list, stage: str, label: str):
    return next(a for a in found if a.stage == stage and a.label == label)


@pytest.mark.parametrize(
    ("hf_id", "size"),
    [
        ("meta-llama/Llama-2-7b-hf", 7e9),
        ("allenai/OLMo-7B-hf", 7e9),
        ("EleutherAI/pythia-160m", 160e6),
        ("x/TinyLlama-1.1B-step", 1.1e9),
        ("x/8x7B", None),
        ("7b/some", None),
        ("x/gpt2", None),
        ("x/2b7", None),
    ],
)
def test_a_size_is_told_by_a_models_own_name(hf_id, size, tmp_path):
    found = artifacts(read(tmp_path, STUDY.replace("some/model", hf_id)))
    for stage, label in [("generate", "b.base"), ("finetune", "b.ins.s1"), ("generate", "b.ins.s1")]:
        assert gpu_cost.num_parameters(of(found, stage, label)) == size
    assert gpu_cost.num_parameters(of(found, "finetune", "a.ins.s1")) is None  # a toy


def test_hours_are_those_of_the_arithmetic(tmp_path):
    study = read(tmp_path, BIG)
    found = artifacts(study)
    said = gpu_cost.lines(found, {a: 84 for a in found if a.stage == "prepare"}, study.files)
    tokens = 2 * 7 * 210_112 + 2 * 5 * 400_000  # two seeds each of GSM, and of what nobody counted
    tuning = 6 * 7e9 * tokens / (989e12 * 0.4) / 3600 + 4 * 0.1
    answering = 5 * (84 * 359 / 2000 / 3600 + 0.1)
    assert (
        said[0] == f"about {tuning + answering:,.1f} hours of one H100: {tuning:,.1f} for 4 finetunes (7 M tokens), "
        f"{answering:,.1f} for 5 sets of outputs"
    )
    assert "for toy" in said[4] and said[-1].endswith(
        "not counted: 9 finetunes and sets of outputs of models whose names tell no size"
    )
    assert gpu_cost.lines([a for a in found if "b." not in a.label], {}, {}) == []


def test_tokens_of_an_epoch(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"instruction": "a", "output": "b"}\n' * 100)
    study = read(
        tmp_path,
        BIG.replace(
            "ins: {from: toy}",
            "ins: {path: rows.jsonl}\n  few: {from: gsm, first: 100}\n  res: {from: lima, empty_instructions: true}",
        ),
    )
    found = artifacts(study)
    counts = {
        arm: gpu_cost.epoch_tokens(of(found, "finetune", f"b.{arm}.s1"), study.files)
        for arm in ("ins", "few", "res", "sum")
    }
    assert counts == {"ins": 36 * 100 / 4, "few": 210_112 / 10, "res": 708_332, "sum": 210_112}


def test_epochs_that_are_chosen_are_the_middle_of_those_tried(tmp_path):
    (tmp_path / "others.json").write_text("[]")
    found = artifacts(read(tmp_path, BIG + CHOOSE))
    assert (
        gpu_cost.epochs(of(found, "finetune", "b.sum.s1")) == 7
        and gpu_cost.epochs(of(found, "finetune", "b.sum.val.epochs10")) == 10
    )
    point = artifacts(
        read(tmp_path, BIG.replace("gsm, recipe: {epochs: 7}", "gsm, recipe: {epochs: 7}, trajectory: [2]"))
    )
    assert gpu_cost.epochs(of(point, "finetune", "b.sum.s1@epoch2of7")) == 2


def test_below_an_hour_it_is_minutes_one_is_no_plural_and_parts_add_up(tmp_path):
    found = artifacts(study := read(tmp_path, STUDY.replace("some/model", "x/pythia-160m")))
    ours = [a for a in found if a.stage in ("finetune", "generate") and a.label == "b.ins.s1"]
    assert gpu_cost.lines(ours, {}, study.files)[0] == (
        "about 12 minutes of one H100: 6 for 1 finetune (2 M tokens), 6 for 1 set of outputs"
    )
    many = [a for a in found if a.label.startswith("b.") and a.stage in ("finetune", "generate")]
    said = gpu_cost.lines([*many, *many], {}, study.files)[0]
    assert said.startswith("about 1.8 hours of one H100: 0.8 for 8 finetunes ") and ", 1.0 for 10 sets of" in said
