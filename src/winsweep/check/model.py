"""Whether a base model is whole, and its context and disk have room for what a study does with it."""

import contextlib
import importlib.util
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from transformers import AutoConfig, PreTrainedConfig, PreTrainedTokenizerBase

from winsweep.check import fits
from winsweep.check.adapters import adapters
from winsweep.check.finding import Finding, guarded, one_line
from winsweep.check.time_limit import at_most
from winsweep.check.tokenizer import TOKENIZER, fit, ids_of
from winsweep.errors import Unreachable, WinsweepError
from winsweep.generate import vllm_engine
from winsweep.study.cell import HubModel
from winsweep.study.frame import Asked
from winsweep.text import hub, weights
from winsweep.text.chat import end_of_turn_ids
from winsweep.text.context import context_of, unsaid
from winsweep.text.model import load_tokenizer
from winsweep.text.weights import Report
from winsweep.text.whole_model import refuse_adapters
from winsweep.train import memory

MODEL_S, TEMPLATE_S = 60.0, 3.0  # of processor time, for what takes a few seconds and some thousandths of one
TEXT_S = 0.1  # the same for a text that is read, which takes a hundredth of it
CONFIG = (
    "legal is a config.json of a causal language model that transformers makes with what is installed here; correct "
    "its field, install what is named, or fetch the model again"
)
FAMILY = "give the model a config.json of a family that transformers knows, without code of its own"
STATE_BYTES = 12  # of a parameter in a checkpoint: fp32 and Adam's two moments


@dataclass(frozen=True)
class Looked:
    """Findings for people, and numbers for what is worked out from them."""

    findings: tuple[Finding, ...]
    facts: Mapping[str, int]


def look(base: str, revision: str | None, said: Mapping, instructions: Sequence[Asked] | None) -> Looked:
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
        refuse_adapters(folder)
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except Exception as e:  # of a file of others, whatever it holds
        return Looked(
            (
                Finding(
                    "problem",
                    "configuration",
                    one_line(e),
                    "" if isinstance(e, WinsweepError) else FAMILY,
                    isinstance(e, Unreachable),
                ),
            ),
            {},
        )
    found: list[Finding] = []
    facts: dict[str, int] = {}
    report = guarded("weights", found, lambda: _report(folder, config), CONFIG)
    if report:
        found.append(weights_found(report))
        told, sizes = adapters(report.model, said.get("loras", ()))
        found += told
        facts = {"num_parameters": report.num_parameters, "num_bytes": report.num_bytes, **sizes, **token_bytes(config)}
    tokenizer = guarded("tokenizer", found, lambda: _tokenizer(folder), TOKENIZER)
    given = (said.get("base") or said).get("context") if isinstance(said.get("base") or said, Mapping) else None
    read = guarded("tokenizer", found, lambda: _read(said, tokenizer, instructions), TOKENIZER)
    if tokenizer and read is not None:
        found += fit(report, tokenizer, config, folder, said, read, instructions or ())
    found += context(config, given, said, read or (), bool(instructions))
    found += packages(said, config)
    return Looked(tuple(found), facts)


def _report(folder: Path, config: PreTrainedConfig) -> Report:
    with at_most(MODEL_S, f"building the model of {folder / 'config.json'} without numbers"):
        return weights.read_report(folder, config)


def _tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer, whose chat template ends."""
    with at_most(MODEL_S, f"the tokenizer of {folder}"):
        tokenizer = load_tokenizer(str(folder), None)
    with at_most(TEMPLATE_S, f"the chat template of {folder}"):
        end_of_turn_ids(tokenizer)
    return tokenizer


def _read(
    said: Mapping, tokenizer: PreTrainedTokenizerBase | None, instructions: Sequence[Asked] | None
) -> list[list[list[int]]]:
    if tokenizer is None:
        return []
    num = len(instructions or ()) * len(said["frames"])
    with at_most(MODEL_S + TEXT_S * num, "reading the study's texts with its tokenizer"):
        return ids_of(said, tokenizer, instructions or ())


def token_bytes(config: PreTrainedConfig) -> dict[str, int]:
    """Bytes of activations that a token takes in bf16, by the level of recomputation; none of a model that does not
    run without numbers.
    """
    with contextlib.suppress(Exception):  # it is only for what is worked out from it
        found = memory.bytes_by_level(config, torch.bfloat16)
        return {f"token_bytes_{level}": round(num) for level, num in found.items()}
    return {}


def weights_found(report: Report) -> Finding:
    """Whether every weight that the configuration asks for is there and has its shape."""
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


def context(
    config: PreTrainedConfig,
    given: int | None,
    said: Mapping,
    read: Sequence[Sequence[Sequence[int]]],
    instructions: bool,
) -> Iterator[Finding]:
    """The model's context against recipes, and against the prompts that are `read` if the `instructions` are known."""
    own = context_of(config)
    if wrong := fits.tokens(own, given, said["max_tokens"]):
        yield wrong
        return
    window = min((n for n in (own, given) if n), default=None)
    if window is None:
        yield Finding("problem" if said["decodings"] else "unknown", "context", unsaid(config))
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


def packages(said: Mapping, config: PreTrainedConfig) -> Iterator[Finding]:
    """What 4 bits and the engine of a decoding need, and whether it puts adapters on this model where it is to."""
    if any(lora.get("quantize") for lora in said.get("loras", ())) and importlib.util.find_spec("bitsandbytes") is None:
        yield Finding(
            "problem",
            "bitsandbytes",
            "recipe.lora.quantize is nf4, and bitsandbytes is not installed here",
            "type pip install bitsandbytes, or take quantize: out of the recipe",
        )
    if not any(d.get("engine") == "vllm" for d in said["decodings"]):
        return
    if importlib.util.find_spec("vllm") is None:
        yield Finding(
            "problem",
            "vllm",
            "decoding.engine is vllm, which is not installed here",
            "type engine: slots, or install vllm as docs/how_to/vllm.md says",
        )
    elif said.get("vllm_adapters") and vllm_engine.takes_adapters(config) is False:
        yield Finding(
            "problem",
            "vllm",
            f"decoding.engine is vllm, which puts no adapters on {' '.join(config.architectures or ())}",
            "type engine: slots, or recipe: {lora: {merge: true}} for one model",
        )


def room(store: Path, facts: Mapping[str, int]) -> Iterator[Finding]:
    """Whether the store's disk takes one finetune's state and its model; quotas are not known."""
    if "num_parameters" in facts:
        free, wanted = shutil.disk_usage(store).free, STATE_BYTES * facts["num_parameters"] + facts["num_bytes"]
        told = f"{free / 1e9:,.1f} GB free at {store}; {wanted / 1e9:,.1f} GB for one finetune's checkpoint and model"
        if free > wanted:
            yield Finding("ok", "disk", told)
        else:
            yield Finding("problem", "disk", told, "make room, or name a larger disk by --store")
