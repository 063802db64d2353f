"""A recipe's arithmetic: the learning rates and step counts of the paper's runs, and what its two presets say."""

import dataclasses

import pytest
import torch
from transformers import get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

from winsweep.study.recipe import PRESETS, Recipe

SETS = {"lima": 1030, "gsm": 1000, "poetry": 571, "mbpp": 374}
REFERENCE = {"linear": get_linear_schedule_with_warmup, "cosine": get_cosine_schedule_with_warmup}


def as_accelerate_does(recipe: Recipe, num_examples: int, num_steps: int, processes: int) -> list[float]:
    """A scheduler made before the loader is split over `processes`, and moved on by each of them after every optimizer step."""
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


@pytest.mark.parametrize("epochs", [5, 7, 15, 20])
@pytest.mark.parametrize("num_examples", SETS.values())
@pytest.mark.parametrize(("preset", "processes"), [("as_run", 2), ("as_written", 1)])
def test_learning_rates_are_those_of_the_reference(preset, processes, num_examples, epochs):
    recipe = dataclasses.replace(PRESETS[preset], epochs=epochs)
    num_steps = recipe.num_steps(num_examples)
    found = [recipe.lr_at(step, num_examples) for step in range(num_steps)]
    assert found == pytest.approx(as_accelerate_does(recipe, num_examples, num_steps, processes), rel=1e-12, abs=1e-20)
    assert max(found) <= recipe.lr == 1e-5 and found[0] == 0.0


@pytest.mark.parametrize(("name", "steps"), [("lima", 17), ("gsm", 16), ("poetry", 9), ("mbpp", 6)])
def test_optimizer_steps_of_the_paper(name, steps):
    for epochs in (5, 7, 10, 15, 20):
        assert Recipe(epochs=epochs).num_steps(SETS[name]) == steps * epochs


@pytest.mark.parametrize(("name", "epochs", "warmup"), [("lima", 15, 7), ("lima", 5, 2), ("gsm", 7, 3), ("mbpp", 7, 1)])
def test_warmup_of_the_paper(name, epochs, warmup):
    """Whole optimizer steps of warmup: so many have a rate below the peak before the first that has not grown."""
    recipe = Recipe(epochs=epochs)
    rates = [recipe.lr_at(step, SETS[name]) for step in range(recipe.num_steps(SETS[name]))]
    assert rates.index(max(rates)) == warmup


def test_the_learning_rate_of_lima_ends_early():
    recipe = Recipe(epochs=15)
    rates = [recipe.lr_at(step, 1030) for step in range(recipe.num_steps(1030))]
    assert len(rates) == 255 and [i for i, rate in enumerate(rates) if rate == 0.0] == [0, *range(248, 255)]


def test_a_cosine_stays_at_zero_where_the_reference_would_rise_again():
    recipe = Recipe(epochs=15, schedule="cosine")
    assert {recipe.lr_at(step, 1030) for step in range(248, 255)} == {0.0} and recipe.lr_at(247, 1030) > 0.0


def test_what_the_presets_say():
    run, written = PRESETS["as_run"], PRESETS["as_written"]
    assert run == Recipe() and run.divisor(6) == 64 and written.divisor(6) == 6
    differ = {f.name for f in dataclasses.fields(Recipe) if getattr(run, f.name) != getattr(written, f.name)}
    assert differ == {"schedule", "warmup_ratio", "schedule_ticks", "loss", "short_step", "clip_norm"}
    assert (written.schedule, written.warmup_ratio, written.loss, written.clip_norm) == ("cosine", 0.1, "example_sum", 0.0)
