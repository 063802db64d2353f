"""What decides a recipe: the study, then the model, the task and the grid; presets say the rest."""

from tests.core.test_study import STUDY, keys, read


def test_a_recipe_is_the_studys_then_the_models_then_the_tasks(tmp_path):
    recipes = {c.label: c.training.recipe for c in read(tmp_path, STUDY).table.cells if c.training}
    assert (recipes["a.sum.s1"].lr, recipes["a.sum.s1"].epochs) == (1e-5, 7)
    assert (recipes["b.ins.s1"].lr, recipes["b.ins.s1"].epochs) == (3e-6, 5)


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
