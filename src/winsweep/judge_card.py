"""The card of a study's judge as a person is told of it: that there is none, what speaks against the judge, figures."""

import shlex
from typing import Any

from winsweep import command_names
from winsweep.study.cell import Judge, judge_of
from winsweep.validation import card, words
from winsweep.workspace import Workspace


def of(workspace: Workspace) -> tuple[Judge, dict[str, Any] | None] | None:
    """The judge of a study's table and its card, if it has one; None where nothing is judged."""
    if not workspace.has_table or not workspace.judged:
        return None
    a = next(iter(workspace.judged.values()))
    judge = judge_of(a)
    known = card.read(card.place(workspace.store.root, judge, a.plain_params["identity"]))
    return judge, known if known and words.is_readable(known, judge.options) else None


def against(workspace: Workspace) -> list[str]:
    """A line for all that speaks against a study's judge: that nobody has looked at it, or what was found."""
    found = of(workspace)
    if found is None:
        return []
    judge, known = found
    if known is None:
        what = f"{command_names.command('validate')} --study {shlex.quote(str(workspace.study.path))}"
        return [f"judge {judge.name} has no card, so nobody knows how good it is; type: {what}"]
    return [f"judge {judge.name}: it {fault}" for fault in words.faults(known, judge.options)]


def figures(workspace: Workspace) -> list[str]:
    """The card in a line, where there is one."""
    found = of(workspace)
    judge, known = found or (None, None)
    return [f"judge {judge.name}: {words.line(known, judge.options)}"] if judge and known else []
