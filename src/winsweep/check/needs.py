"""How large the model of a result is, and what a finetune of it holds, as its check found or else as names tell."""

from collections.abc import Mapping

from winsweep.artifact import Artifact
from winsweep.costs.gpu_cost import num_parameters
from winsweep.gpu_memory import ITEM, ITEM_4_BITS, Model
from winsweep.placement import Placement
from winsweep.study.lora import fact, quantized_parameters, trained_parameters

PER_TOKEN = "token_bytes_"  # names of facts: bytes of activations a token, by the level of recomputation
Facts = Mapping[str, Mapping[str, int]]  # what checks of models found, by the keys of these checks


def size_of(a: Artifact, facts: Facts) -> float | None:
    """Parameters of the model that `a` is made from: as its files say, or its name."""
    return facts_of(a, facts).get("num_parameters") or num_parameters(a)


def facts_of(a: Artifact, facts: Facts) -> Mapping[str, int]:
    """What the check of the model that `a` is made from found."""
    at, check = a, a.gates.get("check")
    while check is None and (below := at.inputs.get("base") or at.inputs.get("finetune")):
        at, check = below, below.gates.get("check")
    return facts.get(check.key, {}) if check else {}


def model_of(a: Artifact, size: float, facts: Mapping[str, int], item: int, tokens: int) -> Model:
    """What is trained of a model of so many parameters, and what lies beneath it."""
    levels = activations(facts, item, tokens)
    if not (lora := a.plain_params["recipe"].get("lora")):
        return Model(size, 0, item, levels)
    if levels and item == 2:
        levels["none"] += tokens * facts.get(fact(lora, "bytes"), 0)
    quantized = quantized_parameters(lora, size, facts)
    return Model(trained_parameters(lora, size, facts), size, item, levels, quantized)


def state_bytes(a: Artifact, size: float, facts: Mapping[str, int]) -> tuple[float, float]:
    """Bytes of a finetune's checkpoint, and of what is collected of it."""
    recipe = a.plain_params["recipe"]
    if lora := recipe.get("lora"):
        num = trained_parameters(lora, size, facts)
        return 12 * num, 4 * num
    item = ITEM.get(recipe.get("precision"), 4)
    return (12 + item) * size, item * size


def answering_bytes(a: Artifact, size: float, facts: Mapping[str, int]) -> float:
    """Of the weights of a model that answers: in 4 bits where its adapters were trained on it so."""
    item, lora = ITEM.get(a.plain_params["decoding"]["precision"], 4), a.inputs.get("lora")
    recipe = lora.inputs["finetune"].plain_params["recipe"] if lora else {}
    quantized = quantized_parameters(recipe.get("lora") or {}, size, facts)
    return item * (size - quantized) + ITEM_4_BITS * quantized


def longest(a: Artifact, where: Placement) -> int:
    """Of the largest micro-batch that has to fit: the placement's, or one of the longest rows."""
    longest = a.plain_params["recipe"].get("max_tokens", 0) if a.stage == "finetune" else 0
    return max(where.micro_tokens, longest)


def activations(facts: Mapping[str, int], item: int, tokens: int) -> dict[str, float]:
    """Bytes by the level of recomputation, as a check of the model found them for bf16; none if it did not."""
    levels = {name.removeprefix(PER_TOKEN): num for name, num in facts.items() if name.startswith(PER_TOKEN)}
    return {level: num * tokens * item / 2 for level, num in levels.items()}
