"""What the fields of a dataclass mean, read from the comments beside them: `#: description [unit]`, after a field or in
the lines above it.
"""

import ast
import inspect
import io
import re
import textwrap
import tokenize
from typing import NamedTuple

MARK = "#:"


class FieldDoc(NamedTuple):
    """What a field means, and the unit of its value; empty where nothing is said."""

    text: str = ""
    unit: str = ""


def described(kind: type) -> dict[str, FieldDoc]:
    """What is said beside each field of the dataclass `kind`; its source must be at hand."""
    source = textwrap.dedent(inspect.getsource(kind))
    said = _comments(source)
    top = ast.parse(source).body[0]
    fields = [n for n in top.body if isinstance(n, ast.AnnAssign)] if isinstance(top, ast.ClassDef) else []
    return {n.target.id: _doc(_beside(n, said)) for n in fields if isinstance(n.target, ast.Name)}


def _comments(source: str) -> dict[int, tuple[str, bool]]:
    """The marked comments by line, and whether one has the line to itself."""
    found = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and token.string.startswith(MARK):
            alone = not token.line[: token.start[1]].strip()
            found[token.start[0]] = (token.string.removeprefix(MARK).strip(), alone)
    return found


def _beside(field: ast.AnnAssign, said: dict[int, tuple[str, bool]]) -> str:
    above: list[str] = []
    line = field.lineno - 1
    while said.get(line, ("", False))[1]:
        above.insert(0, said[line][0])
        line -= 1
    after = [said[n][0] for n in range(field.lineno, (field.end_lineno or field.lineno) + 1) if n in said]
    return " ".join([*above, *after])


def _doc(text: str) -> FieldDoc:
    found = re.fullmatch(r"(.*?)\s*\[([^\[\]`]+)\]", text)
    return FieldDoc(found[1], found[2]) if found else FieldDoc(text)
