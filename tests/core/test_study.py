"""Study files: what they ask for, and which keys that gives."""

import dataclasses
import itertools
import random

import pytest
import yaml

from tests.core.small_study import STUDY, keys, read
from winsweep.placement import Placement
from winsweep.study import analysis, cell
from winsweep.study.rules import Adapter


def test_a_judges_files_are_read_once_for_all_cells(tmp_path):
    """Ten thousand cells would otherwise read them ten thousand times."""
    config = tmp_path / "configs.yaml"
    (tmp_path / "prompt.txt").write_text("<|im_start|>user\n{instruction} {output_1} {output_2}<|im_end|>")
    config.write_text(
        f"mine: {{prompt_template: {tmp_path}/prompt.txt, fn_completions: openai_completions, completions_kwargs: "
        f"{{model_name: m, max_tokens: 9}}, "
        "completion_parser_kwargs: {outputs_to_match: {1: a, 2: b}}}"
    )
    study = read(tmp_path, STUDY.replace("reference_overlap", f"{{from: alpaca, config: {config}}}"))
    keys(study)
    config.unlink()
    assert len(keys(study)) == 12


def test_the_grid_is_models_by_arms_by_seeds(tmp_path):
    labels = [c.label for c in read(tmp_path, STUDY).table.cells]
    assert labels == [f"{m}.{t}.s{s}" for m, t, s in itertools.product("ab", ("base", "ins", "sum"), (1, 2))]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{rules: [eos]}", {}),
        ("{preset: as_run, rules: [eos]}", {}),
        (
            "{preset: as_written, rules: [eos]}",
            {"eos_past_window": "grow", "diversity_scope": "response", "tag_match": "first"},
        ),
        (
            "{preset: as_written, rules: [eos], tag_match: last, eos_window: 9}",
            {"eos_past_window": "grow", "diversity_scope": "response", "eos_window": 9},
        ),
    ],
)
def test_an_adapter_starts_from_a_preset_and_explicit_fields_win(tmp_path, written, meant):
    adapter = read(tmp_path, STUDY.replace("{rules: []}", written)).table.cells[0].comparison.candidate.adapter
    what = dict(adapter.uniform).get("What")
    assert dataclasses.replace(adapter, uniform=()) == Adapter(rules=("eos",), **meant) and what == (
        -3.0 if "as_written" in written else None
    )


def test_a_recipe_is_the_studys_then_the_models_then_the_tasks(tmp_path):
    recipes = {c.label: c.training.recipe for c in read(tmp_path, STUDY).table.cells if c.training}
    assert (recipes["a.sum.s1"].lr, recipes["a.sum.s1"].epochs) == (1e-5, 7)
    assert (recipes["b.ins.s1"].lr, recipes["b.ins.s1"].epochs) == (3e-6, 5)


def test_a_cell_is_compared_with_the_reference_of_its_model_and_seed(tmp_path):
    for c in read(tmp_path, STUDY).table.cells:
        reference = c.comparison.reference
        assert reference.name == f"{c.model}.ins.s{c.seed}" and reference.model.seed == c.seed


def test_an_untrained_arm_is_generated_once_and_compared_with_every_seed(tmp_path):
    made = keys(read(tmp_path, STUDY))
    shared = made["a.base.s1"] & made["a.base.s2"]
    assert {k.split("/")[0] for k in shared} == {"pretrain", "prepare", "generate"}


def test_reordering_the_yaml_moves_no_key(tmp_path):
    def shuffled(value, rng):
        if not isinstance(value, dict):
            return value
        names = rng.sample(list(value), len(value))
        return {n: shuffled(value[n], rng) for n in names}

    before = keys(read(tmp_path, STUDY))
    for seed in range(20):
        text = yaml.safe_dump(shuffled(yaml.safe_load(STUDY), random.Random(seed)), sort_keys=False)
        assert keys(read(tmp_path, text)) == before


