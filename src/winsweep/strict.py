"""How YAML becomes typed values: every error says where it is, what was found, what is legal and what to type."""

import dataclasses
import functools
import math
import re
import types
import typing
from collections.abc import Callable, Iterable
from pathlib import Path

import yaml

from winsweep import paths, synonyms
from winsweep.errors import BadStudy

T = typing.TypeVar("T")
TAB, TABS = "'\\t'", "\nindent with spaces: YAML takes no tabs there"
MOST_NAMED = 40  # names in a message
NOUNS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def number(default: int | float, low: float, high: float = math.inf) -> typing.Any:
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
            self.found += getattr(e, "each", [str(e)])
            return None

    def stop(self) -> None:
        """BadStudy with each error found, once and in the order of the file, if there is any."""
        if self.found:
            e = BadStudy("\n".join(each := sorted(dict.fromkeys(self.found), key=_place)))
            e.each = each
            raise e


def _place(error: str) -> tuple[str, int]:
    at = re.match(r"(.*?):(\d+): ", error)
    return (at[1], int(at[2])) if at else ("", 0)


class Node:
    """A YAML value with the place it was written at; mappings and lists hold Nodes."""

    def __init__(self, value: object, file: str, line: int, path: str) -> None:
        self.value, self.file, self.line, self.path = value, file, line, path

    def error(self, found: str, legal: str, do: str = "") -> BadStudy:
        where = f"{self.file}:{self.line}: {self.path or 'the file'}"
        return BadStudy(f"{where}: {found}; {legal}" + (f"; {do}" if do else ""))

    def mapping(self) -> dict[str, "Node"]:
        if self.value is None:
            return {}
        if not isinstance(self.value, dict):
            raise self.error(f"found {show(self.value)}", "a mapping (key: value) is legal here")
        return self.value


