"""Whether a base model is whole, and fits the frames, recipes, decodings and instructions that a study uses it with."""

import contextlib
import importlib.util
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import transformers
from transformers import AutoConfig, PreTrainedConfig, PreTrainedTokenizerBase

from winsweep import keys
from winsweep.check.finding import Finding
from winsweep.errors import Unreachable, WinsweepError
from winsweep.generate.rule_tokens import resolve
from winsweep.study.cell import HubModel
from winsweep.study.frame import Frame
from winsweep.study.rules import Adapter
from winsweep.text import hub, weights
from winsweep.text.chat import form_of
from winsweep.text.context import context_of, unsaid
from winsweep.text.encode import encode, prompt_ids
from winsweep.text.ends import ends_of
from winsweep.text.model import load_tokenizer
from winsweep.text.weights import Report

TALK = [
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": "b"},
    {"role": "user", "content": "c"},
    {"role": "assistant", "content": "d"},
]
STATE_BYTES = 12  # of a parameter in a checkpoint: fp32 and Adam's two moments


@dataclass(frozen=True)
class Looked:
    """Findings for people, and numbers for what is worked out from them."""

    findings: tuple[Finding, ...]
    facts: Mapping[str, int]


def look(base: str, revision: str | None, said: Mapping, instructions: Sequence[str] | None) -> Looked:
    """Every check of the model at `base` (a directory, or a hub id with its revision) under what is `said` of its use:
    a ModelUse in plain types.

    Of the files of weights headers alone are read. No `instructions`: they are not known yet. Nothing is raised for
    what is wrong with a model.
    """
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    try:
        folder = hub.folder_of(HubModel(base, revision)) if revision else Path(base)
        hub.refuse_outside_weights(str(folder), None)
        config = AutoConfig.from_pretrained(folder)
    except Exception as e:  # of a file of others, whatever it holds
        return Looked(
            (
                Finding(
                    "problem",
                    "configuration",
                    _line(e),
                    "give the model a config.json of a family that transformers knows, without code of its own",
                    isinstance(e, Unreachable),
                ),
            ),
            {},
        )
    found, facts = [], {}
    report = _guarded("weights", found, lambda: weights.read_report(folder, config))
    if report:
        found.append(weights_found(report))
        facts = {"num_parameters": report.num_parameters, "num_bytes": report.num_bytes}
    tokenizer = _guarded("tokenizer", found, lambda: load_tokenizer(str(folder), None))
    given = (said.get("base") or said).get("context") if isinstance(said.get("base") or said, Mapping) else None
    read = ids_of(said, tokenizer, instructions or ()) if tokenizer else []
    if tokenizer:
        found += [vocabulary(report, tokenizer, [ids for rows in read for ids in rows])] if report else []
        found += [f for f in (_guarded("end of a turn", found, lambda: ends(tokenizer, folder)), added(tokenizer)) if f]
        found += frames(said, tokenizer, config)
    found += context(config, given, said, read, bool(instructions))
    found += packages(said)
    return Looked(tuple(found), facts)


def _guarded(what: str, found: list[Finding], make):  # -> what make returns, or None
    try:
        return make()
    except Exception as e:  # of files of others, whatever they hold
        found.append(Finding("problem", what, _line(e)))
        return None


def weights_found(report: Report) -> Finding:
    wrong = weights.lacks(report.missing, report.wrong)
    if wrong:
        return Finding(
            "problem",
            "weights",
            wrong,
            "legal is a model with all of its weights, of the shapes that its config.json says; fetch it again, or "
            "correct config.json",
        )
    beside = f"; {len(report.unexpected)} more in the files belong to no part of it" if report.unexpected else ""
    return Finding("ok", "weights", f"all {report.num_parameters:,} parameters there{beside}")


def vocabulary(report: Report, tokenizer: PreTrainedTokenizerBase, read: Sequence[Sequence[int]]) -> Finding:
    """Every id that is `read` has a row, also at the output; tokens that no text of the study holds may lack one."""
    ends = {"input": report.model.get_input_embeddings(), "output": report.model.get_output_embeddings()}
    rows = min((part.weight.shape[0] for part in ends.values() if getattr(part, "weight", None) is not None), default=0)
    extra = {i: token for token, i in sorted(tokenizer.get_vocab().items(), key=lambda x: x[1]) if i >= rows}
    told = f"{max(tokenizer.get_vocab().values()) + 1:,} tokens; {rows:,} rows of its embedding"
    used = {i for ids in read for i in ids} | {
        tokenizer.eos_token_id,
        tokenizer.pad_token_id,
        tokenizer.bos_token_id,
    } - {None}
    if wanted := [extra[i] for i in sorted(used & extra.keys())]:
        return Finding(
            "problem",
            "vocabulary",
            f"{told}; no row for {some(wanted)}, which the study's texts hold",
            f"legal are tokens below {rows}; take them out of tokenizer.json, or use a model whose embedding was "
            f"enlarged for them",
        )
    beside = (
        f"; {some(list(extra.values()))} {'has' if len(extra) == 1 else 'have'} none, and no text may hold "
        f"{'it' if len(extra) == 1 else 'them'}"
        if extra
        else ""
    )
    return Finding("ok", "vocabulary", told + beside)


def some(tokens: Sequence[str]) -> str:
    return ", ".join(repr(token) for token in tokens[:3]) + (f" and {len(tokens) - 3} more" if len(tokens) > 3 else "")


