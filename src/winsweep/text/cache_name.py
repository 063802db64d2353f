"""What a model calls its cache of keys and values: newer versions of transformers have another name for it."""

import inspect
from dataclasses import fields
from typing import Any

from transformers import Cache, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

NAMES = ("cache", "past_key_values")  # the newer one first: the older one still works there, and warns


def with_cache(model: PreTrainedModel, cache: Cache | None) -> dict[str, Cache | None]:
    """The argument that gives `model` its cache; where its signature does not say, as in what transformers returns."""
    known = [*inspect.signature(model.forward).parameters, *(field.name for field in fields(CausalLMOutputWithPast))]
    return {min((name for name in known if name in NAMES), key=known.index): cache}


def cache_of(output: Any) -> Cache:
    """The cache in what a model returned."""
    return next(output[name] for name in NAMES if name in output)
