"""Keys: equal asks are equal, different asks differ, names and younger fields do not count."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winsweep.errors import NotCanonical
from winsweep.keys import NAME_ONLY, added, canonical, digest, name_only, plain, restore, worked_out_once

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@dataclasses.dataclass(frozen=True)
class Old:
    lr: float = 1e-5
    epochs: int = 5


@dataclasses.dataclass(frozen=True)
class New:
    lr: float = 1e-5
    epochs: int = 5
    packed: bool = added(False)


@dataclasses.dataclass(frozen=True)
class Named:
    name: str = dataclasses.field(metadata=NAME_ONLY)
    value: tuple[int, ...] = ()


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=5), st.randoms())
def test_order_of_a_mapping_does_not_matter(value, random):
    shuffled = list(value.items())
    random.shuffle(shuffled)
    assert canonical(value) == canonical(dict(shuffled))


@given(JSON)
def test_the_text_is_what_json_writes(value):
    assert canonical(value) == json.dumps(value, sort_keys=True, separators=(",", ":"))


@given(JSON, JSON)
def test_different_values_have_different_bytes(a, b):
    assert (canonical(a) == canonical(b)) == (repr(_typed(a)) == repr(_typed(b)))


def _typed(v):
    """The value with its mappings sorted, so that repr tells values apart exactly as JSON does."""
    if isinstance(v, dict):
        return {"mapping": sorted((k, repr(_typed(x))) for k, x in v.items())}
    return [_typed(x) for x in v] if isinstance(v, list) else v


def test_a_field_added_later_moves_no_key_until_it_is_used():
    assert digest(Old()) == digest(New())
    assert digest(New(packed=True)) != digest(New())


def test_a_name_is_no_part_of_a_key():
    assert digest(Named("a", (1,))) == digest(Named("b", (1,)))
    assert digest(Named("a", (1,))) != digest(Named("a", (2,)))


def test_one_and_one_point_zero_differ():
    assert digest({"a": 1}) != digest({"a": 1.0})


@pytest.mark.parametrize("value", [float("nan"), {"a": [object()]}, {1: 2}, b"x", {"a": float("inf")}])
def test_what_has_no_stable_form_is_refused(value):
    with pytest.raises(NotCanonical):
        canonical(value)


def test_the_refusal_says_where():
    with pytest.raises(NotCanonical, match=r"\$\.a\[1\]: a function"):
        canonical({"a": [1, lambda: 0]})


def test_restore_undoes_plain():
    value = Named("", (3, 1))
    assert restore(Named, plain(value) | {"name": ""}) == value


@worked_out_once
@dataclasses.dataclass(frozen=True)
class Remembering:
    """What many others hold."""

    parts: tuple[tuple[str, int], ...]
    name: str = name_only(default="")


def test_what_is_remembered_is_what_would_be_worked_out_again():
    one, same, other = Remembering((("a", 1),), "x"), Remembering((("a", 1),), "x"), Remembering((("a", 2),), "x")
    told = plain(one)
    told["parts"] = "changed by who was told"
    assert plain(one) == plain(one) == plain(same) == {"parts": [["a", 1]]} and plain(other) != plain(one)
    assert hash(one) == hash(same) and one == same and len({one, same, other}) == 2
    assert plain(dataclasses.replace(one, parts=())) == {"parts": []} and hash(
        dataclasses.replace(one, parts=other.parts)
    ) == hash(other)