def ids_of(said: Mapping, tokenizer: PreTrainedTokenizerBase, instructions: Sequence[str]) -> list[list[list[int]]]:
    """For each frame that can be written, what the model will read: the prompts, and last a conversation."""
    found = []
    for plain in said["frames"]:
        with contextlib.suppress(WinsweepError):  # said by frames()
            frame = Frame(**plain)
            found.append(
                [prompt_ids(text, tokenizer, frame) for text in instructions or ("a",)]
                + [encode(TALK, tokenizer, frame).ids]
            )
    return found


def ends(tokenizer: PreTrainedTokenizerBase, folder: Path) -> Finding:
    """What ends an answer, and who says so."""
    said = ends_of(str(folder), None, tokenizer).said
    who = {
        token: [by for by, tokens in said.items() if token in tokens and by != "ignored"]
        for by, tokens in said.items()
        for token in tokens
    }
    told = [f"{token!r} ({', '.join(by)})" for token, by in who.items() if by]
    ignored = (
        f"; ids {', '.join(said['ignored'])}, which a configuration names, are no special tokens"
        if "ignored" in said
        else ""
    )
    return Finding("ok", "end of a turn", " or ".join(told) + ignored)


def added(tokenizer: PreTrainedTokenizerBase) -> Finding:
    """What the tokenizer puts around each text."""
    bare, whole = (tokenizer("a", add_special_tokens=add)["input_ids"] for add in (False, True))
    at = next((i for i in range(len(whole) - len(bare) + 1) if whole[i : i + len(bare)] == bare), None)
    before, behind = (whole[:at], whole[at + len(bare) :]) if at is not None else ([], [])
    told = [
        f"{' '.join(tokenizer.convert_ids_to_tokens(ids))} {where} each text"
        for ids, where in ((before, "before"), (behind, "behind"))
        if ids
    ]
    told += ["nothing stands behind prompts"] if behind else []
    return Finding("ok", "added tokens", " and ".join(told) or "none")


def frames(said: Mapping, tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig) -> Iterator[Finding]:
    """Whether each frame can be written and learned from, and each rule spelled, with this tokenizer."""
    for plain in said["frames"]:
        try:
            form = form_of(Frame(**plain), tokenizer)
            form.prompt("a")
            form.masked_spans(TALK, tokenizer.eos_token)
        except WinsweepError as e:
            yield Finding("problem", "frame", _line(e))
    for adapter, plain in said["adapters"]:
        try:
            resolve(keys.restore(Adapter, adapter), tokenizer, config.get_text_config().vocab_size, Frame(**plain))
        except WinsweepError as e:
            yield Finding("problem", "rules", _line(e))


def context(
    config: PreTrainedConfig,
    given: int | None,
    said: Mapping,
    read: Sequence[Sequence[Sequence[int]]],
    instructions: bool,
) -> Iterator[Finding]:
    """The model's context against recipes, and against the prompts that are `read` if the `instructions` are known."""
    own = context_of(config)
    if given and own and given > own:
        yield Finding(
            "problem",
            "context",
            f"context: {given} in the study, and {own} in its configuration",
            f"legal is {own} or less; type context: {own}, or remove it",
        )
        return
    window = min((n for n in (own, given) if n), default=None)
    if window is None:
        yield Finding("problem" if said["decodings"] else "unknown", "context", unsaid(config))
        return
    over = [n for n in said["max_tokens"] if n > window]
    if over:
        yield Finding(
            "problem",
            "context",
            f"recipe.max_tokens {over[-1]:,}, and the model holds {window:,} tokens",
            f"legal are {window} or less; type recipe: {{max_tokens: {window}}} at the model in the study",
        )
        return
    yield Finding(
        "ok",
        "context",
        f"{window:,} tokens"
        + (f"; max_tokens {', '.join(f'{n:,}' for n in said['max_tokens'])}" if said["max_tokens"] else ""),
    )
    for rows in read if instructions else ():
        yield longest(rows[:-1], window)


def longest(prompts: Sequence[Sequence[int]], window: int) -> Finding:
    """The longest prompt in a frame."""
    most, row = max((len(ids), -i) for i, ids in enumerate(prompts))
    if most < window:
        return Finding("ok", "prompts", f"{most:,} tokens at most of {window:,}")
    return Finding(
        "problem",
        "prompts",
        f"instruction {1 - row} has {most:,} tokens with its frame, and the model holds {window:,}",
        "legal are prompts that leave room for an answer; take it out of the instructions, or use another model",
    )


def packages(said: Mapping) -> Iterator[Finding]:
    """What the engine of a decoding needs."""
    if any(d.get("engine") == "vllm" for d in said["decodings"]) and importlib.util.find_spec("vllm") is None:
        yield Finding(
            "problem",
            "vllm",
            "decoding.engine is vllm, which is not installed here",
            "type engine: slots, or install vllm as the README says",
        )


def room(store: Path, facts: Mapping[str, int]) -> Iterator[Finding]:
    """Whether the store's disk takes one finetune's state and its model; quotas are not known."""
    if "num_parameters" in facts:
        free, wanted = shutil.disk_usage(store).free, STATE_BYTES * facts["num_parameters"] + facts["num_bytes"]
        verdict, do = ("ok", "") if free > wanted else ("problem", "make room, or name a larger disk by --store")
        yield Finding(
            verdict,
            "disk",
            f"{free / 1e9:,.1f} GB free at {store}; {wanted / 1e9:,.1f} GB for one finetune's checkpoint and model",
            do,
        )


def _line(e: Exception) -> str:
    return " ".join(str(e).split()) or type(e).__name__
