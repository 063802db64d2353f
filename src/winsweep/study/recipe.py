"""How a model is finetuned, in the quantities that change the numbers, and the arithmetic that follows from them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from winsweep.keys import worked_out_once
from winsweep.strict import number


@worked_out_once
@dataclass(frozen=True)
class Recipe:
    """Every field is part of a finetune's key; the defaults are the published runs of Hewitt et al. 2024 (preset as_run)."""

    lr: float = number(1e-5, 0)
    epochs: int = number(5, 1)
    global_batch: int = number(64, 1)  # examples per optimizer step, over all ranks and accumulation
    max_tokens: int = number(2048, 2)  # longer examples lose their end, EOS included
    long_examples: Literal["truncate", "refuse"] = "truncate"
    schedule: Literal["linear", "cosine"] = "linear"  # decay to 0 over the whole run
    warmup_ratio: float = number(0.03, 0, 1)  # share of the schedule's ticks, rounded down; the first step has learning rate 0
    schedule_ticks: int = number(2, 1)  # ticks of the schedule in an optimizer step; 1: the schedule fits the run exactly
    loss: Literal["example_mean", "example_sum"] = "example_mean"  # over the tokens of an example; always the mean over examples
    short_step: Literal["divide_by_batch", "divide_by_rows"] = "divide_by_batch"  # the mean of an epoch's last, short step
    clip_norm: float = number(1.0, 0)  # of the global gradient; 0: no clipping
    weight_decay: float = number(0.0, 0)
    beta1: float = number(0.9, 0, 1)
    beta2: float = number(0.999, 0, 1)
    eps: float = number(1e-8, 0)
    precision: Literal["fp32", "bf16"] = "bf16"

    def steps_per_epoch(self, num_examples: int) -> int:
        """Optimizer steps in an epoch; the last, short batch still takes a step."""
        return math.ceil(num_examples / self.global_batch)

    def num_steps(self, num_examples: int, stop_after_epochs: int | None = None) -> int:
        """Optimizer steps of the run, or of its first epochs."""
        return (stop_after_epochs or self.epochs) * self.steps_per_epoch(num_examples)

    def num_ticks(self, num_examples: int) -> int:
        """Length of the schedule: that of `schedule_ticks` processes that count their own steps before the rows are split among them.

        So with 2 ticks an epoch of 1,030 rows has 33 of them, but 17 steps move the schedule by 34: it ends before the run does.
        """
        return self.epochs * math.ceil(num_examples * self.schedule_ticks / self.global_batch)

    def lr_at(self, step: int, num_examples: int) -> float:
        """Learning rate of optimizer step `step` (0-based): from 0 to `lr` over the warmup, to 0 at the schedule's end, then 0.

        The numbers of transformers' get_linear_ and get_cosine_schedule_with_warmup, which accelerate moves on after each step.
        """
        tick, total = step * self.schedule_ticks, self.num_ticks(num_examples)
        warmup = int(total * self.warmup_ratio)
        if tick < warmup:
            return self.lr * (tick / warmup)
        if self.schedule == "linear":
            return self.lr * max(0.0, (total - tick) / max(1, total - warmup))
        return self.lr * 0.5 * (1.0 + math.cos(math.pi * min(1.0, (tick - warmup) / max(1, total - warmup))))

    def divisor(self, num_rows: int) -> int:
        """What the summed loss of a step of `num_rows` examples is divided by."""
        return self.global_batch if self.short_step == "divide_by_batch" else num_rows


PRESETS: Mapping[str, Recipe] = MappingProxyType({
    "as_run": Recipe(),  # what the paper's repository does, with 2 processes
    "as_written": Recipe(schedule="cosine", warmup_ratio=0.1, schedule_ticks=1, loss="example_sum", short_step="divide_by_rows",
                         clip_norm=0.0),  # what the paper says, the loss in equations 1 and 2; it mentions no clipping
})
