"""The only place where identity is computed: the canonical text of a value, and its short digest."""

import dataclasses
import functools
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from winsweep.errors import NotCanonical

KEY_HEX = 12
HASHED, TEXT = "_hash", "_text"  # what an object remembers, see worked_out_once
ENCODE = json.encoder.encode_basestring_ascii
NAME_ONLY: Mapping[str, object] = MappingProxyType(
    {"identity": False}
)  # of a field that is shown to people and is no part of any key
WORDS = {None: "null", True: "true", False: "false"}
T = TypeVar("T")
At = tuple[str, ...]  # where a value lies within another


def canonical(value: object) -> str:
    """The same JSON text, in ASCII, for equal values, whatever the order of their mappings; NotCanonical names the path
    of what has none.

    A dataclass becomes the mapping of its fields, less those marked NAME_ONLY and those that hold the value
    under which a later field `added(default)` is left out, so that keys made before the field existed still stand.
    """
    return _text(value, ())


def plain(value: object) -> Any:
    """`value` reduced to JSON types, its mappings in the order of their keys; NotCanonical as above."""
    return json.loads(canonical(value))


def digest(value: object) -> str:
    """The first KEY_HEX hex digits of the sha256 of the canonical text; NotCanonical as above."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:KEY_HEX]


def restore(kind: type[T], value: dict) -> T:
    """The dataclass whose plain form is `value`; fields that were left out take their defaults."""
    return kind(**{name: _tuples(v) for name, v in value.items()})


def _text(value: object, at: At) -> str:
    if isinstance(value, str):
        return ENCODE(value)
    if isinstance(value, dict):
        return _mapping(sorted(_named(value, at).items()), at)
    if value is None or isinstance(value, bool):
        return WORDS[value]
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return float.__repr__(_finite(value, at))
    if isinstance(value, (list, tuple)):
        return f"[{','.join([_text(v, (*at, f'[{i}]')) for i, v in enumerate(value)])}]"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return getattr(value, TEXT, None) or _fields_text(value, at)
    raise _refuse(
        at, f"a {type(value).__qualname__} has no canonical form; use text, numbers, lists, mappings or dataclasses"
    )


def _mapping(items: Iterable[tuple[str, object]], at: At) -> str:
    inside = ",".join([f"{ENCODE(k)}:{ENCODE(v) if type(v) is str else _text(v, (*at, '.', k))}" for k, v in items])
    return f"{{{inside}}}"


def _fields_text(value: object, at: At) -> str:
    kind: type = type(value)
    given = [(name, getattr(value, name), absent) for name, absent in _fields(kind)]
    found = _mapping([(name, v) for name, v, absent in given if absent is dataclasses.MISSING or v != absent], at)
    if hasattr(value, TEXT):
        value.__dict__[TEXT] = found
    return found


@functools.cache
def _fields(kind: type) -> list[tuple[str, object]]:
    """The fields of a dataclass that are not for people alone, by name, with the value under which each is left out."""
    return sorted(
        (f.name, f.metadata.get("absent", dataclasses.MISSING))
        for f in dataclasses.fields(kind)
        if f.metadata.get("identity", True)
    )


def _finite(value: float, at: At) -> float:
    if not math.isfinite(value):
        raise _refuse(at, f"{value!r} is not finite, so it cannot be part of a key")
    return value


def _named(value: dict, at: At) -> dict[str, object]:
    for key in value:
        if not isinstance(key, str):
            raise _refuse(at, f"the mapping key {key!r} is not text")
    return value


def _refuse(at: At, why: str) -> NotCanonical:
    return NotCanonical(f"${''.join(at)}: {why}")


def given(value: object) -> dict[str, object]:
    """The fields of a dataclass that a key of it would hold, by name: younger ones are left out where they hold what
    they had before they were.
    """
    kind: type = type(value)
    return {name: v for name, absent in _fields(kind) if (v := getattr(value, name)) != absent}


def name_only(default: T) -> T:
    """A dataclass field with a default that is no part of any key; one without is `field(metadata=NAME_ONLY)`."""
    return dataclasses.field(default=default, metadata=NAME_ONLY)


def added(default: T, **bounds: float) -> T:
    """A dataclass field that is younger than existing keys: left out of the key while it holds `default`; `bounds` are
    low= and high=, as strict.number has them.
    """
    return dataclasses.field(default=default, metadata={"absent": default, **bounds})


def worked_out_once(kind: type[T]) -> type[T]:
    """A frozen dataclass whose objects remember their hash and canonical text, which go through all that they hold: for
    what many others hold.
    """
    through = kind.__hash__

    def __hash__(self: T) -> int:
        known = self.__dict__.get(HASHED)
        if known is None:
            known = self.__dict__[HASHED] = through(self)
        return known

    kind.__hash__ = __hash__  # type: ignore[method-assign, assignment]  # what this decorator is for
    setattr(kind, TEXT, None)
    return kind


def _tuples(value: object) -> object:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