def read_yaml(path: Path) -> Node:
    """The file as Nodes; BadStudy for text that is not YAML, a key that is not text, or a key given twice."""
    paths.checked(path, "a YAML file")
    try:
        root = _compose(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadStudy(f"{path}: no such file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise BadStudy(f"{path}: not YAML: {e}{TABS if TAB in str(e) else ''}") from None
    except RecursionError:
        raise BadStudy(
            f"{path}: too many lists and mappings lie in each other; a few are legal; write the file anew"
        ) from None
    try:
        return _node(root, str(path), "") if root else Node(None, str(path), 1, "")
    except RecursionError:
        raise BadStudy(
            f"{path}: an entry holds itself, by an alias (*) within its own anchor (&); remove the alias"
        ) from None


def _compose(text: str) -> yaml.Node | None:
    """The graph of a YAML text: by libyaml where it is there, ten times as fast; what it refuses, the slow parser
    explains better.
    """
    try:
        return yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return yaml.compose(text, Loader=yaml.SafeLoader)


def _node(raw: yaml.Node, file: str, path: str) -> Node:
    line = raw.start_mark.line + 1
    if isinstance(raw, yaml.MappingNode):
        return Node(_mapping(raw, file, path), file, line, path)
    if isinstance(raw, yaml.SequenceNode):
        return Node([_node(v, file, f"{path}[{i}]") for i, v in enumerate(raw.value)], file, line, path)
    return Node(yaml.constructor.SafeConstructor().construct_object(raw), file, line, path)


def _mapping(raw: yaml.MappingNode, file: str, path: str) -> dict[str, Node]:
    out: dict[str, Node] = {}
    seen = Findings()
    for key, value in raw.value:
        here = Node(key.value, file, key.start_mark.line + 1, f"{path}.{key.value}".lstrip("."))
        if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
            seen.found.append(str(here.error(f"the key {key.value!r} is not text", "keys are names", "quote it")))
        elif key.value in out:
            seen.found.append(
                str(
                    here.error(
                        "the key is given twice", f"it stands at line {out[key.value].line} already", "remove one"
                    )
                )
            )
        else:
            out[key.value] = seen.of(_node, value, file, here.path)
    seen.stop()
    return out


def overlay(below: Node, over: Node) -> Node:
    """`below` with what `over` says instead: mappings are merged key by key, a key without a value (key: null) is taken
    out.
    """
    if not isinstance(below.value, dict) or not isinstance(over.value, dict):
        return over
    merged = {k: overlay(v, over.value[k]) if k in over.value else v for k, v in below.value.items()} | {
        k: v for k, v in over.value.items() if k not in below.value
    }
    return Node({k: v for k, v in merged.items() if v.value is not None}, over.file, over.line, over.path)


def read(kind: object, node: Node) -> typing.Any:
    """The value of `node` as `kind`: a scalar type, Literal, X | None, tuple[X, ...], a tuple of pairs (a mapping), or
    a dataclass.
    """
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        inner = next(a for a in args if a is not type(None))
        return None if node.value is None else read(inner, node)
    if origin is typing.Literal:
        if node.value not in args:
            raise node.error(
                f"found {show(node.value)}", f"legal: {', '.join(map(str, args))}", _near(node.value, args)
            )
        return node.value
    if origin is tuple and typing.get_origin(args[0]) is tuple:
        return tuple(sorted(zip(given := node.mapping(), _all(typing.get_args(args[0])[1], given.values()))))
    if origin is tuple:
        return tuple(_all(args[0], items(node)))
    if dataclasses.is_dataclass(kind):
        return read_fields(kind, node.mapping(), node)
    return _scalar(kind, node)


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
    return kind(**values)


def keys(kind: type) -> tuple[str, ...]:
    """The keys that the fields of the dataclass `kind` have in a file, in its order."""
    return tuple(f.metadata.get("key", f.name) for f in dataclasses.fields(kind) if f.init)


def option(kind: type, name: str, given: typing.Mapping[str, Node]) -> typing.Any:
    """The field `name` of the dataclass `kind` as `given` has it, checked; its default where it is not given."""
    field = next(f for f in dataclasses.fields(kind) if f.name == name)
    return _field(_hints(kind)[name], given[name], field.metadata) if name in given else field.default


def _field(kind: object, node: Node, bounds: typing.Mapping[str, float]) -> typing.Any:
    value = read(kind, node)
    _check_range(value, bounds, node)
    return value


def _check_range(value: object, bounds: typing.Mapping[str, float], node: Node) -> None:
    low, high = bounds.get("low"), bounds.get("high", math.inf)
    if low is not None and not low <= value <= high:
        raise node.error(
            f"found {value}", f"at least {low:g} is legal" if high == math.inf else f"{low:g} to {high:g} is legal"
        )


def refuse_unknown(given: Iterable[str], legal: Iterable[str], at: Node) -> None:
    """BadStudy naming every key of `given` that is not in `legal`, and what to type instead: the nearest that is, or
    our name for it.
    """
    seen, legal = Findings(), list(legal)
    for name in given:
        if name not in legal:
            where = at.mapping().get(name, at)
            seen.found.append(
                str(where.error(f"unknown key {name!r}", f"legal: {', '.join(legal)}", synonyms.hint(name, legal)))
            )
    seen.stop()


def items(node: Node) -> list[Node]:
    if not isinstance(node.value, list):
        raise node.error(f"found {show(node.value)}", "a list is legal here", f"type [{show(node.value)}]")
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
    if type(value) is kind and (kind is not float or math.isfinite(value)) and (kind is not int or abs(value) < 2**63):
        return value
    raise node.error(f"found {show(value)}", f"{NOUNS[kind]} is legal here", _advice(kind, value))


def _advice(kind: type, value: object) -> str:
    if kind is str and not isinstance(value, (dict, list)):
        return f'quote it: "{str(value).lower()}"'
    try:
        number = kind(float(value))
    except (TypeError, ValueError, OverflowError):
        return ""
    if not math.isfinite(number) or type(value) is int:
        return "of 64 bits at most, and finite"
    return f"YAML reads this as text; type {number:.1e}" if kind is float else f"type {number}"


def _near(name: object, legal: Iterable[str]) -> str:
    close = synonyms.closest(str(name), legal)
    return f"did you mean {close}?" if close else ""


def near(name: str, legal: Iterable[str]) -> str:
    """The legal names, and the one that `name` is most like."""
    legal = list(legal)
    hint, more = _near(name, legal), len(legal) - MOST_NAMED
    return (
        f"legal: {', '.join(legal[:MOST_NAMED])}"
        + (f" and {more} more" if more > 0 else "")
        + (f"; {hint}" if hint else "")
    )


def show(value: object) -> str:
    if isinstance(value, str):
        return f"the text {value!r}"
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    return "nothing" if value is None else str(value).lower()
