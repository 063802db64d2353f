"""Whether a model has the modules that adapters are asked for, and how many parameters those have."""

from collections.abc import Iterator, Mapping, Sequence

from transformers import PreTrainedModel

from winsweep.check import fits
from winsweep.check.finding import Finding
from winsweep.keys import restore
from winsweep.study.lora import LINEAR, Lora, fact
from winsweep.train.lora import linear, num_adapted, token_bytes


def adapters(model: PreTrainedModel, said: Sequence[Mapping]) -> tuple[list[Finding], dict[str, int]]:
    """What there is to say of adapters (in plain types) of a model that has shapes and no numbers, and their sizes."""
    asked = [restore(Lora, dict(lora)) for lora in said]
    found = [finding for lora in asked for finding in _of(model, lora)]
    sizes = {fact(plain): num_adapted(model, lora) for plain, lora in zip(said, asked)}
    kept = {fact(plain, "bytes"): token_bytes(model, lora) for plain, lora in zip(said, asked)}
    whole = {LINEAR: sum(one * other for one, other in linear(model).values())} if sizes else {}
    return found, sizes | kept | whole


def _of(model: PreTrainedModel, lora: Lora) -> Iterator[Finding]:
    if wrong := fits.adapters(linear(model), lora):
        yield wrong
        return
    num = num_adapted(model, lora)
    yield Finding("ok", "adapters", f"{num:,} parameters at rank {lora.rank}, beside {model.num_parameters():,}")
