"""What a model calls its cache of keys and values: newer versions of transformers have another name for it."""

import inspect
from typing import Any

from transformers import Cache, PreTrainedModel

NAMES = ("cache", "past_key_values")  # the newer one first: the older one still works there, and warns


def with_cache(model: PreTrainedModel, cache: Cache | None) -> dict[str, Cache | None]:
    """The argument that gives `model` its cache."""
    taken = inspect.signature(model.forward).parameters
    return {next((name for name in NAMES if name in taken), NAMES[-1]): cache}


def cache_of(output: Any) -> Cache:
    """The cache in what a model returned."""
    return next(output[name] for name in NAMES if name in output)
