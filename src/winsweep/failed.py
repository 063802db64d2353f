"""How failures are told: each with its reason, the cells that wait for it and its log; those of one cause together."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from winsweep import arm_grid, screen
from winsweep.amounts import plural
from winsweep.artifact import Artifact
from winsweep.plan import Item
from winsweep.workspace import Workspace

INDENT = " " * 8
MOST_CAUSES = 3  # of what is blocked
# what judges' failures say of single questions: text that is quoted, to its end or to where it was cut; numbers
QUOTED = re.compile(r"""(?<!\w)(?:'(?:[^'\\]|\\.)*?(?:'|(?=…;))|"(?:[^"\\]|\\.)*?(?:"|(?=…;)))""")
MORE = re.compile(r"and \d+ more|….*…")  # what is not told
COUNTED = re.compile(r"#\d+|\d+ of \d+ pairs|\d[\d,]* tokens")


class Failure(NamedTuple):
    artifact: Artifact
    why: str


def lines(workspace: Workspace, items: Sequence[Item], is_verbose: bool = False) -> list[str]:
    """Every failed result: those of a stage that failed for the same reason as one, unless each is asked for."""
    failures = [Failure(i.artifact, i.why) for i in items if i.state == "failed"]
    if not failures:
        return []
    groups: dict[tuple, list[Failure]] = {}
    for f in failures:
        groups.setdefault((f.artifact.stage, f.artifact.key if is_verbose else _cause(f)), []).append(f)
    cells = arm_grid.owners(workspace, {label: label for label in workspace.judged})
    order = {label: n for n, label in enumerate(workspace.judged)}
    open_ones = {i.artifact.key for i in items if i.state != "done"}
    told = []
    for of in groups.values():
        waiting = sorted({label for f in of for label in cells.get(f.artifact.key, ())}, key=order.__getitem__)
        waiting = [label for label in waiting if any(a.key in open_ones for a in workspace.ends(label))]
        told += _told(workspace, of, waiting, 10**9 if is_verbose else 4)
    return told


def blocked_lines(items: Sequence[Item], is_verbose: bool = False) -> list[str]:
    """What a failure keeps from being made: a line for each cause, or one for many causes."""
    held = [i for i in items if i.state == "blocked"]
    causes = Counter(i.why for i in held)
    if len(causes) > MOST_CAUSES and not is_verbose:
        names = [why.removesuffix(" failed") for why in causes]
        return [
            f"blocked {plural(len(held), 'result')} by {len(causes)} that failed: {screen.printable(screen.few(names))}"
        ]
    return [f"blocked {num} × {screen.printable(why)}" for why, num in causes.most_common()]


def _told(workspace: Workspace, of: Sequence[Failure], waiting: Sequence[str], most: int) -> list[str]:
    first, labels = of[0], [f.artifact.label for f in of]
    name = first.artifact.name if len(of) == 1 else f"{len(of)} × {first.artifact.stage}: {screen.few(labels)}"
    return [
        f"failed  {name}",
        f"{INDENT}{screen.printable(first.why)}",
        *([f"{INDENT}cells: {screen.few(waiting, most)}"] if waiting else []),
        f"{INDENT}log{'' if len(of) == 1 else ' of the first'}: {workspace.store.log(first.artifact.key)}",
    ]


def _cause(failure: Failure) -> str:
    """The reason without the names of what failed, which make equal reasons look different."""
    why = failure.why
    for name in (failure.artifact.name, failure.artifact.key, failure.artifact.label, failure.artifact.digest):
        why = why.replace(name, "…")
    return _of_questions(why) if failure.artifact.stage == "judge" else why


def _of_questions(why: str) -> str:
    """The reason without the questions that it names, each of which was left for the same or another one."""
    parts = COUNTED.sub("…", QUOTED.sub("…", why)).replace("no preference: ", "no preference; ").split("; ")
    return "; ".join(dict.fromkeys(part for part in parts if not MORE.fullmatch(part)))
