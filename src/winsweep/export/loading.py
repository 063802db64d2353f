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
from transformers import AutoModelForCausalLM, AutoTokenizer, {also}GenerationConfig

name = {name}  # on the hub, or a directory
base = {base}
tokenizer = AutoTokenizer.from_pretrained(name)
{how}model = AutoModelForCausalLM.from_pretrained({where}, dtype="{precision}"{quantized})
model.generation_config = GenerationConfig.from_pretrained(name)
model = PeftModel.from_pretrained(model, name).eval()"""
IN_4_BITS = """\
how = BitsAndBytesConfig(
    load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype="{precision}"
)  # as the base was when the adapters were trained
"""


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
    in_4_bits = bool((told.recipe.get("lora") or {}).get("quantize"))
    return ADAPTED.format(
        name=json.dumps(name),
        base=base,
        where=where,
        precision=precision,
        also="BitsAndBytesConfig, " if in_4_bits else "",
        how=IN_4_BITS.format(precision=precision) if in_4_bits else "",
        quantized=", quantization_config=how" if in_4_bits else "",
    )
