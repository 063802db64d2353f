"""What a model that we pretrain ourselves is: its text, its shape and its optimization, all of it part of its key."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Pretrain:
    """A Llama trained for one pass over a generated corpus; the defaults make the toy study's base model."""

    corpus: Literal["toy"] = "toy"
    world: int = 0  # seed of the facts
    seed: int = 0  # of documents, first weights and block order; not of the tokenizer, which every seed of a world shares
    num_tokens: int = 2_000_000  # 0: the first weights as they are
    block_tokens: int = 128
    batch: int = 12  # blocks per optimizer step
    lr: float = 0.03  # Muon's, for the weight matrices between embedding and output
    vector_lr: float = 0.009  # AdamW's, for embeddings and norms
    warmup_steps: int = 30
    width: int = 160
    layers: int = 2
    heads: int = 4
    mlp: int = 400
    vocab: int = 1536
    max_positions: int = 512

    def num_steps(self) -> int:
        """Optimizer steps; blocks that do not fill a last batch are left out."""
        return self.num_tokens // (self.block_tokens * self.batch)

    def lr_share(self, step: int) -> float:
        """The part of the peak learning rates that optimizer step `step` (0-based) uses: warmup, linear decay, floor .02."""
        warm = min(1.0, (step + 1) / max(1, self.warmup_steps))
        return warm * max(0.02, 1.0 - step / self.num_steps())
