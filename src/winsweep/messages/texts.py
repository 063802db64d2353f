"""What messages say: how a study ended, why something failed first, that a budget is used up. Names and reasons are
others' text, and nothing in them acts where a message is shown.
"""

from collections.abc import Sequence
from typing import NamedTuple

from winsweep import results, screen
from winsweep.amounts import plural
from winsweep.plan import Item
from winsweep.stats.control import FIGURES
from winsweep.trackers.runs import by_arm, table_rows
from winsweep.workspace import Workspace

LONGEST = 400  # characters of a reason
HARMLESS = str.maketrans({"@": "＠", "<": "(", ">": ")", "`": "'"})  # mentions, links, HTML
USED_UP = "budget"


class Message(NamedTuple):
    """`event` is what it is sent once for."""

    event: str
    title: str
    body: str


def of_failure(workspace: Workspace, first: Item, command: str) -> Message:
    """Why something failed, and what to type; a budget that is used up is an event of its own."""
    is_budget = USED_UP in first.why and "is used up" in first.why
    name = harmless(workspace.study.name)
    what = "has used up its budget" if is_budget else "has a failure"
    lines = [
        f"{harmless(first.artifact.name)}: {harmless(first.why)}",
        "What does not need it goes on." if not is_budget else "Raise dollars in the judge's limits to go on.",
        f"To try again: {command}",
    ]
    return Message("budget" if is_budget else "failed", f"winsweep: {name} {what}", "\n".join(lines))


def of_end(workspace: Workspace, items: Sequence[Item], halted: str = "") -> Message:
    """How many cells are judged, the best arm with its interval, and where the table is; why no more is done."""
    open_ones = {i.artifact.key for i in items if i.state != "done"}
    done = {label for label, a in workspace.judged.items() if a.key not in open_ones}
    failed = sum(i.state == "failed" for i in items)
    verb = "judged" if workspace.has_table else "trained"
    lines = [
        f"{len(done)} of {len(workspace.judged)} cells {verb}"
        + (f"; {plural(failed, 'result')} failed" if failed else "")
    ]
    lines += [best] if (best := headline(workspace)) else []
    lines += [results.where_text(workspace, done)] if workspace.has_table else []
    lines += [harmless(halted)] if halted else []
    state = "is finished" if len(done) == len(workspace.judged) and not failed else "has ended"
    return Message("ended", f"winsweep: {harmless(workspace.study.name)} {state}", "\n".join(lines))


def headline(workspace: Workspace) -> str:
    """The arm with the highest win rate as the study reads it, of those that are not compared with themselves."""
    themselves = _references(workspace)
    rows, figure = by_arm(table_rows(workspace)).items(), FIGURES[workspace.study.table.control]
    arms = [(name, row) for name, row in rows if row.get(figure.rate) and (row["model"], row["task"]) not in themselves]
    if not arms:
        return ""
    name, row = max(arms, key=lambda pair: float(pair[1][figure.rate]))
    low, high = row[figure.low], row[figure.high]
    interval = f" ({float(low):.1f} to {float(high):.1f})" if low and high else ""
    seeds = f", mean of {plural(int(float(row['num_seeds'])), 'seed')}" if row["num_seeds"] else ""
    return f"best arm: {harmless(name)}, win rate {float(row[figure.rate]):.1f} %{interval}{seeds}"


def _references(workspace: Workspace) -> set[tuple[str, str]]:
    """Model and task of the cells that are their own reference."""
    cells = [c for c in workspace.study.table.cells if c.label in workspace.judged]
    return {(c.model, c.task) for c in cells if c.comparison.candidate == c.comparison.reference}


def harmless(text: str) -> str:
    """One line of a bounded length without control characters, mentions, links or HTML."""
    return screen.cut(screen.printable(" ".join(text.split())), LONGEST).translate(HARMLESS)
