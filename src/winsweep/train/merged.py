"""A finetune of adapters as one model: they are added to the weights of their base, and both are asked the same."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoConfig, GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from winsweep.keys import restore
from winsweep.store.indexes import refuse_outside
from winsweep.study.lora import Lora
from winsweep.text.encode import MASKED, Example
from winsweep.text.weights import BASE_NAMES, load_whole, read_report, refuse
from winsweep.train import quantization
from winsweep.train.adapter_folder import read_adapters
from winsweep.train.collect import against_base
from winsweep.train.engine import DTYPES
from winsweep.train.lora import config_of, merge, put_on, take_off

NUM_ASKED, NUM_TOKENS = 8, 32  # beginnings of examples, and how many tokens each is gone on with


def collect_merged(
    finetune: Path,
    base: str,
    revision: str | None,
    out: Path,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Example],
) -> dict:
    """Fill `out` with the Hugging Face directory of `base` with the adapters of `finetune` in its weights, which are in
    the dtype that the base was in: each sum is made in fp32 and rounded once. Under adapters that were trained on 4
    bits lie the numbers which those stand for.

    Gives counts, and how many greedy answers change by merging, of those to the first halves of `examples`; for 4 bits
    also how many change with the adapters on the base as it is. Incomplete and NotFinite as of `collect_adapters`,
    BadData for a base that lacks a weight, BadStudy as of `quantization.load`.
    """
    done, adapters = read_adapters(finetune)
    lora, dtype = restore(Lora, done["lora"]), DTYPES[done["precision"]]
    prompts = [prompt for example in examples[:NUM_ASKED] if (prompt := first_half(example))]
    model = load_whole(base, revision, dtype).eval()
    put_on(model, config_of(lora), adapters, finetune)
    apart = full = answers(model, tokenizer, prompts)
    if lora.quantize:
        quantized = quantization.load(base, revision, dtype).eval()
        put_on(quantized, config_of(lora), adapters, finetune)
        apart = answers(quantized, tokenizer, prompts)
        take_off(quantized)
        take_off(model)
        quantization.give_numbers(quantized, model)
        put_on(model, config_of(lora), adapters, finetune)
    merge(model)
    notes = {"merged": _told("merging the adapters", apart, answers(model, tokenizer, prompts))}
    notes |= {"full_base": _told("the base as it was before 4 bits", apart, full)} if lora.quantize else {}
    _save(model, finetune / "hf", out)
    return {
        "steps": done["steps"],
        "num_parameters": model.num_parameters(),
        **notes,
        **against_base(out, finetune / "hf" / BASE_NAMES),
    }


def _told(what: str, one: Sequence[Sequence[int]], other: Sequence[Sequence[int]]) -> dict[str, int]:
    """How many answers differ, which is also printed."""
    different = sum(a != b for a, b in zip(one, other))
    print(f"{what} changes {different} of {len(one)} greedy answers", flush=True)
    return {"answers": len(one), "different": different, "tokens": NUM_TOKENS}


def first_half(example: Example) -> list[int]:
    """The tokens of an example up to the middle of what is learned of it; none where nothing is."""
    learned = [at for at, label in enumerate(example.labels) if label != MASKED]
    return example.ids[: learned[len(learned) // 2]] if learned else []


@torch.inference_mode()
def answers(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Sequence[int]]
) -> list[list[int]]:
    """How `model` goes on with each prompt by itself, greedily."""
    how = GenerationConfig(
        do_sample=False,
        max_new_tokens=NUM_TOKENS,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    found = []
    for prompt in prompts:
        ids = torch.tensor([prompt], device=model.device)
        made = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=how, use_cache=True)
        found.append(made[0, len(prompt) :].tolist())
    return found


def _save(model: PreTrainedModel, around: Path, out: Path) -> None:
    shutil.copytree(around, out, dirs_exist_ok=True)
    (out / BASE_NAMES).unlink(missing_ok=True)
    model.save_pretrained(out, max_shard_size="5GB", save_original_format=True)
    for name in ("config.json", "generation_config.json"):  # as they were saved beside the finetune
        shutil.copyfile(around / name, out / name)
    refuse_outside(out)
    report = read_report(out, AutoConfig.from_pretrained(out))
    refuse(out, report.missing, report.wrong)
