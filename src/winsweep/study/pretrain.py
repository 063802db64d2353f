"""What a model that we pretrain ourselves is: its text, its shape and its optimization, all of it part of its key."""

from dataclasses import dataclass
from typing import Literal

from winsweep.errors import BadStudy
from winsweep.strict import number


@dataclass(frozen=True)
class Pretrain:
    """A Llama trained for one pass over a generated corpus; the defaults make the toy study's base model.

    BadStudy where the numbers make no model or no optimizer step.
    """

    corpus: Literal["toy"] = "toy"  #: generated text that it is trained on
    world: int = 0  #: seed of the facts
    #: seed of documents, first weights and block order; not of the tokenizer, which every seed of a world shares.
    #: The models of 0 and 1 come with winsweep where all else is the default; any other is trained for minutes
    seed: int = number(0, 0)
    num_tokens: int = number(2_000_000, 0)  #: length of the training; 0: the first weights as they are [tokens]
    block_tokens: int = number(128, 2)  #: length of a block; at most `max_positions` [tokens]
    batch: int = number(12, 1)  #: blocks per optimizer step [blocks]
    lr: float = number(0.03, 0)  #: Muon's peak learning rate, for the weight matrices between embedding and output
    vector_lr: float = number(0.009, 0)  #: AdamW's peak learning rate, for embeddings and norms
    warmup_steps: int = number(30, 0)  #: steps of linear warmup [optimizer steps]
    width: int = number(160, 2)  #: hidden size; a multiple of twice `heads`
    layers: int = number(2, 1)  #: transformer layers
    heads: int = number(4, 1)  #: attention heads
    mlp: int = number(400, 1)  #: inner size of the MLP
    vocab: int = number(1536, 259)  #: size of the vocabulary; 256 bytes and 3 special tokens at least [tokens]
    max_positions: int = number(512, 2)  #: context length [tokens]

    def __post_init__(self) -> None:
        step_tokens = self.block_tokens * self.batch
        if 0 < self.num_tokens < step_tokens:
            raise BadStudy(
                f"pretrain.num_tokens: found {self.num_tokens}; one step takes {step_tokens}; type 0, or {step_tokens} "
                f"or more"
            )
        if self.width % (2 * self.heads):
            raise BadStudy(
                f"pretrain.width: found {self.width}; multiples of {2 * self.heads} are legal, an even number for each "
                f"of the "
                f"{self.heads} heads; type {max(1, self.width // (2 * self.heads)) * 2 * self.heads}"
            )
        if self.block_tokens > self.max_positions:
            raise BadStudy(
                f"pretrain.block_tokens: found {self.block_tokens}; legal is max_positions or less; type "
                f"{self.max_positions}"
            )

    def num_steps(self) -> int:
        """Optimizer steps; blocks that do not fill a last batch are left out."""
        return self.num_tokens // (self.block_tokens * self.batch)

    def linear(self) -> dict[str, tuple[int, int]]:
        """Outputs and inputs of each linear module of a layer, by its name in it."""
        attention = {f"self_attn.{name}_proj": (self.width, self.width) for name in "qkvo"}
        inner = {f"mlp.{name}_proj": (self.mlp, self.width) for name in ("gate", "up")}
        return attention | inner | {"mlp.down_proj": (self.width, self.mlp)}

    def lr_share(self, step: int) -> float:
        """The part of the peak learning rates that optimizer step `step` (0-based) uses: warmup, linear decay, floor
        .02.
        """
        warm = min(1.0, (step + 1) / max(1, self.warmup_steps))
        return warm * max(0.02, 1.0 - step / self.num_steps())
