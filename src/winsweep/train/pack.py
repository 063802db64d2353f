"""Which examples of an optimizer step share a forward pass, and on which rank: a pure function of their lengths, the
ranks and a budget of tokens.

A part is what one rank computes in one forward pass. A grid holds a step's parts: grid[micro][rank] is a list of places
in `lengths`.
"""

import heapq
import math
from collections.abc import Sequence

Grid = list[list[list[int]]]


def packed_grid(lengths: Sequence[int], num_ranks: int, budget: int) -> Grid:
    """Parts of at most `budget` tokens (more only where a single example is longer), as few and as equal as they get.

    Every example is in one part; every rank has a part in every micro-batch, as collectives must match, so parts may be
    empty. Longest processing time first: Graham, Bounds on Multiprocessing Timing Anomalies (1969).
    """
    limit = max(budget, *lengths)
    num_micro = max(1, math.ceil(sum(lengths) / (num_ranks * limit)))
    while max(_loads(parts := _spread(lengths, num_micro * num_ranks), lengths)) > limit:
        num_micro += 1
    return _deal(sorted(parts, key=lambda part: -sum(lengths[i] for i in part)), num_ranks)


def padded_grid(lengths: Sequence[int], num_ranks: int, budget: int) -> Grid:
    """The same for a model whose examples must be padded: examples of like length share a part, whose padding counts as
    tokens.
    """
    parts: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if parts and (len(parts[-1]) + 1) * lengths[parts[-1][0]] <= budget:
            parts[-1].append(i)
        else:
            parts.append([i])
    while len(parts) % num_ranks and max(map(len, parts)) > 1:
        widest = max(range(len(parts)), key=lambda at: (len(parts[at]) > 1, padded_size(parts[at], lengths)))
        part, half = parts[widest], len(parts[widest]) // 2
        parts[widest : widest + 1] = [part[:half], part[half:]]
    return _deal(parts + [[]] * (-len(parts) % num_ranks), num_ranks)


def packed_size(part: Sequence[int], lengths: Sequence[int]) -> int:
    """Token slots that a packed part fills."""
    return sum(lengths[i] for i in part)


def padded_size(part: Sequence[int], lengths: Sequence[int]) -> int:
    """Token slots that a padded part fills."""
    return len(part) * max((lengths[i] for i in part), default=0)


def num_slots(sizes: Sequence[Sequence[int]]) -> int:
    """Token slots that a step costs: in lock step every rank waits for the largest of its micro-batch.
    sizes[micro][rank].
    """
    return sum(len(row) * max(row) for row in sizes)


def _spread(lengths: Sequence[int], num_parts: int) -> list[list[int]]:
    parts: list[list[int]] = [[] for _ in range(num_parts)]
    heap = [(0, at) for at in range(num_parts)]
    for i in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        load, at = heapq.heappop(heap)
        parts[at].append(i)
        heapq.heappush(heap, (load + lengths[i], at))
    return parts


def _loads(parts: Sequence[Sequence[int]], lengths: Sequence[int]) -> list[int]:
    return [sum(lengths[i] for i in part) for part in parts]


def _deal(parts: list[list[int]], num_ranks: int) -> Grid:
    """Parts that are sorted by size as micro-batches of neighbours, so of like size; every other one backwards, so that
    ranks have like sums.
    """
    rows = [parts[at : at + num_ranks] for at in range(0, len(parts), num_ranks)]
    return [row[::-1] if at % 2 else row for at, row in enumerate(rows)]
