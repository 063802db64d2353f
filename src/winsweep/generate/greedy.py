"""Greedy answers to a list of instructions, resumable row by row, in slots where the model allows it."""

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import torch
from transformers import AutoConfig, PreTrainedModel, PreTrainedTokenizerBase

from winsweep.generate import vllm_engine
from winsweep.generate.adapter import Rules
from winsweep.generate.compatibility import fitting
from winsweep.generate.decoder import Decoder, Prompt
from winsweep.generate.grammar import Mask, Outcome, outcomes
from winsweep.generate.model_cache import load
from winsweep.generate.plain import answer_batch
from winsweep.generate.prompts import read_prompts, refuse_first_tag
from winsweep.generate.row_log import RowLog
from winsweep.generate.rule_tokens import resolve
from winsweep.generate.sharding import Sharding
from winsweep.generate.step import Step
from winsweep.study.cell import Decoding
from winsweep.study.frame import Asked, Frame, turns
from winsweep.study.rules import Adapter, Grammar
from winsweep.text.context import known_context, refuse_rowless
from winsweep.text.encode import spelling
from winsweep.text.ends import Ends, ends_of
from winsweep.text.model import load_tokenizer

Write = Callable[[Sequence[Prompt], Set[int], Callable[[], str | None]], Iterator[tuple[int, list[int]]]]
CACHE_SHARE = 0.85  # of the GPU memory that the weights leave, for keys and values; prefills take the rest


@dataclass(frozen=True)
class Answer:
    text: str  # as written: not stripped, without special tokens
    num_tokens: int  # of the response, the token that ended it not counted
    truncated: bool  # the cap was hit before its end
    grammar: Outcome | None = None  # how it ended under one


def answer_all(
    instructions: Sequence[Asked],
    base: str,
    revision: str | None,
    decoding: Decoding,
    frame: Frame,
    adapter: Adapter | None,
    work: Path,
    progress: Callable[[int, int], None],
    stopping: Callable[[], str | None] = lambda: None,
    note: Callable[[str], None] = lambda _: None,
    expected: Sequence[float] | None = None,
    sharding: Sharding = Sharding(),
    remark: Callable[[dict[str, object]], None] = lambda _: None,
    context: int | None = None,
    lora: Path | None = None,
    grammar: Grammar | None = None,
) -> list[Answer]:
    """The greedy answer to every instruction, in their order; rows that an earlier attempt left in `work` are not made
    again.

    A prompt is never cut, and an answer ends where text.ends says, at decoding.max_new_tokens or where the model's
    context ends. Stopped within a token once `stopping()` gives a reason. BadData names an instruction whose prompt
    leaves no room in the model's context. `note` hears how answers are made, `remark` what is to be recorded of prompts
    and ends. `expected`: how long each may become, in any unit; the longest begin first, which changes no answer.
    `context`: tokens that the model may hold, if its configuration does not say; `lora`: its adapters;
    `grammar`: what each answer is to be a text of. Of a sharding each rank makes its part; only the first waits for the
    others' (Absent if they go silent), the rest return nothing.
    """
    refuse_first_tag(instructions, adapter)
    tokenizer, ends, window, write = open_engine(
        base, revision, decoding, sharding.rank, frame, adapter, note, context, lora, grammar
    )
    prompts = read_prompts(instructions, tokenizer, frame, decoding.max_new_tokens, window)
    config = AutoConfig.from_pretrained(base, revision=revision, trust_remote_code=False)
    refuse_rowless([p.ids for p in prompts], config, base)
    remark(special_tokens_in(instructions, tokenizer, frame) | {"ends": dict(ends.said)})
    order = sorted(prompts, key=lambda p: (-(expected[p.row] if expected else 0), -len(p.ids), p.row))
    with RowLog(work) as finished:
        found = finished.read()
        progress(len(found), len(prompts))
        for row, new in write(sharding.part(order), found.keys(), stopping):
            finished.add(row, new)
            found[row] = new
            progress(len(found), len(prompts))
    if sharding.rank:
        return []
    found = sharding.gather(finished, len(prompts), progress, stopping)
    made = [told(p, found[p.row], tokenizer, ends) for p in prompts]
    return held_against(grammar, made, remark) if grammar else made


def special_tokens_in(
    instructions: Sequence[Asked], tokenizer: PreTrainedTokenizerBase, frame: Frame
) -> dict[str, object]:
    """What is to be recorded of special tokens that instructions spell, said on the way."""
    special = spelling([[m["content"] for m in turns(asked)] for asked in instructions], tokenizer, frame)
    for said in special.said():
        print(f"of {len(instructions)} prompts {said}", flush=True)
    return dict(special.notes())


