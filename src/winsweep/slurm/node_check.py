"""What a job on a node finds, against what is here: the store, clocks, Python and its packages."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from winsweep.check.finding import Finding
from winsweep.errors import ClusterDown
from winsweep.placement import Placement
from winsweep.slurm import probe
from winsweep.slurm.probe import Probed
from winsweep.store.store import Store

SKEW_S = 10.0  # of clocks; heartbeats are trusted for a minute


def check_nodes(placements: Sequence[Placement], store: Path, wait_s: float) -> Iterator[Finding]:
    """One small job in each partition: whether its nodes see the store, and have the Python and packages of this
    machine.
    """
    one_each: dict[str | None, Placement] = {}
    for p in sorted(placements, key=lambda p: p.gpus):
        one_each.setdefault(p.partition, p)
    for placed in one_each.values():
        what = f"a job in {placed.partition or 'the default partition'}"
        try:
            skew_s = probe.ahead_s(Store(store).open().root / "store.json")
            yield from check_probed(
                what, store, probe.send(Store(store), placed, wait_s), probe.circumstances(), skew_s
            )
        except OSError as e:
            yield Finding(
                "problem",
                "store",
                f"{store}: {e}",
                "name a directory on the shared disk that you can write: --store DIR",
            )
            return
        except ClusterDown as e:
            yield Finding("problem", what, str(e))


def check_probed(what: str, store: Path, got: Probed, here: Mapping, ahead_s: float) -> Iterator[Finding]:
    """What a node saw, compared with what is `here`; `ahead_s` is how far the clock here is ahead of the disk's."""
    if got.seen is None and got.waits:
        yield Finding(
            "unknown",
            what,
            f"it {got.why}, and the time to wait is over",
            "try again when the cluster is less busy, or with a longer --wait",
        )
        return
    if got.seen is None:
        yield Finding(
            "problem",
            what,
            f"no answer: {got.why}",
            f"nodes must see {store}, and the Python of this command: {here['executable']}",
        )
        return
    node = got.seen["node"]
    yield Finding("ok", what, f"ran on {node}")
    if got.seen["finds_letter"]:
        yield Finding("ok", f"store on {node}", f"{store} is read and written from here and from there")
    else:
        yield Finding(
            "problem",
            f"store on {node}",
            f"it does not see in {store} what was written here",
            "name a directory on the shared disk: --store DIR",
        )
    yield compare(node, here, got.seen)
    skew_s = ahead_s - got.seen["ahead_s"]
    bad = max(map(abs, (skew_s, ahead_s, got.seen["ahead_s"]))) > SKEW_S
    yield Finding(
        "problem" if bad else "ok",
        f"clock of {node}",
        f"{abs(skew_s):.0f} s from this machine's, which is {abs(ahead_s):.0f} s from the disk's",
        "have the clocks set (NTP): whether an attempt lives is told by the age of a file" if bad else "",
    )


def compare(node: str, here: Mapping, there: Mapping) -> Finding:
    """Whether Python and the packages have the same versions on a node as here."""
    ours, theirs = ({"Python": x["python"], **x["packages"]} for x in (here, there))
    pairs = [(n, ours.get(n, "missing"), theirs.get(n, "missing")) for n in sorted(ours.keys() | theirs.keys())]
    differ = [f"{n} {one} here, {other} there" for n, one, other in pairs if one != other]
    if differ:
        return Finding(
            "problem",
            f"Python of {node}",
            "; ".join(differ),
            "use one environment, on the shared disk or made alike everywhere",
        )
    return Finding(
        "ok", f"Python of {node}", f"{ours['Python']}, winsweep and {len(here['packages'])} packages as here"
    )
