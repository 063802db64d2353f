"""Whether a model has the modules that adapters are asked for, and how many parameters those have."""

from collections.abc import Iterator, Mapping, Sequence

from transformers import PreTrainedModel

from winsweep.check.finding import Finding
from winsweep.keys import restore
from winsweep.study.lora import ALL_LINEAR, LINEAR, Lora, fact
from winsweep.train.lora import linear, names, num_adapted, targeted, token_bytes


def adapters(model: PreTrainedModel, said: Sequence[Mapping]) -> tuple[list[Finding], dict[str, int]]:
    """What there is to say of adapters (in plain types) of a model that has shapes and no numbers, and their sizes."""
    asked = [restore(Lora, dict(lora)) for lora in said]
    found = [finding for lora in asked for finding in _of(model, lora)]
    sizes = {fact(plain): num_adapted(model, lora) for plain, lora in zip(said, asked)}
    kept = {fact(plain, "bytes"): token_bytes(model, lora) for plain, lora in zip(said, asked)}
    whole = {LINEAR: sum(one * other for one, other in linear(model).values())} if sizes else {}
    return found, sizes | kept | whole


def _of(model: PreTrainedModel, lora: Lora) -> Iterator[Finding]:
    there = linear(model)
    listed = () if lora.targets == ALL_LINEAR else lora.targets
    lacking = [target for target in listed if not any(names(target, module) for module in there)]
    if lacking or not there:
        legal = ", ".join(dict.fromkeys(module.rpartition(".")[2] for module in there))
        yield Finding(
            "problem",
            "adapters",
            f"recipe.lora.targets {', '.join(lacking) or ALL_LINEAR}: no linear module of this model is called so",
            f"legal: all-linear, or some of {legal}" if there else "train it whole: take lora: out of its recipe",
        )
        return
    shapes = targeted(model, lora).values()
    if lora.rank > (most := max(max(shape) for shape in shapes)):
        yield Finding(
            "problem",
            "adapters",
            f"recipe.lora.rank {lora.rank}: no module that gets adapters has more than {most} rows or columns",
            f"legal: 1 to {most}; type a smaller rank, or take lora: out of the recipe to train all weights",
        )
        return
    num = num_adapted(model, lora)
    yield Finding("ok", "adapters", f"{num:,} parameters at rank {lora.rank}, beside {model.num_parameters():,}")