def open_engine(
    base: str,
    revision: str | None,
    decoding: Decoding,
    rank: int,
    frame: Frame,
    adapter: Adapter | None,
    note: Callable[[str], None],
    context: int | None = None,
    lora: Path | None = None,
    grammar: Grammar | None = None,
) -> tuple[PreTrainedTokenizerBase, Ends, int, Write]:
    """Tokenizer and context of a model, where its answers end, and what writes them. BadData where nobody says what its
    `context` is.
    """
    published = (str(lora), None) if lora else (base, revision)
    if decoding.engine == "vllm":
        engine = vllm_engine.Engine(base, revision, decoding, rank, lora)
        tokenizer = load_tokenizer(*published)
        ends = ends_of(*published, tokenizer, decoding.stop)
        note("vllm, adapters rounded to bf16" if lora and decoding.precision == "bf16" else "vllm")
        window = min(engine.window, context or engine.window)
        return (
            tokenizer,
            ends,
            window,
            lambda order, done, stopping: engine.answers(order, done, ends, adapter, frame, stopping, grammar),
        )
    model, tokenizer = load(base, revision, decoding.precision, rank, lora)
    ends = ends_of(*published, tokenizer, decoding.stop)
    return (
        tokenizer,
        ends,
        known_context(model.config, base, context),
        lambda order, done, stopping: answers(
            model, tokenizer, order, done, ends, decoding, frame, adapter, stopping, note, grammar
        ),
    )


def answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    order: Sequence[Prompt],
    done: Set[int],
    ends: Ends,
    decoding: Decoding,
    frame: Frame,
    adapter: Adapter | None,
    stopping: Callable[[], str | None],
    note: Callable[[str], None],
    grammar: Grammar | None = None,
) -> Iterator[tuple[int, list[int]]]:
    """Row and tokens of each answer but those `done`, as they come."""
    attention = model.config._attn_implementation
    try:
        step, how = fitting(model)
        note(how if step else f"batches: {how}")
        make = in_slots if step else in_batches
        yield from make(step or model, tokenizer, order, done, ends, decoding, frame, adapter, stopping, grammar)
    finally:
        model.set_attn_implementation(attention)  # whoever gets this model next finds it as it was


def in_slots(
    step: Step,
    tokenizer: PreTrainedTokenizerBase,
    order: Sequence[Prompt],
    done: Set[int],
    ends: Ends,
    decoding: Decoding,
    frame: Frame,
    adapter: Adapter | None,
    stopping: Callable[[], str | None],
    grammar: Grammar | None = None,
) -> Iterator[tuple[int, list[int]]]:
    vocab = step.model.config.get_text_config().vocab_size
    rules = None if adapter is None else resolve(adapter, tokenizer, vocab, frame)
    mask = Mask(grammar, tokenizer, vocab, ends) if grammar else None
    decoder = Decoder(step, min(decoding.batch, len(order)), ends, rules, free_bytes(step.model), mask)
    yield from decoder.answer([p for p in order if p.row not in done], stopping)


def in_batches(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    order: Sequence[Prompt],
    done: Set[int],
    ends: Ends,
    decoding: Decoding,
    frame: Frame,
    adapter: Adapter | None,
    stopping: Callable[[], str | None],
    grammar: Grammar | None = None,
) -> Iterator[tuple[int, list[int]]]:
    """In batches that are the same whatever is done already, so that bf16 does not tell how often an attempt
    was ended.
    """
    rules = None if adapter is None else Rules.for_model(model, tokenizer, adapter, frame)
    vocab = model.config.get_text_config().vocab_size
    mask = Mask(grammar, tokenizer, vocab, ends) if grammar else None
    for start in range(0, len(order), decoding.batch):
        batch = order[start : start + decoding.batch]
        if any(p.row not in done for p in batch):
            yield from answer_batch(model, tokenizer, batch, ends, rules, stopping, mask)


def free_bytes(model: PreTrainedModel) -> float:
    """What keys and values may take of a GPU's memory; on a CPU, whatever they want."""
    if model.device.type != "cuda":
        return float("inf")
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info(model.device)[0] * CACHE_SHARE


def told(prompt: Prompt, new: list[int], tokenizer: PreTrainedTokenizerBase, ends: Ends) -> Answer:
    """An answer without what ended it, as text.

    It is decoded behind its prompt, which is then taken off: alone, a SentencePiece response loses its leading space.
    """
    response = ends.without(new)
    before, whole = (
        tokenizer.decode(x, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        for x in (prompt.ids, prompt.ids + response)
    )
    text, is_cut = ends.cut(whole[len(before) :])
    return Answer(text, len(response), not (is_cut or len(response) < len(new)))


def held_against(grammar: Grammar, made: Sequence[Answer], remark: Callable[[dict[str, object]], None]) -> list[Answer]:
    """Answers with how each ended under its grammar; `remark` hears how many ended how."""
    how = outcomes(grammar, [(a.text, a.truncated) for a in made])
    remark({"grammar": {"kind": grammar.kind, **{end: how.count(end) for end in get_args(Outcome)}}})
    return [replace(a, grammar=end) for a, end in zip(made, how, strict=True)]
