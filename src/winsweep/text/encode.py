"""How a conversation becomes token ids and a loss mask (Tulu frame; Hewitt et al. 2024, section 3 and its
repository).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

from winsweep.errors import BadData, BadStudy
from winsweep.study.frame import Asked, Frame, Message, turns
from winsweep.study.recipe import Recipe
from winsweep.text.chat import ChatTemplate, form_of
from winsweep.text.special_tokens import Controls, controls_of

MASKED = -100


class Example(NamedTuple):
    """One training row: `ids` as the model reads them, `labels` equal to ids where the loss counts, MASKED
    elsewhere.
    """

    ids: list[int]
    labels: list[int]


@dataclass(frozen=True)
class Spelling:
    """Where ids are not those that the tokenizer, left to itself, would make of the texts, as the paper's code leaves
    it.
    """

    num_spelled: int = 0  # texts that spell a special token, which is text here and was the token there
    left_off: str = ""  # what the tokenizer puts behind every text, and here does not

    def notes(self) -> dict[str, object]:
        """For a record: only what there is to say."""
        return ({"num_spelling_control_pieces": self.num_spelled} if self.num_spelled else {}) | (
            {"left_off": self.left_off} if self.left_off else {}
        )

    def said(self) -> list[str]:
        spelled = f"{self.num_spelled} spell a special token, read as text (the paper's code reads it as the token)"
        return [
            *([spelled] if self.num_spelled else []),
            *([f"the tokenizer puts {self.left_off} behind every text; left off"] if self.left_off else []),
        ]


@dataclass(frozen=True)
class Encoded:
    """The rows that can be learned from, and how many were cut short or left nothing to learn."""

    examples: Sequence[Example]
    num_truncated: int
    num_dropped: int
    spelling: Spelling = Spelling()

    def counts(self) -> dict[str, object]:
        counted = {
            "num_examples": len(self.examples),
            "num_truncated": self.num_truncated,
            "num_dropped": self.num_dropped,
        }
        return counted | self.spelling.notes()

    def summary(self) -> str:
        said = (
            f"{len(self.examples)} examples; {self.num_truncated} cut at the token limit, so without EOS; "
            f"{self.num_dropped} dropped, as the cut left no response token"
        )
        return "; ".join([said, *self.spelling.said()])


class Encoding:
    """Rows become Examples one after the other, none of which is held, and what is to be said of them all is counted.

    Rows over recipe.max_tokens are cut and counted, or refused where the recipe says so.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, frame: Frame, recipe: Recipe) -> None:
        self.tokenizer, self.frame, self.recipe = tokenizer, frame, recipe
        self.num_rows = self.num_long = self.num_kept = self.num_spelled = 0
        self.first_long = ""

    def kept(self, rows: Iterable[list[Message]]) -> Iterator[Example]:
        """The examples that can be learned from, in order."""
        form = form_of(self.frame, self.tokenizer)
        controls, most = controls_in(form, self.tokenizer), self.recipe.max_tokens
        for number, messages in enumerate(rows, start=1):
            self.num_rows = number
            self.num_spelled += controls.in_any(m["content"] for m in messages)
            full = _encoded(number, messages, self.tokenizer, self.frame)
            if len(full.ids) > most:
                self.first_long = self.first_long or f"example {number}: {len(full.ids)} tokens"
                self.num_long += 1
            cut = Example(full.ids[:most], full.labels[:most])
            if any(label != MASKED for label in cut.labels[1:]):
                self.num_kept += 1
                yield cut

    def whole(self, examples: Sequence[Example]) -> Encoded:
        """What is to be said once all rows are encoded. BadData if nothing is left, or if a row is too long and
        recipe.long_examples is "refuse".
        """
        if self.num_long and self.recipe.long_examples == "refuse":
            raise BadData(
                f"{self.first_long}, and {self.num_long - 1} more over the limit; the recipe allows "
                f"{self.recipe.max_tokens}; raise recipe.max_tokens, or type long_examples: truncate"
            )
        if not self.num_kept:
            raise BadData(
                f"none of the {self.num_rows} examples has a response token within {self.recipe.max_tokens} tokens; "
                f"raise recipe.max_tokens"
            )
        said = Spelling(self.num_spelled, _left_off(self.tokenizer, self.frame))
        return Encoded(examples, self.num_long, self.num_rows - self.num_kept, said)


def encode_all(
    rows: Iterable[list[Message]], tokenizer: PreTrainedTokenizerBase, frame: Frame, recipe: Recipe
) -> Encoded:
    """Every row as an Example, in order, all of them held; see Encoding."""
    encoding = Encoding(tokenizer, frame, recipe)
    return encoding.whole(list(encoding.kept(rows)))


def _encoded(number: int, messages: list[Message], tokenizer: PreTrainedTokenizerBase, frame: Frame) -> Example:
    try:
        return encode(messages, tokenizer, frame)
    except BadStudy as e:
        raise BadStudy(f"{e} (example {number})") from e


def encode(messages: list[Message], tokenizer: PreTrainedTokenizerBase, frame: Frame) -> Example:
    """Ids of the whole conversation; the loss covers each response that is learned, and its EOS. A special token
    spelled in a text is text.

    A prefix is as long as its own tokenisation, as the newline that ends a tag line is a token of its own. (Everything
    up to and including the assistant line is masked, BOS included.) BadData where a tokenizer joins that newline to
    what follows.
    """
    form = form_of(frame, tokenizer)
    controls = controls_in(form, tokenizer)
    messages = [{**m, "content": controls.guard(m["content"])} for m in messages]
    ids = controls.ids(form.training_text(messages, tokenizer.eos_token), form.adds_special_tokens)
    labels = list(ids)
    for start, end in form.masked_spans(messages, tokenizer.eos_token):
        begin = len(controls.ids(start, form.adds_special_tokens)) if start else 0
        prefix = controls.ids(end, form.adds_special_tokens)[: len(ids)]
        if ids[: len(prefix)] != prefix:
            raise BadData(
                f"the tokenizer joins the end of {end[-40:]!r} to what follows, so where the response begins cannot be "
                f"told; "
                f"give frame: other tags"
            )
        labels[begin : len(prefix)] = [MASKED] * (len(prefix) - begin)
    return Example(ids, labels)


def prompt_ids(asked: Asked, tokenizer: PreTrainedTokenizerBase, frame: Frame) -> list[int]:
    """Ids of the prompt for an instruction or a conversation, as every engine reads it: a special token spelled in it
    is text, and no EOS stands behind it.
    """
    form = form_of(frame, tokenizer)
    controls = controls_in(form, tokenizer)
    guarded: list[Message] = [{**m, "content": controls.guard(m["content"])} for m in turns(asked)]
    return controls.ids(form.prompt(guarded, tokenizer.eos_token), form.adds_special_tokens)


def spelling(rows: Iterable[list[str]], tokenizer: PreTrainedTokenizerBase, frame: Frame) -> Spelling:
    """What is to be said of the texts of each row."""
    controls = controls_in(form_of(frame, tokenizer), tokenizer)
    return Spelling(sum(controls.in_any(texts) for texts in rows), _left_off(tokenizer, frame))


def _left_off(tokenizer: PreTrainedTokenizerBase, frame: Frame) -> str:
    form = form_of(frame, tokenizer)
    appended = controls_in(form, tokenizer).appended
    return "".join(tokenizer.convert_ids_to_tokens(appended)) if form.adds_special_tokens else ""


def controls_in(form: Frame | ChatTemplate, tokenizer: PreTrainedTokenizerBase) -> Controls:
    return form.controls if isinstance(form, ChatTemplate) else controls_of(tokenizer)
