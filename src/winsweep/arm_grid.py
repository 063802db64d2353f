"""Where a study stands as a grid of arms × stages: how many results of each are done, and what is failed, blocked or
running.
"""

import textwrap
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from winsweep import screen
from winsweep.artifact import Artifact
from winsweep.workspace import STAGES, Workspace, chain
from winsweep.workspace import columns as stages_of

SIGNS = {"failed": "✗", "blocked": "–", "running": "▸", "queued": "…"}
ORDER = ("failed", "blocked", "running", "queued", "ready", "waiting", "done")
COMMON = ("pretrain", "prepare", "check", "check_judge")  # of several arms: one line for all
# left out, in this order, where the screen is too narrow
SPARE = ("collect", "choose", "containment", "drift", "rank", "finetune", "generate")
MOST_ROWS, MOST_NAMES = 24, 12
REFERENCES = ("", "(references)")  # what only the others' references need
Counts = Mapping[str, Counter[str]]  # stage to states
Name = TypeVar("Name")


@dataclass(frozen=True)
class Row:
    """Arms whose results stand alike: their models and names, and the states of their cells and results."""

    models: tuple[str, ...]
    arms: tuple[str, ...]
    counts: Counts  # by stage, and of "cells"


def lines(workspace: Workspace, shown: Mapping[str, str], columns: int) -> list[str]:
    """The grid at most `columns` wide, a row for each arm (those that stand alike have one, which counts each of them),
    a row for all, a line for what arms share, and what the signs mean.

    `shown`: key to state; what is not in it is done.
    """
    counts, common, total = _count(workspace, shown)
    rows = _few_rows([Row((model,), (arm,), of) for (model, arm), of in counts.items()])
    heads = ["model", "arm", "cells", *(s for s in STAGES if s in total)]
    named = [_in_lines(row.arms, columns // 2 - 20) for row in rows]
    if sum(map(len, named)) > MOST_ROWS:
        named = [[screen.few(row.arms)] for row in rows]
    table = [
        [screen.few(row.models), names, *_entries(row.counts, heads)] for row, of in zip(rows, named) for names in of
    ]
    table += [["all", "", *_entries(total, heads)]] if len(table) > 1 else []
    heads, table, left_out = fit(heads, table, columns)
    used = {state for of in (*counts.values(), common) for states in of.values() for state in states}
    signs = ", ".join(f"{sign} {state}" for state, sign in SIGNS.items() if state in used)
    below = [f"{stage} {entry(states)}" for stage, states in common.items()]
    return [
        *(screen.cut(line, columns) for line in screen.grid(heads, table, 2)),
        *screen.wrapped(f"shared by arms: {', '.join(below)}" if below else "", columns),
        *_left_out(left_out, columns),
        *screen.wrapped(signs, columns),
    ]


def cell_lines(workspace: Workspace, shown: Mapping[str, str], columns: int) -> list[str]:
    """A line for each cell: of each stage the state that a person should know first."""
    chains = {label: chain(workspace.ends(label)) for label in workspace.judged}
    heads = ["cell", *stages_of(chains.values())]
    table = [[label, *(worst(shown, found.get(stage, ())) for stage in heads[1:])] for label, found in chains.items()]
    heads, table, left_out = fit(heads, table, columns, (*COMMON, *SPARE))
    return [screen.cut(line, columns) for line in screen.grid(heads, table, len(heads))] + _left_out(left_out, columns)


def fit(
    heads: list[str], table: list[list[str]], columns: int, spare: Sequence[str] = SPARE
) -> tuple[list[str], list[list[str]], list[str]]:
    """Heads and rows without as many `spare` columns as must go, and those; then the first columns are cut."""
    left_out: list[str] = []
    for name in (s for s in spare if s in heads):
        if screen.grid_width(heads, table) <= columns:
            break
        n = heads.index(name)
        heads, table = heads[:n] + heads[n + 1 :], [row[:n] + row[n + 1 :] for row in table]
        left_out.append(name)
    over = screen.grid_width(heads, table) - columns
    if over > 0 and table:
        n = max((0, 1)[: len(heads)], key=lambda n: max(len(row[n]) for row in table))
        room = max(8, max(len(row[n]) for row in table) - over)
        table = [[screen.cut(text, room) if at == n else text for at, text in enumerate(row)] for row in table]
    return heads, table, left_out


def entry(states: Mapping[str, int]) -> str:
    """Done of all, then how many are failed, blocked, running or queued."""
    said = "".join(f" {states[state]}{sign}" for state, sign in SIGNS.items() if states.get(state))
    return f"{states.get('done', 0)}/{sum(states.values())}{said}" if states else ""


def worst(shown: Mapping[str, str], artifacts: Iterable[Artifact]) -> str:
    """What a person should know first about several results; one that is not in the plan is below a done one."""
    return min((shown.get(a.key, "done") for a in artifacts), key=ORDER.index, default="-")


def owners(workspace: Workspace, names: Mapping[str, Name]) -> dict[str, set[Name]]:
    """Key of each result to what of `names` (by label of a cell) it is made for, validation runs before it included;
    nothing of what references or the table alone need.
    """
    found: dict[str, set[Name]] = defaultdict(set)
    for label, end in ends(workspace):
        found[end.key].add(names[label])
    for a in reversed(workspace.order):  # users before what they use
        if mine := found.get(a.key):
            for name, i in (*a.inputs.items(), *a.gates.items()):
                if name != "reference":
                    found[i.key] |= mine
    return found


def ends(workspace: Workspace) -> list[tuple[str, Artifact]]:
    """The judgement of each cell and its analyses, each with the label of the cell."""
    of = workspace.study.analyses
    return [*workspace.judged.items(), *((of[name].cell.label, a) for name, a in workspace.analyses.items())]


def arms_of_cells(workspace: Workspace) -> dict[str, tuple[str, str]]:
    """Label of each cell to its model and arm; points of a grid are arms of their own."""
    cells = (c for c in workspace.study.table.cells if c.label in workspace.judged)
    return {c.label: (c.model, c.arm) for c in cells}


def _count(
    workspace: Workspace, shown: Mapping[str, str]
) -> tuple[dict[tuple[str, str], dict[str, Counter]], dict[str, Counter], dict[str, Counter]]:
    """The states of the results of each arm, of what arms have in common, and of all arms, each by stage."""
    arms = arms_of_cells(workspace)
    counts: dict[tuple[str, str], dict[str, Counter]] = {arm: defaultdict(Counter) for arm in arms.values()}
    common: dict[str, Counter] = defaultdict(Counter)
    total: dict[str, Counter] = defaultdict(Counter)
    made_for = owners(workspace, arms)
    open_ones = {label for label, a in ends(workspace) if shown.get(a.key, "done") != "done"}
    for label, arm in arms.items():
        state = "waiting" if label in open_ones else "done"
        counts[arm]["cells"][state] += 1
        total["cells"][state] += 1
    for a in workspace.order:
        state = shown.get(a.key, "done")
        if a.stage in (*COMMON, "aggregate"):
            common[a.stage if a.stage != "aggregate" else "table"][state] += 1
            continue
        total[a.stage][state] += 1
        for arm in made_for.get(a.key) or [REFERENCES]:
            counts.setdefault(arm, defaultdict(Counter))[a.stage][state] += 1
    return counts, common, total


def _few_rows(rows: list[Row]) -> list[Row]:
    """As few rows as MOST_ROWS: models of an arm together, then arms of the same models, and last whatever is left."""
    rows = _together(_together(rows, lambda row: row.arms), lambda row: row.models)
    if len(rows) <= MOST_ROWS:
        return rows
    by_state = sorted(range(len(rows)), key=lambda n: min(ORDER.index(s) for of in rows[n].counts.values() for s in of))
    kept = {*by_state[: MOST_ROWS - 1]}
    return [row for n, row in enumerate(rows) if n in kept] + [_sum([r for n, r in enumerate(rows) if n not in kept])]


def _together(rows: Sequence[Row], alike: Callable[[Row], object]) -> list[Row]:
    """Rows that are `alike` and have equal counts as one, in their order."""
    found: dict[object, list[Row]] = {}
    for row in rows:
        counts = tuple((stage, tuple(sorted(of.items()))) for stage, of in sorted(row.counts.items()))
        found.setdefault((alike(row), counts), []).append(row)
    return [Row(*_names(of), of[0].counts) for of in found.values()]


def _sum(rows: Sequence[Row]) -> Row:
    counts: dict[str, Counter] = defaultdict(Counter)
    for row in rows:
        for stage, states in row.counts.items():
            counts[stage] += states
    num = sum(len(row.arms) * len(row.models) for row in rows)
    return Row(_names(rows)[0], (f"{num:,} more, summed",), counts)


def _names(rows: Sequence[Row]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(dict.fromkeys(m for r in rows for m in r.models)), tuple(
        dict.fromkeys(a for r in rows for a in r.arms)
    )


def _left_out(names: Sequence[str], columns: int) -> list[str]:
    return screen.wrapped(
        f"no room for: {', '.join(names)}. A wider terminal, or COLUMNS=160, shows them." if names else "", columns
    )


def _in_lines(names: Sequence[str], columns: int) -> list[str]:
    """The names in lines of so many columns; of very many just the first, and how many there are."""
    if len(names) > MOST_NAMES:
        return [screen.few(names)]
    found = textwrap.wrap(", ".join(names), max(16, columns), break_long_words=False, break_on_hyphens=False)
    return [line.removesuffix(",") for line in found]


def _entries(counts: Counts, heads: Sequence[str]) -> list[str]:
    return [entry(counts.get(stage, {})) for stage in heads[2:]]
