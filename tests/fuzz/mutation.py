"""How a valid document becomes a hostile one: parts replaced, doubled, taken out, nested or retyped; bytes too."""

import copy
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.hostile import BYTES, STRINGS, VALUES

text = st.sampled_from(STRINGS) | st.text(max_size=40)
value = st.sampled_from(VALUES) | text | st.integers() | st.floats(allow_nan=False) | st.lists(text, max_size=3)
ACTS = ("replace", "replace", "replace", "name", "double", "remove", "nest", "retype", "swap", "grow")


def parts(document: Any) -> list[tuple[Any, Any]]:
    """Every place of a document, as (what holds it, its key or number)."""
    found: list[tuple[Any, Any]] = []
    left = [document]
    while left:
        of = left.pop()
        for key in of if isinstance(of, dict) else range(len(of)):
            found.append((of, key))
            if isinstance(of[key], (dict, list)):
                left.append(of[key])
    return found


@st.composite
def mutated(draw: st.DrawFn, documents: list[Any], most: int = 3) -> Any:
    """One of the documents (mappings or lists) after one to `most` changes."""
    document = copy.deepcopy(draw(st.sampled_from(documents)))
    for _ in range(draw(st.integers(1, most))):
        places = parts(document)
        if places:
            _change(draw, *draw(st.sampled_from(places)), places)
    return document


def _change(draw: st.DrawFn, of: Any, key: Any, places: list[tuple[Any, Any]]) -> None:
    act = draw(st.sampled_from(ACTS))
    if act == "replace":
        of[key] = copy.deepcopy(draw(value))
    elif act == "name" and isinstance(of, dict):
        of[draw(text)] = of.pop(key) if draw(st.booleans()) else of[key]
    elif act == "double" and isinstance(of, list):
        of.insert(key, copy.deepcopy(of[key]))
    elif act == "remove":
        del of[key]
    elif act == "nest":
        of[key] = [of[key]] if draw(st.booleans()) else {draw(text): of[key]}
    elif act == "retype":
        of[key] = str(of[key]) if draw(st.booleans()) else bool(of[key])
    elif act == "swap":
        other, at = draw(st.sampled_from(places))
        if (isinstance(other, list) and not (isinstance(at, int) and at < len(other))) or at not in _keys(other):
            return
        of[key] = copy.deepcopy(other[at])
    elif act == "grow" and isinstance(of[key], str):
        of[key] += draw(text)


def _keys(of: Any) -> Any:
    return of if isinstance(of, dict) else range(len(of))


@st.composite
def broken(draw: st.DrawFn, content: bytes, most: int = 4) -> bytes:
    """The bytes after up to `most` changes: cut, doubled, flipped, or with hostile ones among them."""
    for _ in range(draw(st.integers(1, most))):
        at, end = sorted(draw(st.tuples(*[st.integers(0, len(content))] * 2)))
        end = min(end, at + draw(st.sampled_from([0, 1, 8, 200, 10**6])))
        new = draw(st.sampled_from(BYTES) | st.binary(max_size=6) | st.just(content[at:end] * 2))
        content = content[:at] + new + content[end:]
    return content