def test_adding_a_cell_moves_no_other_key(tmp_path):
    before = keys(read(tmp_path, STUDY))
    for old, new in [
        ("seeds: [1, 2]", "seeds: [0, 1, 2, 3]"),
        ("  sum: {", "  poem: {from: toy, kinds: [poem]}\n  sum: {"),
        ("  a: {", "  c: {pretrain: {seed: 1}}\n  a: {"),
    ]:
        after = keys(read(tmp_path, STUDY.replace(old, new)))
        assert len(after) > len(before) and {label: after[label] for label in before} == before


def test_renaming_a_model_moves_no_key(tmp_path):
    before, after = keys(read(tmp_path, STUDY)), keys(read(tmp_path, STUDY.replace("  a: {", "  z: {")))
    assert after["z.sum.s1"] == before["a.sum.s1"]


def test_a_path_may_begin_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home/mine.jsonl").write_text('{"instruction": "a", "output": "b"}\n')
    study = read(tmp_path, STUDY.replace("tasks:\n", "tasks:\n  mine: {path: ~/mine.jsonl}\n", 1))
    assert not study.missing and tmp_path / "home/mine.jsonl" in study.files.values()


def test_moving_a_data_file_moves_no_key_and_changing_it_moves_it(tmp_path):
    (tmp_path / "d").mkdir()
    text = STUDY.replace("ins: {from: toy}", "ins: {path: rows.jsonl}")
    (tmp_path / "rows.jsonl").write_text('{"instruction": "a", "output": "b"}\n')
    before = keys(read(tmp_path, text))
    (tmp_path / "rows.jsonl").rename(tmp_path / "d" / "moved.jsonl")
    assert keys(read(tmp_path, text.replace("rows.jsonl", "d/moved.jsonl"))) == before
    (tmp_path / "rows.jsonl").write_text('{"instruction": "a", "output": "c"}\n')
    assert keys(read(tmp_path, text))["a.ins.s1"] != before["a.ins.s1"]


def test_every_identity_field_moves_a_key_and_no_placement_field_is_one(tmp_path):
    """Placement shares no field with what a key is made from; names for people are the only fields left out."""
    identity = [
        t
        for module in (cell, analysis)
        for t in vars(module).values()
        if dataclasses.is_dataclass(t) and t.__module__ == module.__name__
    ]
    named = {
        (t.__name__, f.name) for t in identity for f in dataclasses.fields(t) if not f.metadata.get("identity", True)
    }
    assert {name for _, name in named} == {"name", "evaluation"}  # what is looked at meanwhile decides no weight
    recipe = {f.name for f in dataclasses.fields(type(read(tmp_path, STUDY).table.cells[2].training.recipe))}
    assert not recipe & {f.name for f in dataclasses.fields(Placement)}
    before = keys(read(tmp_path, STUDY))["a.ins.s1"]
    for field, value in {
        "lr": "2.0e-5",
        "epochs": "6",
        "global_batch": "32",
        "max_tokens": "64",
        "schedule": "cosine",
        "warmup_ratio": "0.1",
        "clip_norm": "0.5",
        "weight_decay": "0.1",
        "beta1": "0.8",
        "beta2": "0.9",
        "eps": "1.0e-7",
        "precision": "fp32",
        "long_examples": "refuse",
        "schedule_ticks": "1",
        "loss": "example_sum",
        "short_step": "divide_by_rows",
        "accumulate": "within_epochs",
        "order": "constant",
        "lora": "{rank: 8}",
    }.items():
        text = STUDY.replace("recipe: {lr: 1.0e-5, epochs: 5, global_batch: 64}", f"recipe: {{{field}: {value}}}")
        assert keys(read(tmp_path, text))["a.ins.s1"] != before, field
        recipe.discard(field)
    assert not recipe


