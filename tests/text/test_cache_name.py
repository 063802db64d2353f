"""A model gets its cache by the name that its own version of transformers has for it."""

from dataclasses import fields
from types import SimpleNamespace

import pytest
from transformers import DynamicCache
from transformers.modeling_outputs import CausalLMOutputWithPast

from winsweep.text.cache_name import cache_of, with_cache


@pytest.mark.parametrize("name", ["cache", "past_key_values"])
def test_the_name_is_the_model_s_own(name):
    cache, models = (
        DynamicCache(),
        {
            "cache": lambda input_ids, cache=None, **more: None,
            "past_key_values": lambda input_ids, past_key_values=None, **more: None,
        },
    )
    assert with_cache(SimpleNamespace(forward=models[name]), cache) == {name: cache}
    assert cache_of({"logits": None, name: cache}) is cache


def test_a_model_that_names_neither_gets_that_of_its_transformers():
    [name] = with_cache(SimpleNamespace(forward=lambda input_ids, **more: None), None)
    assert name in {field.name for field in fields(CausalLMOutputWithPast)}
