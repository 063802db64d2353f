"""What is legal beside every reader of rows: which of them are taken, and what is put around them."""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType, ModuleType
from typing import Any

from winsweep import strict
from winsweep.errors import BadStudy
from winsweep.strict import Node
from winsweep.study.sample import Sample

YOUNGER = ("system", "first")  # a reader that has an option so called keeps it


def take_row_options(given: dict[str, Node], own: Collection[str]) -> dict[str, Any]:
    """The fields of a Source that `given` names, which loses them; `own` are the options of the reader. BadStudy."""
    named = [k for k in given if k in READ and not (k in own and k in YOUNGER)]
    seen = strict.Findings()
    found = {key: seen.of(READ[key], given.pop(key)) for key in named}
    seen.stop()
    return found


def _empty(node: Node) -> bool:
    return bool(strict.read(bool, node))


def _sample(node: Node) -> Sample:
    given = node.mapping()
    if "rows" not in given:
        raise node.error("rows is missing", "how many rows are drawn must be said", "add rows: N")
    sample: Sample = strict.read_fields(Sample, given, node)
    return sample


def _system(node: Node) -> str:
    said: str = strict.read(str, node)
    if not said.strip():
        raise node.error("found an empty text", "a system message has text", "take system: out")
    return said.strip()


def _first(node: Node) -> int:
    num: int = strict.read(int, node)
    if num < 1:
        raise node.error(f"found {num}", "a number of rows from 1 is legal")
    return num


def read_options(reader: ModuleType, given: dict[str, Node], purpose: str, at: Node) -> Any:
    """A reader's own Options. BadStudy also where they are such that no rows can be read by them for this purpose.

    A reader may have `refuse(options, purpose)` for that, whose BadStudy begins with the name of the option.
    """
    options = strict.read_fields(reader.Options, given, at)
    try:
        getattr(reader, "refuse", lambda *_: None)(options, purpose)
    except BadStudy as e:
        name, _, said = str(e).partition(": ")
        found, _, legal = said.partition("; ")
        raise given.get(name, at).error(found, legal) from None
    return options


READ: Mapping[str, Callable[[Node], object]] = MappingProxyType(
    {"empty_instructions": _empty, "sample": _sample, "system": _system, "first": _first}
)
