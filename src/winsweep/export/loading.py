"""The lines of Python that load an exported model, whole or as adapters, where it lies."""

import json

from winsweep.export.facts import Facts

MODEL = """\
from transformers import AutoModelForCausalLM, AutoTokenizer

name = {name}  # on the hub, or a directory
tokenizer = AutoTokenizer.from_pretrained(name)
model = AutoModelForCausalLM.from_pretrained(name, dtype="{precision}")"""
ADAPTED = """\
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

name = {name}  # on the hub, or a directory
base = {base}
tokenizer = AutoTokenizer.from_pretrained(name)
model = AutoModelForCausalLM.from_pretrained({where}, dtype="{precision}")
model.generation_config = GenerationConfig.from_pretrained(name)
model = PeftModel.from_pretrained(model, name).eval()"""


def is_on_hub(told: Facts) -> bool:
    """Whether the model that adapters belong to is a model of the hub."""
    return bool(told.base.hf_id) and not told.worn_by


def loading(told: Facts, name: str, precision: str) -> str:
    """The lines that load the tokenizer and the model."""
    if not told.is_adapter:
        return MODEL.format(name=json.dumps(name), precision=precision)
    hub = is_on_hub(told)
    base = json.dumps(told.base.hf_id) if hub else '"DIRECTORY"  # of the model that the adapters belong to'
    where = f"base, revision={json.dumps(told.base.revision)}" if hub else "base"
    return ADAPTED.format(name=json.dumps(name), base=base, where=where, precision=precision)
