"""How a study says a grammar: inline, or by a file beside it."""

import json
import math
from pathlib import Path
from typing import Any, Literal

from winsweep import strict
from winsweep.quoting import quoted
from winsweep.strict import Node
from winsweep.study.parts import Parts
from winsweep.study.rules import Grammar
from winsweep.study.sections import GrammarSection

ENDINGS: dict[str, Literal["regex", "json_schema", "lark"]] = {
    ".regex": "regex",
    ".json": "json_schema",
    ".lark": "lark",
}
MOST_BYTES = 2**20  # of a grammar's text, which is part of a key


def read_grammar(node: Node, parts: Parts) -> Grammar:
    """The one grammar of an entry grammar:, inline or from a file; BadStudy for none, two, or no text.

    Whether it compiles is asked later, of those in `parts.grammars`.
    """
    legal = f"exactly one of {', '.join(strict.keys(GrammarSection))} is legal"
    if node.value is not None and not isinstance(node.value, dict):
        raise node.error(f"found {strict.show(node.value)}", legal, "type grammar: {regex: '…'}")
    given = node.mapping()
    strict.refuse_unknown(given, strict.keys(GrammarSection), node)
    if len(given) != 1:
        raise node.error(f"found {' and '.join(given) or 'none of them'}", legal, "type grammar: {regex: '…'}")
    ((name, at),) = given.items()
    found = _from_file(at, parts) if name == "path" else _inline(name, at)
    if (size := len(found.text.encode())) > MOST_BYTES:
        raise at.error(f"found {size:,} bytes", f"{MOST_BYTES:,} bytes at most are legal", "write less")
    if not found.text.strip():
        raise at.error("found an empty grammar", "a grammar that some text belongs to is legal", "write it there")
    if not any(found.text == f"missing {path}" for path in parts.missing):
        parts.grammars[f"{at.file}:{at.line}: {at.path}"] = found
    return found


def _inline(name: str, at: Node) -> Grammar:
    if name == "json_schema":
        return Grammar("json_schema", json.dumps(_plain(_mapping(at)), ensure_ascii=False))
    return Grammar("lark" if name == "lark" else "regex", strict.read(str, at))


def _mapping(node: Node) -> Node:
    strict.not_empty(node, "type a schema, such as {type: object, …}").mapping()
    return node


def _plain(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {name: _plain(inner) for name, inner in node.value.items()}
    if isinstance(node.value, list):
        return [_plain(inner) for inner in node.value]
    is_number = isinstance(node.value, float) and math.isfinite(node.value)
    if not (node.value is None or is_number or isinstance(node.value, (str, int))):
        raise node.error(f"found {strict.show(node.value)}", "what JSON has is legal here", f"quote it: '{node.value}'")
    return node.value


def _from_file(node: Node, parts: Parts) -> Grammar:
    kind = ENDINGS.get(Path(strict.read(str, node)).suffix)
    if kind is None:
        raise node.error(
            f"found {quoted(node.value)}", f"a file that ends in {', '.join(ENDINGS)} is legal", "rename it"
        )
    file = parts.on_disk(node, MOST_BYTES)
    if file.sha256 not in parts.files:  # it is one of the missing, which are said with the others
        return Grammar(kind, file.sha256)
    try:
        text = parts.files[file.sha256].read_bytes().decode().removeprefix("\ufeff")
    except (OSError, UnicodeDecodeError) as e:
        raise node.error(f"cannot be read ({e})", "a file of UTF-8 text is legal") from None
    return Grammar(kind, text.rstrip("\r\n") if kind == "regex" else text)
