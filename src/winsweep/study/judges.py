"""How a judge and its options are read: plain values, the weights of a model on this machine, texts of files, and the
judges of a jury.
"""

from collections.abc import Mapping
from dataclasses import Field, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from winsweep import plugins, strict
from winsweep.errors import BadData, BadStudy
from winsweep.quoting import quoted
from winsweep.strict import Node
from winsweep.study import jury
from winsweep.study.cell import Judge, LocalFile

MOST_TEXT = 100_000  # bytes of a file whose text is an option


def text_of_file(**more: Any) -> Any:
    """A field of a judge's Options that is a text, for which a study names the file that it stands in. `more` is the
    field's metadata, or its default.
    """
    default = {"default": more.pop("default")} if "default" in more else {}
    return field(metadata={"is_file": True, **more}, **default)


class Reads(Protocol):
    """What a study file names, as Parts reads it."""

    files: dict[str, Path]

    def plugin(self, kind: plugins.Kind, name: str, at: Node) -> tuple[ModuleType, LocalFile | None]: ...
    def base(self, kind: str, given: dict[str, Node], node: Node) -> Any: ...
    def on_disk(self, node: Node, most_bytes: int | None = None) -> LocalFile: ...


def read(node: Node, parts: Reads) -> Judge:
    """A judge by its name, or by from: and its options; BadStudy."""
    given = dict(node.value) if isinstance(node.value, dict) else {"from": node}
    at = given.pop("from", node)
    name: str = strict.read(str, at)
    module, code = parts.plugin(plugins.JUDGES, name, at)
    if name == jury.JURY:
        return Judge(name, module.VERSION, module.Options(jury.read(given, node, lambda one: read(one, parts))))
    fields: Mapping[str, Field[object]] = module.Options.__dataclass_fields__
    given |= {key: _text(v, parts) for key, v in given.items() if key in fields and _is_file(fields[key])}
    kind = next((k for k in ("hf_id", "path") if k in given), None)
    if kind is None or "weights" not in fields:
        options = strict.read_fields(module.Options, given, node)
        return _placed(Judge(name, module.VERSION, _in_orders(module, options, given), code), module, node)
    weights = parts.base(kind, given, node)  # of a judge that is a model on this machine
    rest = {k: v for k, v in given.items() if k not in ("hf_id", "revision", "path")}
    options = replace(strict.read_fields(module.Options, rest, node), weights=weights)
    return _placed(Judge(name, module.VERSION, _in_orders(module, options, given), code), module, node)


def _placed(judge: Judge, module: ModuleType, node: Node) -> Judge:
    """`judge`; what speaks against its options, such as a configuration that is not there, with the place in the
    study.
    """
    try:
        module.identity(judge.options)
    except (BadStudy, BadData) as e:
        raise BadStudy(f"{node.file}:{node.line}: {node.path}: {e}") from None
    return judge


def _in_orders(module: ModuleType, options: Any, given: Mapping[str, Node]) -> Any:
    """The options of a judge; where the study does not say, in both orders if the judge's file says so. The field's own
    default cannot, as it is what older keys mean.
    """
    usual = getattr(module, "asks_in_both_orders", None)
    return replace(options, both_orders=True) if usual and "both_orders" not in given and usual(options) else options


def _is_file(field: "Field[object]") -> bool:
    """Whether a study names a file where this field has its text."""
    return bool(field.metadata.get("is_file"))


def _text(node: Node, parts: Reads) -> Node:
    """The text of the file that `node` names, in its place; BadStudy where there is none."""
    if not isinstance(node.value, str):
        return node
    path = parts.files.get(parts.on_disk(node, MOST_TEXT).sha256)
    if path is None:
        raise node.error(f"no file {quoted(node.value)} there", "a file of text is legal, relative to this one")
    try:
        return Node(path.read_text(encoding="utf-8"), node.file, node.line, node.path)
    except UnicodeDecodeError as e:
        raise node.error(f"{path} is no text ({e.reason} at byte {e.start})", "UTF-8 is legal") from None
