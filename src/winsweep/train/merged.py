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
from winsweep.train.adapter_folder import read_adapters
from winsweep.train.collect import against_base
from winsweep.train.engine import DTYPES
from winsweep.train.lora import config_of, merge, put_on

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
    the dtype that the base was in: each sum is made in fp32 and rounded once.

    Gives counts, and how many greedy answers change by merging, of those to the first halves of `examples`. Incomplete
    and NotFinite as of `collect_adapters`, BadData for a base that lacks a weight.
    """
    done, adapters = read_adapters(finetune)
    model = load_whole(base, revision, DTYPES[done["precision"]]).eval()
    put_on(model, config_of(restore(Lora, done["lora"])), adapters, finetune)
    prompts = [prompt for example in examples[:NUM_ASKED] if (prompt := first_half(example))]
    apart = answers(model, tokenizer, prompts)
    merge(model)
    different = sum(one != other for one, other in zip(apart, answers(model, tokenizer, prompts)))
    _save(model, finetune / "hf", out)
    print(f"merging the adapters changes {different} of {len(prompts)} greedy answers", flush=True)
    return {
        "steps": done["steps"],
        "num_parameters": model.num_parameters(),
        "merged": {"answers": len(prompts), "different": different, "tokens": NUM_TOKENS},
        **against_base(out, finetune / "hf" / BASE_NAMES),
    }


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
        ids = torch.tensor([prompt])
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
    report = read_report(out, AutoConfig.from_pretrained(out, trust_remote_code=False))
    refuse(out, report.missing, report.wrong)
