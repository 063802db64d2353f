"""Which rows of a source are drawn with a seed, and how sources are mixed."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from winsweep.errors import BadData

T = TypeVar("T")


def drawn(num: int, of: int, seed: int) -> set[int]:
    """`num` of the places 0 … `of` - 1: those with the smallest sha256 of "SEED PLACE", so that more of the same draw
    hold all of the fewer.
    """
    ranked = sorted(range(of), key=lambda place: hashlib.sha256(f"{seed} {place}".encode()).digest())
    return set(ranked[:num])


def sample(rows: Iterable[T], asked: Mapping | None) -> Iterator[T]:
    """The rows that a sample in plain types keeps, in their order; all of them without one. BadData if there are too
    few.
    """
    return iter(rows) if asked is None else _sample(list(rows), asked)


def _sample(rows: Sequence[T], asked: Mapping) -> Iterator[T]:
    least = asked["rows"] + (asked["keep"] == "rest")
    if len(rows) < least:
        raise BadData(f"sample: found {len(rows)} rows, and {asked['rows']} are to be drawn; type a smaller rows: N")
    chosen = drawn(asked["rows"], len(rows), asked["seed"])
    return (row for place, row in enumerate(rows) if (place in chosen) == (asked["keep"] == "sample"))


def sizes(shares: Sequence[float], num_rows: Sequence[int], total: int | None) -> list[int]:
    """How many rows of each source a mix takes: `total` split by the shares, largest remainders first; None: as many as
    leave no source without enough. BadData where one has too few.
    """
    whole = sum(shares)
    shares = [share / whole for share in shares]
    most = min(num / share for num, share in zip(num_rows, shares))
    if total is None:
        return [int(most * share + 1e-9) for share in shares]
    exact = [total * share for share in shares]
    found = [int(size + 1e-9) for size in exact]
    by_rest = sorted(range(len(exact)), key=lambda i: (found[i] - exact[i], i))
    for i in by_rest[: total - sum(found)]:
        found[i] += 1
    for i, (size, num) in enumerate(zip(found, num_rows)):
        if size > num:
            raise BadData(
                f"mix: source {i + 1} has {num} rows, and {size} of it are asked for; type rows: {int(most)}, or fewer"
            )
    return found


def mixed(sources: Sequence[Sequence[T]], num_of: Sequence[int], seed: int) -> list[T]:
    """So many rows of each source, drawn with the seed, the sources spread evenly over the list."""
    placed: list[tuple[float, int, T]] = []
    for i, (rows, num) in enumerate(zip(sources, num_of)):
        chosen = sorted(drawn(num, len(rows), seed))
        placed += [((n + 0.5) / num, i, rows[place]) for n, place in enumerate(chosen)]
    return [row for *_, row in sorted(placed, key=lambda entry: entry[:2])]
