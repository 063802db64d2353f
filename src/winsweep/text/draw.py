"""Which rows of a source are drawn with a seed, and how sources are mixed, whatever their number: of rows only places
are held.
"""

import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import compress
from typing import TYPE_CHECKING, TypeVar

from winsweep.amounts import plural
from winsweep.errors import BadData

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")
HEAD = 8  # bytes of a digest that are held; where they are the same, which is rare, the digests are made again


def shuffled(num: int, name: Callable[[int], str]) -> "np.ndarray":
    """The places 0 … `num` - 1 by the sha256 of what `name` calls each: the same on every platform and library version.
    (num,), int32; about 32 bytes for each are held meanwhile.
    """
    import numpy as np  # slow to import, and most studies draw nothing

    def digest(place: int) -> bytes:
        return hashlib.sha256(name(place).encode()).digest()

    heads = np.fromiter((int.from_bytes(digest(place)[:HEAD], "big") for place in range(num)), np.uint64, num)
    order = heads.argsort(kind="stable").astype(np.int32)
    heads = heads[order]
    same = np.flatnonzero(heads[1:] == heads[:-1])
    for begins in np.split(same, np.flatnonzero(np.diff(same) > 1) + 1):
        if len(begins):
            run = slice(begins[0], begins[-1] + 2)
            order[run] = sorted(order[run].tolist(), key=digest)
    return order


def drawn(num: int, of: int, seed: int) -> bytearray:
    """1 at `num` of the places 0 … `of` - 1, else 0: at those with the smallest sha256 of "SEED PLACE", so that more of
    the same draw hold all of the fewer.
    """
    import numpy as np

    found = bytearray(of)
    np.frombuffer(found, np.uint8)[shuffled(of, lambda place: f"{seed} {place}")[:num]] = 1
    return found


def sample(rows: Iterable[T], asked: Mapping | None) -> Iterator[T]:
    """The rows that a sample in plain types keeps, in their order; all of them without one. BadData if there are too
    few. `rows` is gone through twice for a sample, so that none is held.
    """
    return iter(rows) if asked is None else _sample(rows, asked)


def _sample(rows: Iterable[T], asked: Mapping) -> Iterator[T]:
    least, num = asked["rows"] + (asked["keep"] == "rest"), sum(1 for _ in rows)
    if num < least:
        raise BadData(
            f"sample: found {plural(num, 'row')}, and {asked['rows']} are to be drawn; type a smaller rows: N"
        )
    chosen = drawn(asked["rows"], num, asked["seed"])
    return (row for place, row in enumerate(rows) if chosen[place] == (asked["keep"] == "sample"))


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
                f"mix: source {i + 1} has {plural(num, 'row')}, and {size} of it are asked for; type rows: "
                f"{int(most)}, or fewer"
            )
    return found


def mixed(sources: Sequence[Iterable[T]], have: Sequence[int], num_of: Sequence[int], seed: int) -> Iterator[T]:
    """`num_of` rows of each source, drawn with the seed of the rows that it has, the sources spread evenly over what is
    given; each source is gone through once.
    """
    placed = [
        _placed(i, rows, drawn(num, of, seed), num) for i, (rows, of, num) in enumerate(zip(sources, have, num_of))
    ]
    return (row for *_, row in heapq.merge(*placed, key=lambda entry: entry[:2]))


def _placed(i: int, rows: Iterable[T], chosen: bytearray, num: int) -> Iterator[tuple[float, int, T]]:
    for n, row in enumerate(compress(rows, chosen)):
        yield (n + 0.5) / num, i, row
