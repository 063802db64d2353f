"""Greedy answers to a list of instructions: batched, cached, left-padded, resumable batch by batch.

Shape suffixes: B rows, T tokens.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, BatchEncoding, GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase, StoppingCriteria

from winsweep.cell import Adapter, Decoding
from winsweep.errors import BadData, Stopped
from winsweep.frame import Frame
from winsweep.generate.adapter import Rules
from winsweep.manifest import kept
from winsweep.text.chat import form_of
from winsweep.text.model import load_tokenizer

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Answer:
    text: str  # as written: not stripped, without special tokens
    num_tokens: int  # of the response, EOS not counted
    truncated: bool  # the cap was hit before EOS


def answer_all(instructions: list[str], base: str, revision: str | None, decoding: Decoding, frame: Frame, adapter: Adapter | None,
               work: Path, progress: Callable[[int, int], None], stopping: Callable[[], str | None] = lambda: None) -> list[Answer]:
    """The greedy answer to every instruction, in their order; batches that an earlier attempt left in `work` are not made again.

    A prompt is never cut, and an answer ends at EOS, at decoding.max_new_tokens or where the model's context ends. Stopped within
    a token once `stopping()` gives a reason. BadData names an instruction whose prompt leaves no room in the model's context.
    """
    model, tokenizer = load(base, revision, decoding.precision)
    form = form_of(frame, tokenizer)
    lengths = [len(tokenizer(form.prompt(text), add_special_tokens=form.adds_special_tokens)["input_ids"]) for text in instructions]
    window = model.config.max_position_embeddings
    refuse_long(lengths, window, instructions)
    caps = [min(decoding.max_new_tokens, window - n) for n in lengths]
    rules = None if adapter is None else Rules.for_model(model, tokenizer, adapter, frame)
    answers: dict[int, Answer] = {}
    for rows in batches(lengths, decoding.batch):
        def make() -> list[dict]:
            prompts = [form.prompt(instructions[i]) for i in rows]
            prompt = tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=form.adds_special_tokens)
            return [asdict(a) for a in answer_batch(model, tokenizer, prompt, [caps[i] for i in rows], rules, stopping)]

        answers |= {i: Answer(**told) for i, told in zip(rows, kept(work / f"batch-{rows[0]:06d}.json", make), strict=True)}
        progress(len(answers), len(instructions))
    return [answers[i] for i in range(len(instructions))]


def load(base: str, revision: str | None, precision: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model and tokenizer, ready to generate, on the GPU if there is one.

    The model's own generation settings are dropped: some ship a repetition penalty, and early OLMo another token as EOS.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = load_tokenizer(base, revision)  # first, as it says what to do where the hub refuses
    model = AutoModelForCausalLM.from_pretrained(base, revision=revision, dtype=DTYPES[precision])
    model.generation_config = GenerationConfig()
    return model.to(device).eval(), tokenizer


def refuse_long(lengths: list[int], window: int, instructions: list[str]) -> None:
    for i, length in enumerate(lengths):
        if length >= window:
            raise BadData(f"instruction {i + 1} ({instructions[i][:60]!r}…): its prompt has {length} tokens and the model's context "
                          f"holds {window}, with no room for an answer; remove it from the instruction set or use another model")


def batches(lengths: list[int], size: int) -> list[list[int]]:
    """Row numbers in groups of `size`, longest prompts first; always the same for the same rows."""
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    return [order[i : i + size] for i in range(0, len(order), size)]


@torch.inference_mode()
def answer_batch(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompt: BatchEncoding, caps: list[int], rules: Rules | None,
                 stopping: Callable[[], str | None]) -> list[Answer]:
    """The greedy answers to a padded batch of prompts, row b cut after caps[b] tokens; in fp32 no answer depends on the others."""
    prompt = prompt.to(model.device)
    ids_BT = model.generate(input_ids=prompt["input_ids"], attention_mask=prompt["attention_mask"], do_sample=False, num_beams=1,
                            max_new_tokens=max(caps), eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
                            logits_processor=[rules] if rules else [], stopping_criteria=[Watch(stopping)])
    start = prompt["input_ids"].shape[1]
    return [cut(ids[:start].tolist(), ids[start:].tolist(), cap, tokenizer) for ids, cap in zip(ids_BT, caps, strict=True)]


class Watch(StoppingCriteria):
    """Ends generation by raising Stopped once `stopping()` gives a reason; the batch under way is made again by the next attempt."""

    def __init__(self, stopping: Callable[[], str | None]) -> None:
        self.stopping = stopping

    def __call__(self, ids_BT: torch.Tensor, scores: object, **_: object) -> torch.Tensor:
        if reason := self.stopping():
            raise Stopped(reason)
        return torch.zeros(len(ids_BT), dtype=torch.bool, device=ids_BT.device)


def cut(prompt: list[int], ids: list[int], cap: int, tokenizer: PreTrainedTokenizerBase) -> Answer:
    """A row's response up to its EOS or its cap.

    It is decoded behind its prompt, which is then taken off: alone, a SentencePiece response loses its leading space.
    """
    response = ids[:cap]
    ended = tokenizer.eos_token_id in response
    if ended:
        response = response[: response.index(tokenizer.eos_token_id)]
    before, whole = (tokenizer.decode(x, skip_special_tokens=True, clean_up_tokenization_spaces=False) for x in (prompt, prompt + response))
    return Answer(whole[len(before) :], len(response), not ended)
