"""Which job arrays a plan becomes, and which waits for which: pure, so that what SLURM will be told can be read and tested."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from winsweep.artifact import Artifact
from winsweep.placement import Placement, Placements
from winsweep.plan import Item

LINE = ("finetune", "collect")  # the stages that a trained cell passes alone


@dataclass(frozen=True)
class After:
    """A dependency: on an earlier array of the same submission (its number), or on a job that is in the queue already (its id).

    `corresponding`: task i waits for task i alone. Dependencies save waiting; that inputs are there is checked by each job.
    """

    on: int | str
    corresponding: bool = False


@dataclass(frozen=True)
class Array:
    stage: str
    placement: Placement
    tasks: tuple[Artifact, ...]
    after: tuple[After, ...]


def arrays(items: Sequence[Item], placements: Placements, max_tasks: int) -> list[Array]:
    """The arrays that make everything of `items` that is ready or waiting, parents before children.

    Tasks share an array if stage, placement and the stages of what they still wait for agree; they stand in the order of what
    they wait for, so that task i of a child corresponds to task i of its parent wherever each has one. An array has at
    most `max_tasks` tasks. What already runs is waited for by its job (the word after "job " in an item's `why`).
    """
    todo = [i.artifact for i in on_nodes(items, placements) if i.state in ("ready", "waiting")]
    running = {i.artifact.key: i.why.partition("job ")[2].partition("_")[0] for i in items if i.state == "running"}
    place: dict[str, tuple[int, int]] = {}  # key to (array, index)
    out: list[Array] = []
    for placed, group in _groups(todo, placements):
        group.sort(key=lambda a: sorted(place[i.key] for i in a.inputs.values() if i.key in place and i.stage != "prepare"))
        for start in range(0, len(group), max_tasks):
            tasks = tuple(group[start : start + max_tasks])
            place |= {a.key: (len(out), n) for n, a in enumerate(tasks)}
            out.append(Array(tasks[0].stage, placed, tasks, tuple(_after(tasks, place, running))))
    return out


def on_nodes(items: Sequence[Item], placements: Placements) -> list[Item]:
    """`items` without what the login node has to make yet, and what waits for that: a job could only find that it is not there."""
    held: set[str] = set()
    for i in items:  # inputs come first
        here = placements.of(i.artifact.stage, i.artifact.label).where == "login"
        if i.state != "done" and (here or any(x.key in held for x in i.artifact.inputs.values())):
            held.add(i.artifact.key)
    return [i for i in items if i.artifact.key not in held]


def _groups(todo: list[Artifact], placements: Placements) -> list[tuple[Placement, list[Artifact]]]:
    """`todo` (inputs first) by stage, placement and the stages of pending inputs; a group comes after every group that it waits for.

    What follows from finetunes that are placed apart stays apart, so that it can correspond task by task.
    """
    pending = {a.key: a for a in todo}
    groups: dict[tuple, list[Artifact]] = {}
    group_of: dict[str, tuple] = {}
    for a in todo:
        waits = [i for i in a.inputs.values() if i.key in pending]
        line = frozenset(group_of[i.key] for i in waits if i.stage in LINE)
        group_of[a.key] = (a.stage, placements.of(a.stage, a.label), frozenset(i.stage for i in waits), line)
        groups.setdefault(group_of[a.key], []).append(a)
    depth = {key: max(_depth(a, pending) for a in group) for key, group in groups.items()}
    return [(key[1], groups[key]) for key in sorted(groups, key=depth.__getitem__)]


def _depth(a: Artifact, pending: Mapping[str, Artifact]) -> int:
    return 1 + max((_depth(i, pending) for i in a.inputs.values() if i.key in pending), default=0)


def _after(tasks: tuple[Artifact, ...], place: Mapping[str, tuple[int, int]], running: Mapping[str, str]) -> Iterator[After]:
    found: dict[int, list[set[int]]] = {}
    for n, a in enumerate(tasks):
        for i in a.inputs.values():
            if i.key in place:
                array, index = place[i.key]
                found.setdefault(array, [set() for _ in tasks])[n].add(index)
    for array, indices in sorted(found.items()):
        yield After(array, corresponding=all(own == {n} for n, own in enumerate(indices)))
    for job in sorted({running[i.key] for a in tasks for i in a.inputs.values() if running.get(i.key)}):
        yield After(job)
