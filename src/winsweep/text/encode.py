"""How a conversation becomes token ids and a loss mask (Tulu frame; Hewitt et al. 2024, section 3 and its repository)."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from winsweep.errors import BadData
from winsweep.frame import Frame, Message
from winsweep.recipe import Recipe

MASKED = -100


class Example(NamedTuple):
    """One training row: `ids` as the model reads them, `labels` equal to ids where the loss counts, MASKED elsewhere."""

    ids: list[int]
    labels: list[int]


@dataclass(frozen=True)
class Encoded:
    """The rows that can be learned from, and how many were cut short or left nothing to learn."""

    examples: list[Example]
    num_truncated: int
    num_dropped: int

    def counts(self) -> dict[str, int]:
        return {"num_examples": len(self.examples), "num_truncated": self.num_truncated, "num_dropped": self.num_dropped}

    def summary(self) -> str:
        return (f"{len(self.examples)} examples; {self.num_truncated} cut at the token limit, so without EOS; "
                f"{self.num_dropped} dropped, as the cut left no response token")


class Tokenizer(Protocol):
    eos_token: str
    def __call__(self, text: str) -> dict: ...


def encode_all(rows: list[list[Message]], tokenizer: Tokenizer, frame: Frame, recipe: Recipe) -> Encoded:
    """Every row as an Example, in order; rows over recipe.max_tokens are cut and counted, or refused where the recipe says so.

    BadData if nothing is left, or if a row is too long and recipe.long_examples is "refuse".
    """
    full = [encode(messages, tokenizer, frame) for messages in rows]
    long = [i for i, e in enumerate(full) if len(e.ids) > recipe.max_tokens]
    if long and recipe.long_examples == "refuse":
        raise BadData(f"example {long[0] + 1}: {len(full[long[0]].ids)} tokens, and {len(long) - 1} more over the limit; the recipe allows "
                      f"{recipe.max_tokens}; raise recipe.max_tokens, or type long_examples: truncate")
    cut = [Example(e.ids[: recipe.max_tokens], e.labels[: recipe.max_tokens]) for e in full]
    kept = [e for e in cut if any(label != MASKED for label in e.labels[1:])]
    if not kept:
        raise BadData(f"none of the {len(rows)} examples has a response token within {recipe.max_tokens} tokens; raise recipe.max_tokens")
    return Encoded(kept, len(long), len(cut) - len(kept))


def encode(messages: list[Message], tokenizer: Tokenizer, frame: Frame) -> Example:
    """Ids of the whole conversation; the loss covers each response and its EOS.

    A prefix is as long as its own tokenisation, which is exact because the newline that ends a tag line is a token of
    its own (everything up to and including the assistant line is masked, BOS included).
    """
    ids = tokenizer(frame.training_text(messages, tokenizer.eos_token))["input_ids"]
    labels = list(ids)
    for start, end in frame.masked_spans(messages, tokenizer.eos_token):
        begin = len(tokenizer(start)["input_ids"]) if start else 0
        for i in range(begin, min(len(tokenizer(end)["input_ids"]), len(ids))):
            labels[i] = MASKED
    return Example(ids, labels)
