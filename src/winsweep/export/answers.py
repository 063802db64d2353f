"""An exported model as anyone would use it, by transformers alone: it answers as the study's answers were written."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from winsweep import cell_results
from winsweep.errors import CheckFailed, NotFound
from winsweep.export.facts import model_folder
from winsweep.study.cell import Generation, Training
from winsweep.study.frame import Message, turns
from winsweep.study.pretrain import Pretrain
from winsweep.workspace import Workspace

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def compared(workspace: Workspace, label: str, folder: Path, num: int) -> str:
    """Say that the greedy answers to the `num` instructions with the shortest answers are those of the study;
    CheckFailed shows the first that is not.
    """
    outputs = cell_results.folder(workspace, label, "generate") / "outputs.json"
    rows = sorted(json.loads(outputs.read_bytes()), key=lambda row: row["num_tokens"])[:num]
    asked = cell_results.named(workspace, label).comparison.candidate
    model, tokenizer = load(folder, asked.decoding.precision, beneath(workspace, label))
    for row in rows:
        text = answer(model, tokenizer, turns(row.get("messages") or row["instruction"]), asked)
        if text != row["output"]:
            raise CheckFailed(
                f"{folder}: answers {text[:80]!r} to {row['instruction'][:80]!r}; the study has "
                f"{row['output'][:80]!r}; in bf16, or on another device, a token may be another; else the export is "
                f"not to be used"
            )
    return f"checked:  {len(rows)} greedy answers are those of the study"


def beneath(workspace: Workspace, label: str) -> Path | None:
    """The model that adapters belong to, where a cell's model is adapters alone; NotFound where it is not here."""
    training = cell_results.training(workspace, label)
    if training.recipe.makes_model:
        return None
    source, there = training.model.source, workspace.store.published()
    if isinstance(source, Pretrain):
        found = there.get(workspace.need("pretrain", training.model).key)
    elif isinstance(source, Training):
        found = there.get(workspace.need("collect", source).key)
    else:
        found = model_folder(workspace, training.model)
    if found is None:
        raise NotFound(f"{label}: its model {training.model.name} is not on this machine; leave out --check")
    return found


def load(folder: Path, precision: str, base: Path | None = None) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """Model and tokenizer of a directory, or of the model in `base` with the adapters there, in the arithmetic of the
    study's answers, on a GPU if there is one.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    if not base:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    else:
        from winsweep.text.weights import load_whole
        from winsweep.train import quantization
        from winsweep.train.lora import wear

        model = (quantization.load if quantization.is_noted(folder) else load_whole)(base, None, dtype)
        wear(model, folder)
        model.generation_config = GenerationConfig.from_pretrained(folder)
    return model.to("cuda" if torch.cuda.is_available() else "cpu"), AutoTokenizer.from_pretrained(folder)


def answer(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", messages: list[Message], asked: Generation
) -> str:
    """The greedy answer, behind the tokenizer's chat template or, where it has none, behind the tags."""
    import torch

    if tokenizer.chat_template:
        given = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
    else:
        given = tokenizer(asked.frame.prompt(messages, tokenizer.eos_token), return_tensors="pt")
    given = given.to(model.device)
    num = given["input_ids"].shape[1]
    window = getattr(model.config, "max_position_embeddings", None) or num + asked.decoding.max_new_tokens
    most = min(asked.decoding.max_new_tokens, window - num)
    with torch.inference_mode():
        ids = model.generate(**given, max_new_tokens=most, do_sample=False)[0]
    before, whole = (tokenizer.decode(x, skip_special_tokens=True) for x in (ids[:num], ids))
    text = whole[len(before) :]
    return min((text.partition(stop)[0] for stop in asked.decoding.stop), key=len, default=text)
