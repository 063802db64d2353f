"""A recipe's arithmetic: the learning rates and step counts of the paper's runs, and what its two presets say."""

import dataclasses

import pytest
import torch
from transformers import get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

from winsweep.study.recipe import PRESETS, Recipe, calmer

SETS = {"lima": 1030, "gsm": 1000, "poetry": 571, "mbpp": 374}
REFERENCE = {"linear": get_linear_schedule_with_warmup, "cosine": get_cosine_schedule_with_warmup}


def as_accelerate_does(recipe: Recipe, num_examples: int, num_steps: int, processes: int) -> list[float]:
    """A scheduler made before the loader is split over `processes`, and moved on by each of them after every optimizer
    step.
    """
    adam = torch.optim.AdamW([torch.zeros(1, requires_grad=True)], lr=recipe.lr)
    accumulation = recipe.global_batch // processes
    total = recipe.epochs * -(-num_examples // accumulation)
    schedule, rates = REFERENCE[recipe.schedule](adam, int(total * recipe.warmup_ratio), total), []
    for _ in range(num_steps):
        rates.append(adam.param_groups[0]["lr"])
        adam.step()
        for _ in range(processes):
            schedule.step()
    return rates


WITHIN = {
    "as_run": dataclasses.replace(PRESETS["as_run"], accumulate="within_epochs"),
    "as_written": PRESETS["as_written"],
}


@pytest.mark.parametrize("epochs", [5, 7, 15, 20])
@pytest.mark.parametrize("num_examples", SETS.values())
@pytest.mark.parametrize(("preset", "processes"), [("as_run", 2), ("as_written", 1)])
def test_learning_rates_within_epochs_are_those_of_the_reference(preset, processes, num_examples, epochs):
    recipe = dataclasses.replace(WITHIN[preset], epochs=epochs)
    num_steps = recipe.num_steps(num_examples)
    found = [recipe.lr_at(step, num_examples) for step in range(num_steps)]
    assert found == pytest.approx(as_accelerate_does(recipe, num_examples, num_steps, processes), rel=1e-12, abs=1e-20)
    assert max(found) <= recipe.lr == 1e-5 and found[0] == 0.0


@pytest.mark.parametrize(
    ("num", "epochs", "steps"),
    [
        (1030, 15, 241),
        (1030, 5, 80),
        (1030, 7, 112),
        (1029, 15, 241),
        (1029, 7, 112),
        (374, 15, 87),
        (374, 7, 40),
        (1000, 7, 109),
        (571, 15, 134),
        (571, 5, 44),
        (1000, 20, 312),
        (1000, 15, 234),
        (103, 5, 8),
        (128, 5, 10),
    ],
)
def test_optimizer_steps_of_the_paper(num, epochs, steps):
    assert dataclasses.replace(PRESETS["as_run"], epochs=epochs).num_steps(num) == steps


@pytest.mark.parametrize(("name", "steps"), [("lima", 17), ("gsm", 16), ("poetry", 9), ("mbpp", 6)])
def test_optimizer_steps_within_epochs(name, steps):
    for epochs in (5, 7, 10, 15, 20):
        assert Recipe(epochs=epochs).num_steps(SETS[name]) == steps * epochs


def test_the_learning_rates_of_the_paper_s_trainer_for_103_rows():
    recipe = dataclasses.replace(PRESETS["as_run"], lr=1.0)
    assert [recipe.lr_at(step, 103) for step in range(8)] == pytest.approx([1.0, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1])
    assert recipe.num_unused(103) == 8 and Recipe().num_unused(103) == 0


def test_steps_within_epochs_learn_more_of_lima():
    """255 steps instead of 241, and 5.8 % more learning rate in all."""
    run, within = (dataclasses.replace(r, epochs=15) for r in (PRESETS["as_run"], WITHIN["as_run"]))
    sums = [sum(recipe.lr_at(step, 1030) for step in range(recipe.num_steps(1030))) for recipe in (run, within)]
    assert sums[1] / sums[0] == pytest.approx(1.058, abs=5e-4)


@pytest.mark.parametrize("accumulate", ["within_epochs", "across_epochs"])
@pytest.mark.parametrize(("name", "epochs", "warmup"), [("lima", 15, 7), ("lima", 5, 2), ("gsm", 7, 3), ("mbpp", 7, 1)])
def test_warmup_of_the_paper(name, epochs, warmup, accumulate):
    """Whole optimizer steps of warmup: so many have a rate below the peak before the first that has not grown."""
    recipe = Recipe(epochs=epochs, accumulate=accumulate)
    rates = [recipe.lr_at(step, SETS[name]) for step in range(recipe.num_steps(SETS[name]))]
    assert rates.index(max(rates)) == warmup


def test_the_learning_rate_of_lima_ends_early_within_epochs():
    recipe = Recipe(epochs=15)
    rates = [recipe.lr_at(step, 1030) for step in range(recipe.num_steps(1030))]
    assert len(rates) == 255 and [i for i, rate in enumerate(rates) if rate == 0.0] == [0, *range(248, 255)]


def test_a_cosine_stays_at_zero_where_the_reference_would_rise_again():
    recipe = Recipe(epochs=15, schedule="cosine")
    assert {recipe.lr_at(step, 1030) for step in range(248, 255)} == {0.0} and recipe.lr_at(247, 1030) > 0.0


def test_what_the_presets_say():
    run, written = PRESETS["as_run"], PRESETS["as_written"]
    assert run == Recipe(accumulate="across_epochs") and run.divisor(6) == 64 and written.divisor(6) == 6
    differ = {f.name for f in dataclasses.fields(Recipe) if getattr(run, f.name) != getattr(written, f.name)}
    assert differ == {"schedule", "warmup_ratio", "schedule_ticks", "loss", "short_step", "clip_norm", "accumulate"}
    assert (written.schedule, written.warmup_ratio, written.loss, written.clip_norm) == (
        "cosine",
        0.1,
        "example_sum",
        0.0,
    )


def test_what_makes_a_training_calmer_is_what_it_has_otherwise_than_usual():
    assert calmer(Recipe(lr=2e-5)) == "lower recipe.lr (2e-05)"
    told = calmer(Recipe(weight_decay=1e9, beta1=0.5, beta2=0.2))
    assert "or change recipe.weight_decay 1e+09 (by default 0), or change recipe.beta1 0.5 (by default 0.9)" in told
    assert told.endswith("or change recipe.beta2 0.2 (by default 0.999)") and "eps" not in told
    assert "recipe.clip_norm 0 (by default 1)" in calmer(PRESETS["as_written"])
