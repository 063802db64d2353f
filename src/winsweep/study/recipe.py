"""How a model is finetuned, in the quantities that change the numbers, and the arithmetic that follows from them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from winsweep import keys
from winsweep.keys import added, worked_out_once
from winsweep.strict import number
from winsweep.study.lora import Lora

MOST_DECAY = 0.99999  # of a moment: at 1 it would never change, and AdamW refuses it


@worked_out_once
@dataclass(frozen=True)
class Recipe:
    """Every field is part of a finetune's key; a study that names no preset has as_run, the published runs of Hewitt et
    al. 2024.
    """

    lr: float = number(1e-5, 0)  #: peak learning rate
    epochs: int = number(5, 1)  #: passes over the training rows [epochs]
    global_batch: int = number(64, 1)  #: examples per optimizer step, over all ranks and accumulation [examples]
    max_tokens: int = number(2048, 2)  #: length of an example; a longer one loses its end, EOS included [tokens]
    #: examples longer than `max_tokens`: cut, or refused with an error
    long_examples: Literal["truncate", "refuse"] = "truncate"
    schedule: Literal["linear", "cosine"] = "linear"  #: decay of the learning rate to 0 over the whole run
    #: share of the schedule that is warmup, rounded down; the first step has learning rate 0 [share]
    warmup_ratio: float = number(0.03, 0, 1)
    #: processes that move the schedule on, each after each step; 1: the schedule fits the run exactly [processes]
    schedule_ticks: int = number(2, 1, 65536)
    #: over the tokens of an example: mean or sum; over examples it is always the mean
    loss: Literal["example_mean", "example_sum"] = "example_mean"
    #: what the loss of an epoch's last, short step is divided by: the whole batch, or its own rows
    short_step: Literal["divide_by_batch", "divide_by_rows"] = "divide_by_batch"
    clip_norm: float = number(1.0, 0)  #: limit of the global gradient norm; 0: no clipping
    weight_decay: float = number(0.0, 0)  #: AdamW's weight decay
    beta1: float = number(0.9, 0, MOST_DECAY)  #: AdamW's decay of the first moment
    beta2: float = number(0.999, 0, MOST_DECAY)  #: AdamW's decay of the second moment
    eps: float = number(1e-8, 0)  #: AdamW's term against division by zero
    precision: Literal["fp32", "bf16"] = "bf16"  #: arithmetic of forward and backward passes
    #: `within_epochs`: an epoch's last rows take a short step. `across_epochs`: they wait for the next epoch's, no step
    #: is short, and the run's last rows, too few for a step, are not used; each of the `schedule_ticks` processes has
    #: as many rows, for which an epoch may repeat its first
    accumulate: Literal["within_epochs", "across_epochs"] = added("within_epochs")
    order: Literal["seed", "constant"] = added("seed")  #: order of the rows: the seed's, or the same for every seed
    lora: Lora | None = added(None)  #: low-rank adapters that are trained in place of all weights

    @property
    def makes_model(self) -> bool:
        """Whether what is collected is a model by itself, and not adapters that belong to another."""
        return self.lora is None or self.lora.merge

    def rows_per_epoch(self, num_examples: int) -> int:
        """Rows that an epoch gives to steps: more than there are where steps go across epochs and its processes would
        not have equally many.
        """
        processes = self.schedule_ticks if self.accumulate == "across_epochs" else 1
        return processes * math.ceil(num_examples / processes)

    def num_steps(self, num_examples: int, stop_after_epochs: int | None = None) -> int:
        """Optimizer steps of the run, or of its first epochs; 0 where steps go across epochs and all rows together do
        not fill one.
        """
        epochs, rows = stop_after_epochs or self.epochs, self.rows_per_epoch(num_examples)
        return (
            epochs * rows // self.global_batch
            if self.accumulate == "across_epochs"
            else epochs * math.ceil(rows / self.global_batch)
        )

    def num_unused(self, num_examples: int) -> int:
        """The run's last rows that no step is made of."""
        return (
            self.epochs * self.rows_per_epoch(num_examples) % self.global_batch
            if self.accumulate == "across_epochs"
            else 0
        )

    def scheduler_steps_before(self, step: int, num_examples: int) -> int:
        """Ticks of the schedule before optimizer step `step` (0-based).

        Across epochs, the schedule moves on when a step is due within an epoch and at its end, as accelerate's does,
        and so runs ahead of the steps that DeepSpeed counts.
        """
        if self.accumulate == "within_epochs":
            return step * self.schedule_ticks
        rows = self.rows_per_epoch(num_examples)
        epoch, place = divmod((step + 1) * self.global_batch - 1, rows)  # of the step's last row
        return self.schedule_ticks * (epoch * math.ceil(rows / self.global_batch) + place // self.global_batch)

    def num_scheduler_steps(self, num_examples: int) -> int:
        """Length of the schedule: that of `schedule_ticks` processes that count their own steps before the rows are
        split among them.

        So with 2 ticks an epoch of 1,030 rows has 33 of them, but 17 steps move the schedule by 34: it ends before the
        run does.
        """
        return self.epochs * math.ceil(num_examples * self.schedule_ticks / self.global_batch)

    def lr_at(self, step: int, num_examples: int) -> float:
        """Learning rate of optimizer step `step` (0-based): from 0 to `lr` over the warmup, to 0 at the schedule's end,
        then 0.

        The numbers of transformers' get_linear_ and get_cosine_schedule_with_warmup, which accelerate moves on after
        each step.
        """
        done, total = self.scheduler_steps_before(step, num_examples), self.num_scheduler_steps(num_examples)
        warmup = int(total * self.warmup_ratio)
        if done < warmup:
            return self.lr * (done / warmup)
        if self.schedule == "linear":
            return self.lr * max(0.0, (total - done) / max(1, total - warmup))
        return self.lr * 0.5 * (1.0 + math.cos(math.pi * min(1.0, (done - warmup) / max(1, total - warmup))))

    def divisor(self, num_rows: int) -> int:
        """What the summed loss of a step of `num_rows` examples is divided by."""
        return self.global_batch if self.short_step == "divide_by_batch" else num_rows


# what to change where training ends in NaN or infinity and nobody knows the recipe
CALMER = "lower recipe.lr or weight_decay, or take clip_norm, beta1, beta2 and eps out of the recipe"


def calmer(recipe: Recipe) -> str:
    """What of this recipe to change where its training ends in NaN or infinity: the learning rate, or what else decides
    how large a step is and is not as by default.
    """
    usual = Recipe()
    deciding = ("weight_decay", "clip_norm", "beta1", "beta2", "eps")
    names = [name for name in deciding if getattr(recipe, name) != getattr(usual, name)]
    other = [f"recipe.{name} {getattr(recipe, name):g} (by default {getattr(usual, name):g})" for name in names]
    return f"lower recipe.lr ({recipe.lr:g})" + "".join(f", or change {one}" for one in other)


def restore(value: Mapping[str, Any]) -> Recipe:
    """The recipe whose plain form is `value`, without what is in no key."""
    lora = {"lora": keys.restore(Lora, value["lora"])} if value.get("lora") else {}
    return Recipe(**{**value, **lora})


PRESETS: Mapping[str, Recipe] = MappingProxyType(
    {
        "as_run": Recipe(accumulate="across_epochs"),  # what the paper's repository does, with 2 processes
        "as_written": Recipe(
            schedule="cosine",
            warmup_ratio=0.1,
            schedule_ticks=1,
            loss="example_sum",
            short_step="divide_by_rows",
            clip_norm=0.0,
        ),  # what the paper says, the loss in equations 1 and 2; it mentions no clipping
    }
)
