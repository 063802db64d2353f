"""How the nodes of a YAML file become typed values: errors say where, what was found, what is legal, what to type."""

import dataclasses
import functools
import math
import re
import types
import typing
from collections.abc import Callable, Iterable

from winsweep import synonyms
from winsweep.errors import BadStudy
from winsweep.escapes import visible
from winsweep.quoting import cut, quoted

T = typing.TypeVar("T")
MOST_NAMED, MOST_NAME, MOST_PATH = 40, 60, 200  # names in a message, letters of each, and of the keys of a place
NOUNS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def number(default: int | float | None, low: float, high: float = math.inf) -> typing.Any:
    """A dataclass field whose values in a file lie between `low` and `high`, both legal."""
    return dataclasses.field(default=default, metadata={"low": low, "high": high})


class Findings:
    """BadStudy errors of parts that do not depend on each other, kept so that a person hears of all of them at once."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def of(self, read: Callable[..., T], *args: object) -> T | None:
        """What `read` returns; None, and its errors are kept, if it raises some."""
        try:
            return read(*args)
        except BadStudy as e:
            self.found += e.each
            return None

    def stop(self) -> None:
        """BadStudy with each error found, once and in the order of the file, if there is any."""
        if self.found:
            raise BadStudy(*sorted(dict.fromkeys(self.found), key=_place))


def present(value: T | None) -> T:
    """What `Findings.of` returned, after a `stop` that raised nothing: then it is there."""
    if value is None:
        raise LookupError("a part that was read without an error is not there")
    return value


def _place(error: str) -> tuple[str, int]:
    at = re.match(r"(.*?):(\d+): ", error)
    return (at[1], int(at[2])) if at else ("", 0)


class Node:
    """A YAML value with the place it was written at; mappings and lists hold Nodes."""

    def __init__(self, value: object, file: str, line: int, path: str) -> None:
        self.value, self.file, self.line, self.path = value, file, line, path

    def error(self, found: str, legal: str, do: str = "") -> BadStudy:
        """What is wrong at this place, worded as every error is."""
        where = f"{self.file}:{self.line}: {visible(cut(self.path, MOST_PATH)) or 'the file'}"
        return BadStudy(f"{where}: {found}; {legal}" + (f"; {do}" if do else ""))

    def plain(self) -> typing.Any:
        """The value with all that is in it, in the types of YAML."""
        if isinstance(self.value, dict):
            return {name: node.plain() for name, node in self.value.items()}
        return [node.plain() for node in self.value] if isinstance(self.value, list) else self.value

    def mapping(self, meant: str = "") -> dict[str, "Node"]:
        """The entries by key, none for no value; BadStudy for anything else, a text with the hint {meant: TEXT}."""
        if self.value is None:
            return {}
        if not isinstance(self.value, dict):
            text = visible(cut(self.value, MOST_PATH)) if meant and isinstance(self.value, str) else ""
            do = f"type {self.path.rpartition('.')[2]}: {{{meant}: {text}}}" if text else ""
            raise self.error(f"found {show(self.value)}", "a mapping (key: value) is legal here", do)
        return self.value


def read(kind: object, node: Node) -> typing.Any:
    """The value of `node` as `kind`: a scalar type, Literal, X | None, tuple[X, ...], a tuple of pairs (a mapping), or
    a dataclass.
    """
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if node.value is None and type(None) in args:
            return None
        kinds = [a for a in args if a is not type(None)]
        lists = [a for a in kinds if typing.get_origin(a) is tuple]  # Literal | tuple[Y, ...]: one word, or a list
        if lists and not isinstance(node.value, list) and node.value not in (words := typing.get_args(kinds[0])):
            as_list = f"type [{cut(str(node.value), MOST_NAME)}]" if node.value and type(node.value) is str else ""
            do = _near(node.value, words) or as_list
            raise node.error(f"found {show(node.value)}", f"legal: {', '.join(words)}, or a list", do)
        return read(lists[0] if lists and isinstance(node.value, list) else kinds[0], node)
    if origin is typing.Literal:
        if node.value not in args:
            legal = f"legal: {', '.join(map(str, args))}"
            raise node.error(f"found {show(node.value)}", legal, _near(node.value, args))
        return node.value
    if origin is tuple and typing.get_origin(args[0]) is tuple:
        return tuple(
            sorted(zip(given := node.mapping(), _all(typing.get_args(args[0])[1], given.values()), strict=True))
        )
    if origin is tuple:
        return tuple(_all(args[0], items(node)))
    if not isinstance(kind, type):
        raise TypeError(f"{kind}: no type that a file can hold a value of")
    return read_fields(kind, node.mapping(), node) if dataclasses.is_dataclass(kind) else _scalar(kind, node)


def _all(kind: object, nodes: Iterable[Node]) -> list[typing.Any]:
    seen = Findings()
    values = [seen.of(read, kind, node) for node in nodes]
    seen.stop()
    return values


@functools.cache
def _hints(kind: type) -> dict[str, object]:
    return typing.get_type_hints(kind)


def read_fields(kind: type, given: dict[str, Node], at: Node) -> typing.Any:
    """A dataclass from the mapping `given`: unknown keys are refused, missing ones take their default or are named, all
    at once.
    """
    hints, seen = _hints(kind), Findings()
    fields = {f.name: f for f in dataclasses.fields(kind) if f.init}
    seen.of(refuse_unknown, given, fields, at)
    for name, f in fields.items():
        if name not in given and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            what = "COMMIT, of its page on the hub (main is legal too, and moves)" if name == "revision" else "…"
            seen.found.append(str(at.error(f"{name} is missing", f"{name} has no default", f"add {name}: {what}")))
    values = {
        name: seen.of(_field, hints[name], node, fields[name].metadata)
        for name, node in given.items()
        if name in fields
    }
    seen.stop()
    try:
        return kind(**values)
    except BadStudy as e:  # of fields that do not go together: the dataclass does not know where they were written
        raise BadStudy(*(f"{at.file}:{at.line}: {each}" for each in e.each)) from None


def keys(kind: type) -> tuple[str, ...]:
    """The keys that the fields of the dataclass `kind` have in a file, in its order."""
    return tuple(f.metadata.get("key", f.name) for f in dataclasses.fields(kind) if f.init)


def option(kind: type, name: str, given: typing.Mapping[str, Node]) -> typing.Any:
    """The field `name` of the dataclass `kind` as `given` has it, checked; its default where it is not given."""
    field = next(f for f in dataclasses.fields(kind) if f.name == name)
    return _field(_hints(kind)[name], given[name], field.metadata) if name in given else field.default


def _field(kind: object, node: Node, bounds: typing.Mapping[str, float]) -> typing.Any:
    value = read(kind, node)
    low, high = bounds.get("low", -math.inf), bounds.get("high", math.inf)
    legal = f"at least {low:g} is legal" if high == math.inf else f"{low:g} to {high:g} is legal"
    ats = node.value if isinstance(node.value, list) else [node]
    if out := [at for at in ats if isinstance(at.value, (int, float)) and not low <= at.value <= high]:
        raise BadStudy(*(str(at.error(f"found {at.value}", legal)) for at in out))
    return value


def refuse_unknown(given: Iterable[str], legal: Iterable[str], at: Node) -> None:
    """BadStudy naming every key of `given` not in `legal`, and what to type: the nearest, or our name for it."""
    seen, legal = Findings(), list(legal)
    for name in (unknown := [name for name in given if name not in legal])[:MOST_NAMED]:
        where, hint = at.mapping().get(name, at), synonyms.hint(name[:MOST_PATH], legal)
        seen.found.append(str(where.error(f"unknown key {quoted(name)}", f"legal: {', '.join(legal)}", hint)))
    if (more := len(unknown) - MOST_NAMED) > 0:
        seen.found.append(str(at.error(f"{more:,} more unknown keys", f"legal: {', '.join(legal)}")))
    seen.stop()


def items(node: Node) -> list[Node]:
    """The entries of a list; BadStudy for anything else."""
    if not isinstance(node.value, list):
        do = f"type [{cut(str(node.value), MOST_NAME)}]" if node.value and not isinstance(node.value, dict) else ""
        raise node.error(f"found {show(node.value)}", "a list is legal here", do)
    return node.value


def not_empty(node: Node, advice: str) -> Node:
    """`node`; BadStudy if it is a list or a mapping of nothing."""
    if node.value is None or node.value in ([], {}):
        raise node.error("found nothing in it", "at least one entry is legal", advice)
    return node


def _scalar(kind: type, node: Node) -> typing.Any:
    value = node.value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is kind and not _too_large(value):
        return value
    raise node.error(f"found {show(value)}", f"{NOUNS[kind]} is legal here", _advice(kind, value))


def _too_large(value: object) -> bool:
    return not math.isfinite(value) if isinstance(value, float) else isinstance(value, int) and abs(value) >= 2**63


def _advice(kind: type, value: object) -> str:
    if value is None:
        return "type one, or take the key out"
    if kind is str and not isinstance(value, (dict, list)):
        return f'quote it: "{cut(str(value).lower(), MOST_NAME)}"'
    if not isinstance(value, (str, int, float)):
        return ""
    try:
        number = kind(float(value))
    except (ValueError, OverflowError):
        return ""
    if not math.isfinite(number) or type(value) is int or abs(number) >= 2**63:
        return "of 64 bits at most, and finite"
    return f"YAML reads this as text; type {number:.1e}" if kind is float else f"type {number}"


def _near(name: object, legal: Iterable[str]) -> str:
    close = synonyms.closest(str(name)[:MOST_PATH], legal)
    return f"did you mean {close}?" if close else ""


def near(name: str, legal: Iterable[str]) -> str:
    """The legal names, and the one that `name` is most like."""
    legal = list(legal)
    hint, more = _near(name, legal), len(legal) - MOST_NAMED
    return (
        f"legal: {', '.join(cut(one, MOST_NAME) for one in legal[:MOST_NAMED])}"
        + (f" and {more} more" if more > 0 else "")
        + (f"; {hint}" if hint else "")
    )


def show(value: object) -> str:
    """A value of YAML as a person knows it."""
    if isinstance(value, str):
        return f"the text {quoted(value)}"
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    return "nothing" if value is None else str(value).lower()
