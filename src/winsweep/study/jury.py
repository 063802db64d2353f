"""The judges that a jury is made of, as a study names them: at least two, no jury among them, none twice."""

from collections.abc import Callable, Mapping
from typing import Any

from winsweep import keys, strict
from winsweep.strict import Node
from winsweep.study.cell import Judge

JURY = "jury"  # the file of judges/
HOW_OFTEN = ("both_orders", "samples", "batch")  # options of a judge that make no other judge of it


def members(judge: Judge) -> tuple[Judge, ...]:
    """The judges that are asked where `judge` is named: those of a jury, or itself."""
    options: Any = judge.options
    return options.judges if judge.name == JURY else (judge,)


def options_of(options: Any) -> tuple[Any, ...]:
    """The options of each judge that is asked where these are a judge's: those of a jury's members, or themselves."""
    judges = getattr(options, "judges", None)
    is_jury = isinstance(judges, tuple) and bool(judges) and all(isinstance(j, Judge) for j in judges)
    return tuple(j.options for j in judges) if is_jury and judges else (options,)


def read(given: Mapping[str, Node], at: Node, one: Callable[[Node], Judge]) -> tuple[Judge, ...]:
    """The judges that a jury's keys name, each read by `one`; BadStudy for what is no jury, all errors at once."""
    strict.refuse_unknown(given, ("judges",), at)
    if "judges" not in given:
        raise at.error("judges is missing", "a list of two judges or more is legal", "add judges: [NAME, NAME]")
    nodes, seen = strict.items(given["judges"]), strict.Findings()
    judges = [seen.of(_member, node, one) for node in nodes]
    seen.stop()
    found = [judge for judge in judges if judge]
    if len(found) < 2:
        raise given["judges"].error(
            f"found {len(found) or 'no'} judge{'s' if not found else ''}",
            "two judges or more are legal in a jury",
            "name another, or name the judge alone: judge: NAME",
        )
    _refuse_same(found, nodes)
    return tuple(found)


def _member(node: Node, one: Callable[[Node], Judge]) -> Judge:
    judge = one(node)
    if judge.name == JURY:
        raise node.error("found a jury in a jury", "judges are legal there", "name its judges one by one")
    return judge


def _refuse_same(judges: list[Judge], nodes: list[Node]) -> None:
    known: dict[str, int] = {}
    for i, judge in enumerate(judges):
        which = keys.plain(judge)
        which["options"] = {name: v for name, v in which["options"].items() if name not in HOW_OFTEN}
        first = known.setdefault(keys.canonical(which), i)
        if first != i:
            raise nodes[i].error(
                f"found the judge {judge.name} again, which is number {first + 1} too",
                "each judge is legal once: twice it would weigh twice, and agree with itself",
                "name another",
            )