def test_a_grid_crosses_recipe_values(tmp_path):
    study = read(tmp_path, STUDY.replace("seeds: [1, 2]", "seeds: [1]\ngrid: {epochs: [5, 10], lr: [1.0e-5, 2.0e-5]}"))
    grid = {
        c.label: (c.training.recipe.epochs, c.training.recipe.lr)
        for c in study.table.cells
        if c.training and c.model == "a"
    }
    assert len(grid) == 8 and grid["a.ins.s1.epochs10.lr2e-05"] == (10, 2e-5)
    assert [c.label for c in study.table.cells if not c.training] == ["a.base.s1", "b.base.s1"]
    other = next(c for c in study.table.cells if c.label == "a.sum.s1.epochs10.lr2e-05").comparison.reference
    assert other.model.recipe.epochs == 10


def test_the_papers_tasks_are_names(tmp_path):
    """Without a path each comes from its pinned file of the hub; response tuning is LIMA under another key."""
    text = STUDY.replace("ins: {from: toy}", "ins: {from: lima}\n  res: {from: lima, empty_instructions: true}")
    for name in ("gsm", "mbpp", "poetry", "recipes", "chess"):
        text = text.replace("  sum: {", f"  {name}: {{from: {name}}}\n  sum: {{")
    made = {
        c.task: c.training.task for c in read(tmp_path, text).table.cells if c.training and c.label.startswith("a.")
    }
    assert {name: getattr(task.data, "hf_id", None) for name, task in made.items()} == {
        "ins": "GAIR/lima",
        "res": "GAIR/lima",
        "gsm": "openai/gsm8k",
        "mbpp": "google-research-datasets/mbpp",
        "poetry": "merve/poetry",
        "recipes": "Hieu-Pham/kaggle_food_recipes",
        "chess": "patrickfrank1/chess-pgn-games",
        "sum": None,
    }
    assert made["res"].empty_instructions and made["ins"].options == made["res"].options


def test_other_tags_and_templates_are_other_keys(tmp_path):
    """Of what is trained and generated, not of what is prepared."""
    frames = ("", "frame: {user: <|A|>, assistant: <|B|>}", "frame: {template: chat}")
    made = [keys(read(tmp_path, f"{STUDY}{frame}\n"))["b.ins.s1"] for frame in frames]
    assert {k.partition("/")[0] for k in made[0] & made[1] & made[2]} == {"prepare"}
    assert all({k.partition("/")[0] for k in a & b} == {"prepare"} for a, b in itertools.combinations(made, 2))
    assert keys(read(tmp_path, STUDY + "frame: {template: tags}\n"))["b.ins.s1"] == made[0]


def recipes(folder, text: str) -> dict:
    return {c.label: c.training.recipe for c in read(folder, text).table.cells if c.training and c.model == "a"}


def test_a_preset_says_what_nobody_else_does(tmp_path):
    """Whoever names the preset, what is written out in any layer stands; the preset itself is no part of a key."""
    written = STUDY.replace("recipe: {lr: 1.0e-5", "recipe: {preset: as_written, warmup_ratio: 0.2, lr: 1.0e-5")
    found = recipes(tmp_path, written)["a.sum.s1"]
    assert (found.schedule, found.warmup_ratio, found.loss, found.epochs) == ("cosine", 0.2, "example_sum", 7)
    assert (
        recipes(tmp_path, written.replace("recipe: {epochs: 7}", "recipe: {epochs: 7, preset: as_run}"))[
            "a.sum.s1"
        ].loss
        == "example_mean"
    )
    plain = keys(read(tmp_path, STUDY))
    assert (
        keys(read(tmp_path, STUDY.replace("recipe: {lr", "recipe: {preset: as_run, lr")))
        == plain
        != keys(read(tmp_path, written))
    )


def test_presets_can_be_crossed(tmp_path):
    found = recipes(tmp_path, STUDY.replace("seeds: [1, 2]", "seeds: [1]\ngrid: {preset: [as_run, as_written]}"))
    assert {label: r.schedule for label, r in found.items() if ".ins." in label} == {
        "a.ins.s1.presetas_run": "linear",
        "a.ins.s1.presetas_written": "cosine",
    }
