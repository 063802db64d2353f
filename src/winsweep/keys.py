"""The only place where identity is computed: canonical bytes of a value, and their short digest."""

import dataclasses
import functools
import hashlib
import json
import math
from typing import TypeVar

from winsweep.errors import NotCanonical

KEY_HEX = 12
HASHED, PLAIN = "_hash", "_plain"  # what an object remembers, see worked_out_once
T = TypeVar("T")


def plain(value: object, at: str = "$") -> object:
    """`value` reduced to JSON types; NotCanonical names the path `at` of what has no canonical form.

    A dataclass becomes the mapping of its fields, less those marked `name_only()` and those that hold the value
    under which a later field `added(default)` is left out, so that keys made before the field existed still stand.
    """
    if value is None or isinstance(value, (bool, str, int)):
        return value
    if isinstance(value, float):
        return _finite(value, at)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dict(getattr(value, PLAIN, None) or _plain_fields(value, at))  # a copy: what is remembered stays as it is
    if isinstance(value, dict):
        return {_text(k, at): plain(v, f"{at}.{k}") for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v, f"{at}[{i}]") for i, v in enumerate(value)]
    raise NotCanonical(f"{at}: a {type(value).__qualname__} has no canonical form; use text, numbers, lists, mappings or dataclasses")


def _plain_fields(value: object, at: str) -> dict[str, object]:
    found = {f.name: plain(getattr(value, f.name), f"{at}.{f.name}") for f in _fields(type(value)) if _counts(f, value)}
    if hasattr(value, PLAIN):
        value.__dict__[PLAIN] = found
    return found


def restore(kind: type[T], value: dict) -> T:
    """The dataclass whose plain form is `value`; fields that were left out take their defaults."""
    return kind(**{name: _tuples(v) for name, v in value.items()})


def canonical(value: object) -> bytes:
    """The same bytes for equal values, whatever the order of their mappings."""
    return _bytes(plain(value))


def digest(value: object) -> str:
    return digest_of_plain(plain(value))


def digest_of_plain(value: object) -> str:
    """The digest of what `plain` gave already."""
    return hashlib.sha256(_bytes(value)).hexdigest()[:KEY_HEX]


def _bytes(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def name_only(**kwargs):  # -> dataclasses.Field
    """A dataclass field that is shown to people and is no part of any key."""
    return dataclasses.field(metadata={"identity": False}, **kwargs)


def added(default):  # -> dataclasses.Field
    """A dataclass field that is younger than existing keys: left out of the key while it holds `default`."""
    return dataclasses.field(default=default, metadata={"absent": default})


def worked_out_once(kind: type[T]) -> type[T]:
    """A frozen dataclass whose objects remember their hash and plain form, which go through all that they hold: for what many others hold."""
    through = kind.__hash__

    def __hash__(self) -> int:
        known = self.__dict__.get(HASHED)
        if known is None:
            known = self.__dict__[HASHED] = through(self)
        return known

    kind.__hash__ = __hash__
    setattr(kind, PLAIN, None)
    return kind


def _tuples(value: object) -> object:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


@functools.cache
def _fields(kind: type) -> tuple[dataclasses.Field, ...]:
    """The fields of a dataclass that are not for people alone."""
    return tuple(f for f in dataclasses.fields(kind) if f.metadata.get("identity", True))


def _counts(field: dataclasses.Field, value: object) -> bool:
    return "absent" not in field.metadata or getattr(value, field.name) != field.metadata["absent"]


def _finite(value: float, at: str) -> float:
    if not math.isfinite(value):
        raise NotCanonical(f"{at}: {value!r} is not finite, so it cannot be part of a key")
    return value


def _text(key: object, at: str) -> str:
    if not isinstance(key, str):
        raise NotCanonical(f"{at}: the mapping key {key!r} is not text")
    return key
