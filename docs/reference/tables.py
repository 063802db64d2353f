"""Tables of a dataclass's fields in Markdown: key, value, unit, default and meaning of each. Pure."""

import dataclasses
import inspect
import math
import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from winsweep.field_docs import described
from winsweep.study.cell import LocalFile

WORDS = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`", object: "any value"}
WORDS_OF_MORE = {"PosixPath": "path", "Path": "path", "date": "date", "CharNgrams": "`ngrams`", "Judge": "judge"}
Presets = Mapping[type, Mapping[str, object]]
HEADER = ("key", "value", "unit", "default", "meaning")


def sections(top: type) -> list[tuple[str, type]]:
    """The dataclass `top` and those that its fields hold, breadth first, each once with the key that leads to it."""
    found: dict[type, str] = {top: ""}
    queue = [top]
    while queue:
        kind = queue.pop(0)
        for key, hint in keys_of(kind):
            for path, inner in _held(hint, f"{found[kind]}.{key}".lstrip(".")):
                if inner not in found:
                    found[inner] = path
                    queue.append(inner)
    return [(path, kind) for kind, path in found.items()]


def keys_of(kind: type) -> list[tuple[str, object]]:
    """Each legal key and the type of its value, those of the dataclasses in `also` included."""
    return [(key, hint) for part in _parts(kind) for key, hint, _ in _fields(part)]


def table(kind: type, links: Mapping[type, str], presets: Presets | None = None) -> str:
    """The table of a dataclass; types that are keys of `links` are linked to. Where a type has `presets`, the defaults
    are theirs, the first one's where nothing else is said.
    """
    rows = []
    for part in _parts(kind):
        docs = described(part)
        for key, hint, field in _fields(part):
            doc = docs[field.name]
            is_file = field.metadata.get("is_file")
            value = "path" if is_file else type_text(hint, links) + _bounds(field.metadata)
            rows.append(
                (f"`{key}`", value, doc.unit, default_text(field, (presets or {}).get(part)), sentence(doc.text))
            )
    return markdown(HEADER, rows)


def type_text(hint: Any, links: Mapping[type, str]) -> str:
    """What a person may type where a field has this type."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        kept = [a for a in args if a not in (type(None), LocalFile)]
        return " or ".join(type_text(a, links) for a in kept)
    if origin is typing.Literal:
        return "one of " + ", ".join(f"`{a}`" for a in args)
    if origin is tuple and typing.get_origin(args[0]) is tuple:
        return f"mapping of text to {type_text(typing.get_args(args[0])[1], links)}"
    if origin is tuple:
        return f"list of: {type_text(args[0], links)}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"mapping of names to {type_text(args[1], links)}"
    if hint in links:
        return f"[{links[hint]}](#{anchor(hint)})"
    return WORDS.get(hint) or WORDS_OF_MORE.get(hint.__name__, hint.__name__)


def default_text(field: "dataclasses.Field[Any]", presets: Mapping[str, object] | None = None) -> str:
    """What a key has that is not given; of several presets, what each says if they differ."""
    if presets:
        said = {name: _value_text(getattr(preset, field.name)) for name, preset in presets.items()}
        first, *others = said.items()
        return "; ".join([first[1], *(f"{name}: {text}" for name, text in others if text != first[1])])
    value = field.default
    if value is dataclasses.MISSING:
        return "needed"
    return _value_text(value)


def _value_text(value: object) -> str:
    if value is None or value == "":
        return "—"
    if dataclasses.is_dataclass(value):
        return "as there"
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):
        return "a table"
    return f"`{yaml_text(value)}`"


def yaml_text(value: object) -> str:
    """A plain value as YAML has it, so that it can be typed."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value and not 1e-3 <= abs(value) < 1e6:
        digits, power = f"{value:e}".split("e")
        return f"{float(digits)}e{int(power)}"
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


def sentence(text: str) -> str:
    """`text` with a capital and a full stop; a name at its start stays as it is."""
    first = text.partition(" ")[0].rstrip(".,:;")
    text = text if "_" in first or "." in first else text[:1].upper() + text[1:]
    return text if not text or text.endswith((".", "?")) else f"{text}."


def summary(kind: object) -> str:
    """A docstring, its lines joined, its paragraphs kept."""
    said = inspect.cleandoc(getattr(kind, "__doc__", None) or "")
    return "\n\n".join(" ".join(part.split()) for part in said.split("\n\n"))


def anchor(kind: type) -> str:
    return re.sub("[._]", "-", f"fields-{kind.__module__.removeprefix('winsweep.')}-{kind.__name__}".lower())


def heading(kind: type, title: str, level: int = 2) -> str:
    return f"({anchor(kind)})=\n{'#' * level} {title}"


def markdown(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; what would end a cell or a row is escaped."""
    head = list(header)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell(text) for text in row)} |" for row in lines)


def cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))


def _bounds(metadata: Mapping[str, float]) -> str:
    low, high = metadata.get("low"), metadata.get("high", math.inf)
    if low is None:
        return ""
    return f", at least {low:g}" if high == math.inf else f", {low:g} to {high:g}"


def _parts(kind: type) -> tuple[type, ...]:
    return (kind, *getattr(kind, "also", ()))


def _fields(kind: type) -> Iterator[tuple[str, object, "dataclasses.Field[Any]"]]:
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if field.init:
            yield field.metadata.get("key", field.name), hints[field.name], field


def _held(hint: object, path: str) -> Iterator[tuple[str, type]]:
    """Dataclasses in a type, with the path of keys to them; the keys of a mapping are NAME."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        yield from _held(args[1], f"{path}.NAME")
    elif args:
        for inner in args:
            yield from _held(inner, path)
    elif isinstance(hint, type) and dataclasses.is_dataclass(hint) and hint is not LocalFile:
        yield path, hint
