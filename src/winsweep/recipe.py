"""How a model is finetuned, in the quantities that change the numbers, and the arithmetic that follows from them."""

import math
from dataclasses import dataclass
from typing import Literal

from winsweep.strict import number


@dataclass(frozen=True)
class Recipe:
    """Every field is part of a finetune's key; the defaults are the paper's runs (method.md section 2, as run)."""

    lr: float = number(1e-5, 0)
    epochs: int = number(5, 1)
    global_batch: int = number(64, 1)  # examples per optimizer step, over all ranks and accumulation
    max_tokens: int = number(2048, 2)  # longer examples lose their end, EOS included
    long_examples: Literal["truncate", "refuse"] = "truncate"
    schedule: Literal["linear", "cosine"] = "linear"  # decay to 0 over the whole run
    warmup_ratio: float = number(0.03, 0, 1)  # share of the steps, rounded down
    loss: Literal["example_mean"] = "example_mean"  # token mean within an example, mean over examples
    clip_norm: float = number(1.0, 0)  # of the global gradient; 0: no clipping
    weight_decay: float = number(0.0, 0)
    beta1: float = number(0.9, 0, 1)
    beta2: float = number(0.999, 0, 1)
    eps: float = number(1e-8, 0)
    precision: Literal["fp32", "bf16"] = "bf16"

    def steps_per_epoch(self, num_examples: int) -> int:
        """Optimizer steps in an epoch; the last, short batch still takes a step."""
        return math.ceil(num_examples / self.global_batch)

    def num_steps(self, num_examples: int) -> int:
        return self.epochs * self.steps_per_epoch(num_examples)

    def lr_at(self, step: int, num_steps: int) -> float:
        """Learning rate of optimizer step `step` (0-based) of `num_steps`: linear warmup to `lr`, then decay to 0."""
        warmup = int(self.warmup_ratio * num_steps)
        if step < warmup:
            return self.lr * (step + 1) / (warmup + 1)
        done = (step - warmup) / max(1, num_steps - warmup)
        shape = 1.0 - done if self.schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * done))
        return self.lr * shape
