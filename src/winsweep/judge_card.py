"""The card of a study's judge as a person is told of it: that there is none, what speaks against the judge, figures."""

import shlex
from typing import Any

from winsweep import command_names, screen
from winsweep.study.cell import Judge, judge_of
from winsweep.validation import kept, words
from winsweep.workspace import Workspace


def of(workspace: Workspace) -> tuple[Judge, dict[str, Any] | None, str] | None:
    """The judge of a study's table, its card, if it has one, and why what lies in the place of one is none; None where
    nothing is judged.
    """
    if not workspace.has_table or not workspace.judged:
        return None
    a = next(iter(workspace.judged.values()))
    judge = judge_of(a)
    return judge, *kept.find(workspace.store.root, judge, a.plain_params["identity"])


def against(workspace: Workspace) -> list[str]:
    """A line for all that speaks against a study's judge: that nobody has looked at it, or what was found."""
    found = of(workspace)
    if found is None:
        return []
    judge, known, why = found
    if known is None:
        what = f"{command_names.command('validate')} --study {shlex.quote(str(workspace.study.path))}"
        has = f"has no card that can be used ({screen.printable(why)})" if why else "has no card"
        return [f"judge {judge.name} {has}, so nobody knows how good it is; type: {what}"]
    return [screen.printable(f"judge {judge.name}: it {fault}") for fault in words.faults(known, judge.options)]


def figures(workspace: Workspace) -> list[str]:
    """The card in a line, where there is one."""
    found = of(workspace)
    judge, known, _ = found or (None, None, "")
    return [screen.printable(f"judge {judge.name}: {words.line(known, judge.options)}")] if judge and known else []
