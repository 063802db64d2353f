"""Which job arrays a plan becomes, and which waits for which: pure, so that what SLURM will be told can be read and tested."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from winsweep.artifact import Artifact
from winsweep.placement import Placement, Placements
from winsweep.plan import Item

LINE = ("finetune", "collect")  # the stages that a trained cell passes alone
Task = tuple[Artifact, ...]


@dataclass(frozen=True)
class After:
    """A dependency: on an earlier array of the same submission (its number), or on a job that is in the queue already (its id).

    `corresponding`: task i waits for task i alone. Dependencies save waiting; that inputs are there is checked by each job.
    """

    on: int | str
    corresponding: bool = False


@dataclass(frozen=True)
class Array:
    """One job array; each of its tasks makes one or more results, one after the other in the same allocation."""

    placement: Placement  # of the first result of each task
    tasks: tuple[Task, ...]
    after: tuple[After, ...]

    @property
    def stage(self) -> str:
        """The stage of the first result of each task."""
        return self.tasks[0][0].stage

    @property
    def title(self) -> str:
        return "+".join(dict.fromkeys(a.stage for task in self.tasks for a in task))


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
    for placed, group in _groups(_tasks(todo, placements), placements):
        group.sort(key=lambda task: sorted(place[i.key] for i in _needs(task) if i.key in place and i.stage != "prepare"))
        for start in range(0, len(group), max_tasks):
            tasks = tuple(group[start : start + max_tasks])
            place |= {a.key: (len(out), n) for n, task in enumerate(tasks) for a in task}
            out.append(Array(placed, tasks, tuple(_after(tasks, place, running))))
    return out


def on_nodes(items: Sequence[Item], placements: Placements) -> list[Item]:
    """`items` without what the login node has to make yet, and what waits for that: a job could only find that it is not there."""
    held: set[str] = set()
    for i in items:  # inputs come first
        here = placements.of(i.artifact.stage, i.artifact.label).where == "login"
        if i.state != "done" and (here or any(x.key in held for x in i.artifact.needs)):
            held.add(i.artifact.key)
    return [i for i in items if i.artifact.key not in held]


def _tasks(todo: list[Artifact], placements: Placements) -> list[Task]:
    """`todo` (inputs first) as tasks: what is placed with its input follows the trained model that it is made from, if that is made now.

    Else it shares a task with what its stage makes of the same model, so that one process loads that once.
    """
    tasks: list[list[Artifact]] = []
    of: dict[object, list[Artifact]] = {}
    for a in todo:
        placed = placements.of(a.stage, a.label)
        follows = placed.where == "with_input" and a.stage != "finetune"
        model = (a.stage, placed, _model(a))
        task = next((of[i.key] for i in a.inputs.values() if follows and i.stage in LINE and i.key in of), of.get(model) if model[2] else None)
        if task is None:
            tasks.append(task := [])
            if follows:
                of[model] = task
        task.append(a)
        of[a.key] = task
    return [tuple(task) for task in tasks]


def _model(a: Artifact) -> str:
    """The model that a result is made from, whether another result or of the hub; "" where there is none."""
    if "base" in a.inputs:
        return a.inputs["base"].key
    return json.dumps(a.plain_params["base"], sort_keys=True) if "base" in a.plain_params else ""


def _needs(task: Task) -> list[Artifact]:
    """What a task is made from, less what it makes itself."""
    own = {a.key for a in task}
    return [i for a in task for i in a.needs if i.key not in own]


def _groups(tasks: list[Task], placements: Placements) -> list[tuple[Placement, list[Task]]]:
    """`tasks` (inputs first) by stages, placement and the stages of pending inputs; a group comes after every group that it waits for.

    What follows from finetunes that are placed apart stays apart, so that it can correspond task by task.
    """
    task_of = {a.key: task for task in tasks for a in task}
    waits = {task[0].key: [i for i in _needs(task) if i.key in task_of] for task in tasks}

    @cache
    def depth(head: str) -> int:
        return 1 + max((depth(task_of[i.key][0].key) for i in waits[head]), default=0)

    groups: dict[tuple, list[Task]] = {}
    group_of: dict[str, tuple] = {}
    for task in sorted(tasks, key=lambda task: depth(task[0].key)):
        first = task[0]
        stages = tuple(dict.fromkeys(a.stage for a in task))
        line = frozenset(group_of[task_of[i.key][0].key] for i in waits[first.key] if i.stage in LINE)
        group = (stages, placements.of(first.stage, first.label), frozenset(i.stage for i in waits[first.key]), line)
        group_of[first.key] = group
        groups.setdefault(group, []).append(task)
    deepest = {group: max(depth(task[0].key) for task in of) for group, of in groups.items()}
    return [(group[1], groups[group]) for group in sorted(groups, key=deepest.__getitem__)]


def _after(tasks: tuple[Task, ...], place: Mapping[str, tuple[int, int]], running: Mapping[str, str]) -> Iterator[After]:
    found: dict[int, dict[int, set[int]]] = {}  # array to task to what it waits for there
    for n, task in enumerate(tasks):
        for i in _needs(task):
            if i.key in place:
                array, index = place[i.key]
                found.setdefault(array, {}).setdefault(n, set()).add(index)
    for array, of in sorted(found.items()):
        yield After(array, corresponding=all(of.get(n) == {n} for n in range(len(tasks))))
    for job in sorted({running[i.key] for task in tasks for i in _needs(task) if running.get(i.key)}):
        yield After(job)
