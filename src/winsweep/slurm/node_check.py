"""What a job on a node finds, against what is here: the store, clocks, Python and its packages."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from winsweep.amounts import plural
from winsweep.check.finding import Finding
from winsweep.errors import ClusterDown
from winsweep.placement import Placement
from winsweep.slurm import probe
from winsweep.slurm.probe import Probed
from winsweep.store.store import Store

SKEW_S = 10.0  # of clocks; heartbeats are trusted for a minute


class Seen:
    """Memory of the GPUs that a look at nodes has shown, for every placement that may get the same."""

    def __init__(self) -> None:
        self.smallest: dict[object, float] = {}

    def note(self, placed: Placement, gpus_gb: Sequence[float]) -> None:
        """A node that a job of this placement ran on has these GPUs."""
        if gpus_gb:
            self.smallest[_gpus_of(placed)] = min(gpus_gb)

    def gpu_gb(self, placed: Placement) -> float | None:
        """Memory of the smallest in GB; None where none was seen."""
        return self.smallest.get(_gpus_of(placed))


def _gpus_of(placed: Placement) -> object:
    return placed.partition, placed.constraint, placed.gpu_type, bool(placed.gpus)


def check_nodes(placements: Sequence[Placement], store: Path, wait_s: float, found: Seen) -> Iterator[Finding]:
    """One small job for each partition, environment and kind of GPU: whether its nodes see the store, and what they
    have, which is noted in `found`, too.
    """
    one_each: dict[object, Placement] = {}
    for p in sorted(placements, key=lambda p: p.gpus):
        where = (p.setup, p.env, p.python, p.container, p.scratch)
        one_each.setdefault((*where, _gpus_of(p)), p)
    for placed in one_each.values():
        with_gpu = " with a GPU" if placed.gpus else ""
        what = f"a job{with_gpu} in {placed.partition or 'the default partition'}"
        try:
            skew_s = probe.ahead_s(Store(store).open().root / "store.json")
            got = probe.send(Store(store), placed, wait_s)
            own = bool(placed.python or placed.container)
            yield from check_probed(what, store, got, probe.circumstances(), skew_s, own)
            yield from check_facts(got.seen, placed) if got.seen else ()
            found.note(placed, got.seen["gpu_gb"] if got.seen else ())
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


def check_probed(
    what: str, store: Path, got: Probed, here: Mapping, ahead_s: float, has_own_python: bool = False
) -> Iterator[Finding]:
    """What a node saw, compared with what is `here`; `ahead_s` is how far the clock here is ahead of the disk's.

    A node that has a Python of its own by the cluster file may have other versions.
    """
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
            f"nodes must see {store}, and "
            + ("have the python: of the cluster file" if has_own_python else f"this Python: {here['executable']}"),
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
    yield compare(node, here, got.seen, has_own_python)
    skew_s = ahead_s - got.seen["ahead_s"]
    bad = max(map(abs, (skew_s, ahead_s, got.seen["ahead_s"]))) > SKEW_S
    yield Finding(
        "problem" if bad else "ok",
        f"clock of {node}",
        f"{abs(skew_s):.0f} s from this machine's, which is {abs(ahead_s):.0f} s from the disk's",
        "have the clocks set (NTP): whether an attempt lives is told by the age of a file" if bad else "",
    )


def check_facts(seen: Mapping, placed: Placement) -> Iterator[Finding]:
    """torch, GPUs, scratch, locks and the hub, as the node found them."""
    node, torch, gpus = seen["node"], seen["torch"], seen["gpus"]
    if "error" in torch:
        yield Finding("problem", f"torch on {node}", torch["error"], "look at setup:, env:, python: and container:")
    else:
        built = f"CUDA {torch['cuda']}" if torch["cuda"] else "built for the CPU alone"
        nccl = f", NCCL {torch['nccl']}" if torch["nccl"] else ""
        blind = bool(placed.gpus and gpus and not torch["devices"])
        advice = "install a torch that is built for CUDA, and for this driver" if blind else ""
        said = f"{torch['version']}, {built}{nccl}; it sees {torch['devices']} GPUs"
        yield Finding("problem" if blind else "ok", f"torch on {node}", said, advice)
    if placed.gpus:
        shown = "; ".join(gpus) or "nvidia-smi shows none"
        yield Finding("ok" if gpus else "unknown", f"GPUs on {node}", shown)
    for name in ("scratch", "locks"):
        if text := str(seen[name]):
            is_bad = text.startswith("problem: ")
            advice = {"scratch": "name another directory, or none", "locks": "use a store on another disk"}[name]
            found = text.removeprefix("problem: ")
            yield Finding("problem" if is_bad else "ok", f"{name} on {node}", found, advice if is_bad else "")
    out = "cannot be reached" in seen["hub"]
    advice = "fetch first: sweep.py STUDY --prefetch, or place what needs it with where: login" if out else ""
    yield Finding("ok", f"hub from {node}", seen["hub"], advice)


def compare(node: str, here: Mapping, there: Mapping, has_own: bool = False) -> Finding:
    """Whether Python and the packages have the same versions on a node as here; where it `has_own`, that none is
    missing.
    """
    ours, theirs = ({"Python": x["python"], **x["packages"]} for x in (here, there))
    pairs = [(n, ours.get(n, "missing"), theirs.get(n, "missing")) for n in sorted(ours.keys() | theirs.keys())]
    differ = [f"{n} {one} here, {other} there" for n, one, other in pairs if one != other]
    missing = sorted(ours.keys() - theirs.keys() - {"submitit"})
    if differ and has_own and not missing:
        return Finding("ok", f"Python of {node}", "; ".join(differ), "each record says what made it")
    if differ:
        return Finding(
            "problem",
            f"Python of {node}",
            "; ".join(differ),
            "use one environment, on the shared disk or made alike everywhere",
        )
    return Finding(
        "ok", f"Python of {node}", f"{ours['Python']}, winsweep and {plural(len(here['packages']), 'package')} as here"
    )
