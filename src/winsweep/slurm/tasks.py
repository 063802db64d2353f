"""Which results are made by one task, and what it is made from: pure."""

import json
from collections.abc import Iterable, Mapping, Sequence

from winsweep.artifact import Artifact
from winsweep.placement import Placements
from winsweep.plan import Item

LINE = ("finetune", "collect")  # the stages that a trained cell passes alone
OWN = (*LINE, "generate", "judge")  # the stages of a cell: what comes after one of them corresponds to it, task by task
Task = tuple[Artifact, ...]


def references(todo: Iterable[Artifact]) -> set[str]:
    """Keys of everything of a cell that another cell of `todo` needs, and of what that is made from."""
    found: set[str] = set()
    left = [
        a.inputs["reference"]
        for a in todo
        if a.stage == "judge" and "reference" in a.inputs and a.inputs["reference"].key != a.inputs["candidate"].key
    ]
    while left:
        if (a := left.pop()).key not in found:
            found.add(a.key)
            left += [i for i in a.inputs.values() if i.stage in OWN]
    return found


def on_nodes(items: Sequence[Item], placements: Placements) -> list[Item]:
    """`items` without what the login node has to make yet, and what waits for that: a job could only find that it is
    not there.
    """
    held: set[str] = set()
    for i in items:  # inputs come first
        here = placements.of(i.artifact.stage, i.artifact.label).where == "login"
        if i.state != "done" and (here or any(x.key in held for x in i.artifact.needs)):
            held.add(i.artifact.key)
    return [i for i in items if i.artifact.key not in held]


def tasks_of(todo: list[Artifact], placements: Placements) -> list[Task]:
    """`todo` (inputs first) as tasks: what is placed with its input follows the trained model that it is made from, and
    a judgement its answers, if these are made now.

    Else it shares a task with what its stage makes of the same model, so that one process loads that once. A judgement
    whose reference is yet to be made has a task of its own: no training waits for another cell.
    """
    tasks: list[list[Artifact]] = []
    of: dict[object, list[Artifact]] = {}
    for a in todo:
        placed = placements.of(a.stage, a.label)
        follows = placed.where == "with_input" and a.stage != "finetune"
        model = (a.stage, placed, _model(a))
        task = next(
            (of[key] for key in (_followed(a, of) if follows else ()) if key in of),
            of.get(model) if model[2] else None,
        )
        if task is None:
            tasks.append(task := [])
            if follows:
                of[model] = task
        task.append(a)
        of[a.key] = task
    return [tuple(task) for task in tasks]


def _followed(a: Artifact, made: Mapping[object, object]) -> list[str]:
    """Keys of what may have a result in its task; `made`: the keys of what is made now to their tasks."""
    if a.stage != "judge":
        return [i.key for i in a.inputs.values() if i.stage in LINE]
    candidate = a.inputs["candidate"].key
    reference = a.inputs["reference"].key if "reference" in a.inputs else candidate
    return [candidate] if made.get(reference) in (None, made.get(candidate)) else []


def _model(a: Artifact) -> str:
    """The model that a result is made from, whether another result or of the hub; "" where there is none."""
    if "base" in a.inputs:
        return a.inputs["base"].key
    return json.dumps(a.plain_params["base"], sort_keys=True) if "base" in a.plain_params else ""


def needs_of(task: Task) -> list[Artifact]:
    """What a task is made from, less what it makes itself."""
    own = {a.key for a in task}
    return [i for a in task for i in a.needs if i.key not in own]


def own_parent(task: Task) -> str:
    """The key of the one result of its own cell that a task goes on with; "" if there is none, or more than one."""
    made = {a.key for a in task}
    found = {i.key for a in task for name, i in a.inputs.items() if name != "reference" and i.stage in OWN} - made
    return found.pop() if len(found) == 1 else ""
