"""How a model is finetuned, in the quantities that change the numbers, and the arithmetic that follows from them."""

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Recipe:
    """Every field is part of a finetune's key; the defaults are the paper's runs (method.md section 2, as run)."""

    lr: float = 1e-5
    epochs: int = 5
    global_batch: int = 64  # examples per optimizer step, over all ranks and accumulation
    max_tokens: int = 2048  # longer examples lose their end, EOS included
    long_examples: Literal["truncate", "refuse"] = "truncate"
    schedule: Literal["linear", "cosine"] = "linear"  # decay to 0 over the whole run
    warmup_ratio: float = 0.03  # share of the steps, rounded down
    loss: Literal["example_mean"] = "example_mean"  # token mean within an example, mean over examples
    clip_norm: float = 1.0
    weight_decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
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
