"""With adapters on, packed examples get the gradient that each would get alone; adapters go on and come off; losses are
those of peft with the Trainer of transformers.
"""

import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, PreTrainedModel, Trainer, TrainerCallback, TrainingArguments

from tests.train.test_packed import CPU, GROUPED, WINDOWED, alone, tiny
from tests.train.world import World, make_examples
from winsweep.errors import BadData
from winsweep.study.lora import Lora
from winsweep.study.recipe import Recipe
from winsweep.train import lora, varlen
from winsweep.train.batch_schedule import BatchSchedule
from winsweep.train.loss import packed_loss
from winsweep.train.order import step_rows

MODELS = [GROUPED, WINDOWED, ("gpt_neox", {})]


def adapted(name: str, more: dict, wanted: Lora) -> PreTrainedModel:
    """A tiny model in float64 whose adapters are no longer as they began: B is not 0."""
    model = tiny(name, **more)
    lora.attach(model, wanted, 5)
    generator = torch.Generator().manual_seed(6)
    for parameter in lora.trained(model).values():
        parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return model


def gradient(model: PreTrainedModel) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in lora.trained(model).values()])


@pytest.mark.parametrize(("name", "more"), MODELS, ids=[name for name, _ in MODELS])
def test_the_gradient_of_a_packed_step_is_that_of_one_by_one(name: str, more: dict) -> None:
    examples, wanted = make_examples(16, seed=4), Lora(rank=3, alpha=5.0)
    one, packed = adapted(name, more, wanted), adapted(name, more, wanted)
    for row in examples:
        alone(one, row).backward()
    assert varlen.prepare(packed, packed, CPU) == ""  # asked with its adapters on
    schedule = BatchSchedule(examples, Recipe(global_batch=16), 1, 2, True, 40)
    step = schedule.step(0)
    assert len(step.grid) > 1
    for rank in range(2):
        for batch in schedule.batches(step, rank):
            packed_loss(packed, batch).backward()
    assert (gradient(packed) - gradient(one)).norm() <= 1e-12 * gradient(one).norm()
    assert all(p.grad is None for name, p in packed.named_parameters() if "lora_" not in name)


def test_dropout_is_of_adapters_alone_and_ends_with_training() -> None:
    model = adapted(*GROUPED, Lora(rank=3, dropout=0.5))
    ids = torch.arange(12)[None]
    first, other = (model(input_ids=ids).logits for _ in range(2))
    assert not torch.equal(first, other)
    model.eval()
    assert torch.equal(model(input_ids=ids).logits, model(input_ids=ids).logits)


def test_a_model_is_as_before_once_its_adapters_are_off() -> None:
    model = tiny(*GROUPED[:1], **GROUPED[1])
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    lora.attach(model, Lora(rank=3), 5)
    assert set(lora.trained(model)) == {name for name, _ in model.named_parameters() if "lora_" in name}
    lora.take_off(model)
    after = model.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(before[name], after[name]) for name in before)


def test_adapters_of_another_model_are_refused() -> None:
    model, config = tiny("llama", num_key_value_heads=2), lora.config_of(Lora(rank=3))
    lora.attach(model, Lora(rank=3), 5)
    weights = {lora.file_name(name): p.detach() for name, p in lora.trained(model).items()}
    lora.take_off(model)
    name = next(iter(weights))
    with pytest.raises(BadData, match=r"q_proj.lora_A.weight has shape \[3, 31\] and the model wants \[3, 32\]"):
        lora.put_on(model, config, weights | {name: weights[name][:, 1:]}, Path("folder"))


class Rows(torch.utils.data.Dataset):
    """The rows in the order in which a run takes them."""

    def __init__(self, recipe: Recipe, num_steps: int) -> None:
        examples = make_examples(22)
        self.rows = [examples[row] for step in range(num_steps) for row in step_rows(22, recipe, 7, step)]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: int) -> dict:
        return {"input_ids": torch.tensor(self.rows[at].ids), "labels": torch.tensor(self.rows[at].labels)}


class Losses(TrainerCallback):
    def __init__(self) -> None:
        self.found: list[float] = []

    def on_log(self, args: object, state: object, control: object, logs: dict, **more: object) -> None:
        self.found += [logs["loss"]] if "loss" in logs else []


def trained_by_peft(base: Path, recipe: Recipe, num_steps: int, folder: Path) -> list[float]:
    """The loss of each step of peft's model under the Trainer of transformers, one row at a time: its loss is then the
    mean over rows of the mean over tokens.
    """
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    torch.manual_seed(7)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(model, config)
    args = TrainingArguments(
        folder,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=recipe.global_batch,
        max_steps=num_steps,
        learning_rate=recipe.lr,
        lr_scheduler_type="constant",
        max_grad_norm=recipe.clip_norm,
        logging_steps=1,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
        train_sampling_strategy="sequential",
    )
    trainer = Trainer(model, args, train_dataset=Rows(recipe, num_steps), callbacks=[seen := Losses()])
    trainer.model_accepts_loss_kwargs = False  # or its loss would be the mean over all tokens of a step
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the Trainer's own
        trainer.train()
    return seen.found


@pytest.mark.filterwarnings("ignore")  # peft's and the Trainer's own
def test_losses_are_those_of_peft_with_the_trainer(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe(
        lr=1e-2,
        epochs=10,
        global_batch=6,
        clip_norm=0.3,
        precision="fp32",
        accumulate="across_epochs",
        schedule_ticks=1,
    )
    monkeypatch.setattr(Recipe, "lr_at", lambda self, step, num: self.lr)
    recipe = replace(recipe, lora=Lora(rank=4, alpha=8))
    world = World(tmp_path / "ours", model, "zero2", 1, recipe, micro_tokens=60).done()
    theirs = trained_by_peft(model, recipe, 20, tmp_path / "theirs")
    assert len(theirs) == 20 and world.losses()[:20] == pytest.approx(theirs, rel=1e-5)
    assert theirs[-1] < theirs[0] - 0.1
