"""Which job arrays a plan becomes, and which waits for which: pure, so that what SLURM will be told can be read and
tested.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from operator import itemgetter

from winsweep.placement import Placement, Placements
from winsweep.plan import Item
from winsweep.slurm.tasks import OWN, Task, needs_of, on_nodes, own_parent, references, tasks_of

LAYERS = 3  # results of one stage and of the same parent that get an array each; more of them wait for all parents
BUCKETS = 3  # arrays into which what corresponds to one parent is split at most, by the other cells that it needs
NAMED = 100  # tasks of an array that are waited for by name at most
Row = tuple[int, Task]  # a task and its index in its array
# an array of this submission (its number) or a job in the queue (its id), and the index there
Place = tuple[int | str, int]


@dataclass(frozen=True)
class After:
    """A dependency: on an earlier array of the same submission (its number), or on a job that is in the queue already
    (its id).

    `corresponding`: task i waits for task i alone; `tasks`: all wait for just these; else all wait for all.
    Dependencies save waiting; that inputs are there is checked by each job.
    """

    on: int | str
    corresponding: bool = False
    tasks: tuple[int, ...] = ()


@dataclass(frozen=True)
class Array:
    """One job array; each of its tasks makes one or more results, one after the other in the same allocation."""

    placement: Placement  # of the first result of each task
    tasks: tuple[Task, ...]
    after: tuple[After, ...]
    at: tuple[int, ...] = ()  # the index of each task, rising; () means 0, 1, 2, …
    begin_s: int = 0  # not before this time after the submission

    @property
    def stage(self) -> str:
        """The stage of the first result of each task."""
        return self.tasks[0][0].stage

    @property
    def title(self) -> str:
        """The stages of its tasks, joined by +."""
        return "+".join(dict.fromkeys(a.stage for task in self.tasks for a in task))

    @property
    def indices(self) -> Sequence[int]:
        """The index of each task, rising."""
        return self.at or range(len(self.tasks))

    def slots(self) -> list[Task]:
        """The task of each index from 0 on; an empty one where the array has none."""
        of = dict(zip(self.indices, self.tasks, strict=True))
        return [of.get(n, ()) for n in range(max(of) + 1)]


def arrays(items: Sequence[Item], placements: Placements, max_tasks: int) -> list[Array]:
    """The arrays that make everything of `items` that is ready or waiting, parents before children.

    A task that goes on with one result of its own cell has the index of the task that makes it, and waits for that and
    for the tasks of other cells that it needs (references), which have the lowest indices, so that they begin first.
    Indices are below `max_tasks`. What is in the queue is waited for by its job and index (the words after "job " in an
    item's `why`).
    """
    todo = [i.artifact for i in on_nodes(items, placements) if i.state in ("ready", "waiting")]
    place: dict[str, Place] = {
        i.artifact.key: at for i in items if i.state == "running" and (at := _place_in_queue(i.why))
    }
    first = references(todo)
    out: list[Array] = []
    for placed, group in _groups(tasks_of(todo, placements), placements, first):
        group.sort(key=lambda task: not any(a.key in first for a in task))
        for rows in _rows(group, place, max_tasks):
            indices, tasks = zip(*rows, strict=True)
            after = tuple(_after(rows, place, [len(array.tasks) for array in out]))
            place |= {a.key: (len(out), n) for n, task in rows for a in task}
            out.append(Array(placed, tasks, after, () if indices == tuple(range(len(tasks))) else indices))
    return out


def _place_in_queue(why: str) -> Place | None:
    match = re.match(r"job (\d+)_(\d+)", why)
    return (match[1], int(match[2])) if match else None


def _groups(tasks: list[Task], placements: Placements, first: set[str]) -> list[tuple[Placement, list[Task]]]:
    """`tasks` (inputs first) by stages, placement, the groups that they wait for and that of their own; each after what
    it waits for.

    The outputs of references are a group apart if they are too many to be waited for by name.
    """
    task_of = {a.key: task for task in tasks for a in task}

    @cache
    def depth(head: str) -> int:
        return 1 + max((depth(task_of[i.key][0].key) for i in needs_of(task_of[head]) if i.key in task_of), default=0)

    apart = sum(key.startswith("generate/") for key in first) > BUCKETS * NAMED
    groups: dict[tuple, list[Task]] = {}
    numbers: dict[tuple, int] = {}
    number: dict[str, int] = {}  # of a result's group; those that it waits for have lower ones
    for task in sorted(tasks, key=lambda task: (depth(task[0].key), task[0].key not in first)):
        stages = tuple(dict.fromkeys(a.stage for a in task))
        waits = frozenset(number[i.key] for i in needs_of(task) if i.key in number)
        group = (
            stages,
            placements.of(stages[0], task[0].label),
            waits,
            number.get(own_parent(task)),
            apart and any(a.key in first for a in task if a.stage == "generate"),
        )
        groups.setdefault(group, []).append(task)
        number |= dict.fromkeys((a.key for a in task), numbers.setdefault(group, len(numbers)))
    return [(group[1], of) for group, of in groups.items()]


def _rows(group: list[Task], place: Mapping[str, Place], max_tasks: int) -> Iterator[list[Row]]:
    """The arrays of a group: what corresponds to a parent has its index; what waits for others is apart by these."""
    taken = Counter(own for task in group if (own := own_parent(task)) in place)
    corresponds = max(taken.values(), default=0) <= LAYERS
    by_parent: dict[tuple, list[Row]] = {}
    for n, task in enumerate(group):
        own = own_parent(task)
        if corresponds and own in place:
            on, index = place[own]
            taken[own] -= 1
            by_parent.setdefault((on, taken[own]), []).append((index, task))
        else:
            by_parent.setdefault((), []).append((n, task))
    for parent, rows in by_parent.items():
        for bucket in _buckets(rows, place):
            for start in range(0, len(bucket), len(bucket) if parent else max_tasks):
                yield (
                    sorted(bucket, key=itemgetter(0))
                    if parent
                    else list(enumerate(task for _, task in bucket[start : start + max_tasks]))
                )


def _buckets(rows: list[Row], place: Mapping[str, Place]) -> list[list[Row]]:
    """`rows` by what they need of other cells, in at most BUCKETS lists; what needs nothing is with those that need its
    own.
    """
    needs = [
        frozenset(i.key for i in needs_of(task) if i.stage in OWN and i.key in place) - {own_parent(task)}
        for _, task in rows
    ]
    if len(frozenset().union(*needs)) > BUCKETS * NAMED:
        return [rows]
    distinct = [of for of in dict.fromkeys(needs) if of]
    number = {of: n * min(BUCKETS, len(distinct)) // len(distinct) for n, of in enumerate(distinct)}
    home = {key: n for of, n in number.items() for key in of}
    buckets: dict[int, list[Row]] = {}
    for row, of in zip(rows, needs, strict=True):
        buckets.setdefault(number[of] if of else home.get(own_parent(row[1]), 0), []).append(row)
    return [buckets[n] for n in sorted(buckets)]


def _after(rows: list[Row], place: Mapping[str, Place], sizes: Sequence[int]) -> Iterator[After]:
    """What an array waits for; an earlier one of `sizes` tasks is named as a whole where all of it, too much of it, or
    shared work is needed.
    """
    parents = [place.get(own_parent(task)) for _, task in rows]
    parent = parents[0][0] if parents[0] else None
    if parents != [(parent, n) for n, _ in rows]:
        parent = None
    found: dict[int | str, set[int]] = {} if parent is None else {parent: set()}
    whole: set[int | str] = set()
    for index, task in rows:
        for i in needs_of(task):
            on, at = place.get(i.key, (None, 0))
            if on is not None and (on, at) != (parent, index):
                found.setdefault(on, set()).add(at)
                whole |= set() if i.stage in OWN else {on}
    for on in sorted(found, key=lambda on: (isinstance(on, str), on if isinstance(on, int) else int(on))):
        if on in whole or len(found[on]) > NAMED or (isinstance(on, int) and len(found[on]) == sizes[on]):
            yield After(on)
            continue
        if on == parent:
            yield After(on, corresponding=True)
        if found[on]:
            yield After(on, tasks=tuple(sorted(found[on])))


def not_before(planned: Sequence[Array], begins: Mapping[str, float], now: float) -> list[Array]:
    """`planned`, each array to begin when the first of its tasks may (key to seconds since 1970; the others now)."""
    first = [min(max(begins.get(a.key, now) for a in task) for task in array.tasks) for array in planned]
    return [replace(array, begin_s=max(0, math.ceil(at - now))) for array, at in zip(planned, first, strict=True)]


def split(array: Array, size: int) -> tuple[Array, Array | None]:
    """The first `size` tasks and the rest. Indices are kept where they say what a task waits for."""

    def part(start: int, end: int) -> Array:
        kept = tuple(array.indices[start:end]) if any(x.corresponding for x in array.after) else ()
        return replace(array, tasks=array.tasks[start:end], at=kept)

    num = len(array.tasks)
    return (array, None) if size >= num else (part(0, size), part(size, num))


def behind_rows(planned: Sequence[Array], items: Sequence[Item]) -> list[Array]:
    """`planned`, its finetunes behind everything of `items` that reads rows: a wrong row of any task is found before
    GPU-hours are spent.

    A preparation that fails holds up only what is made from it, as waiting ends with the jobs, however they end.
    """
    jobs = {
        i.why.partition("job ")[2].partition("_")[0]
        for i in items
        if i.artifact.stage == "prepare" and i.state == "running"
    }
    first = next((n for n, array in enumerate(planned) if array.stage == "finetune"), len(planned))
    # those wait for nothing
    order = sorted(range(len(planned)), key=lambda n: n >= first and planned[n].stage != "prepare")
    place: dict[int | str, int | str] = {was: now for now, was in enumerate(order)}
    moved = [
        replace(planned[n], after=tuple(replace(x, on=place.get(x.on, x.on)) for x in planned[n].after)) for n in order
    ]
    rows: list[int | str] = [*(n for n, array in enumerate(moved) if array.stage == "prepare"), *sorted(jobs - {""})]
    return [
        replace(array, after=(*map(After, rows), *(x for x in array.after if x.on not in rows)))
        if array.stage == "finetune"
        else array
        for array in moved
    ]
