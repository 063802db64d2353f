"""How a conversation becomes token ids and a loss mask (Tulu frame; Hewitt et al. 2024, section 3 and its repository)."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from winsweep.errors import BadData
from winsweep.study.frame import Frame, Message
from winsweep.study.recipe import Recipe
from winsweep.text.chat import form_of

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
    def __call__(self, text: str, add_special_tokens: bool) -> dict: ...


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

    A prefix is as long as its own tokenisation, as the newline that ends a tag line is a token of its own. (Everything up to
    and including the assistant line is masked, BOS included.) BadData where a tokenizer joins that newline to what follows.
    """
    form = form_of(frame, tokenizer)

    def ids_of(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=form.adds_special_tokens)["input_ids"]

    ids = ids_of(form.training_text(messages, tokenizer.eos_token))
    labels = list(ids)
    for start, end in form.masked_spans(messages, tokenizer.eos_token):
        begin, prefix = len(ids_of(start)) if start else 0, ids_of(end)[: len(ids)]
        if ids[: len(prefix)] != prefix:
            raise BadData(f"the tokenizer joins the end of {end[-40:]!r} to what follows, so where the response begins cannot be told; "
                          f"give frame: other tags")
        labels[begin : len(prefix)] = [MASKED] * (len(prefix) - begin)
    return Example(ids, labels)
