"""Where a study stands: cells × stages, and why a cell is not done: python launch/status.py STUDY.yaml [--why CELL]"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from winsweep import inspection, paths, strict  # noqa: E402
from winsweep.artifact import Artifact  # noqa: E402
from winsweep.attempt.arrays import open_arrays  # noqa: E402
from winsweep.check import early  # noqa: E402
from winsweep.errors import BadStudy, ClusterDown, WinsweepError  # noqa: E402
from winsweep.house import House, chain, columns, open_house  # noqa: E402
from winsweep.local.controller import state_of  # noqa: E402
from winsweep.plan import Item  # noqa: E402
from winsweep.prefetch import not_there  # noqa: E402
from winsweep.remarks import remarks  # noqa: E402
from winsweep.results import where_text  # noqa: E402
from winsweep.slurm import standing
from winsweep.slurm.queue import Task  # noqa: E402
from winsweep.store.siblings import earlier_files, nearest  # noqa: E402

ORDER = ("failed", "blocked", "running", "queued", "ready", "waiting", "done")


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("study", type=paths.argument)
    p.add_argument("--store", type=paths.argument, default=Path("runs"), help="directory of finished artifacts (default: runs)")
    p.add_argument("--why", metavar="CELL", help="a cell such as llama.gsm.s1: its stages, and how it differs from the nearest finished one")
    a = p.parse_args()
    try:
        house = open_house(a.study, a.store, lenient=True)
        items, queued = seen(house)
        print(why(house, items, a.why) if a.why else overview(house, items, queued))
        print(f"{house.damaged()}{not_there(house)}{in_the_way(house, items)}", end="")
    except WinsweepError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    return 0


def seen(house: House) -> tuple[list[Item], Mapping[str, Task | None]]:
    """The plan and what of it is in a SLURM queue, which is asked only if anything was submitted there."""
    if open_arrays(house.store.root):
        from winsweep.slurm.reconcile import look

        try:
            found = look(house)
            return found.items, found.queued
        except ClusterDown as e:
            print(f"{e}\nWhat follows is what the store shows; what waits in the queue is not known.", file=sys.stderr)
    return house.plan(house.facts()), {}


def in_the_way(house: House, items: list[Item]) -> str:
    """A line for each fault for which sweep.py would leave cells alone: of local files, of judges' keys, of packages on this machine."""
    told = [f.problem for f in inspection.findings(house) if f.problem]
    told += [f"{row.of}: {row.finding.what}: {row.finding.text}" for row in early.quick(house, items) if row.finding.verdict == "problem"]
    return "".join(f"problem  {line}\n" for line in dict.fromkeys(told))


def overview(house: House, items: list[Item], queued: Mapping[str, Task | None]) -> str:
    """A line for each cell, then what runs, waits or failed, then how much is done."""
    shown = {i.artifact.key: "queued" if standing.is_waiting(i, queued) else i.state for i in items}
    chains = {label: chain(house.ends(label)) for label in house.judged}
    width, stages = max(map(len, chains)), columns(chains.values())
    table = [" ".join([" " * width, *(f"{s:9s}" for s in stages)])]
    for label, found in chains.items():
        table.append(" ".join([f"{label:{width}s}", *(f"{worst(shown, found.get(s, [])):9s}" for s in stages)]))
    notes = remarks(house, items)
    done = sum(all(shown.get(a.key, "done") == "done" for a in house.ends(label)) for label in house.judged)
    judged = {label for label, a in house.judged.items() if shown.get(a.key, "done") == "done"}
    last = f"{done} of {len(house.judged)} cells done; {where_text(house, judged)}"
    return "\n".join([*table, *standing.lines(house, items, queued, avoided(house) if queued else []), *notes, last])


def avoided(house: House) -> list[str]:
    from winsweep.slurm.opening import excluded

    return excluded(house)


def worst(shown: Mapping[str, str], artifacts: Sequence[Artifact]) -> str:
    """What a person should know first about several results; one that is not in the plan is below a done one."""
    return min((shown.get(a.key, "done") for a in artifacts), key=ORDER.index, default="-")


def why(house: House, items: list[Item], label: str) -> str:
    if label not in house.judged:
        raise BadStudy(f"{house.study.path}: no cell {label!r}; {strict.near(label, house.judged)}")
    told = {i.artifact: i for i in items}
    found = chain(house.ends(label))
    steps = [a for s in columns([found]) for a in found[s]]
    lines = [f"{state_of(items, a):8s} {a.name}  {told[a].why if a in told else ''}" for a in steps]
    open_ones = [a for a in steps if state_of(items, a) != "done"]
    first = next((a for a in open_ones if told[a].state in ("failed", "ready", "running")), (open_ones or steps)[-1] if steps else None)
    near = nearest(first, house.store)
    if near is None:
        return "\n".join([*lines, f"nothing else of the stage {first.stage} is finished"])
    lines.append(f"{first.name} differs from the nearest finished one, {near[0]}, in:")
    earlier = earlier_files(house.store, f"{first.stage}/{near[0].rpartition('-')[2]}")
    return "\n".join([*lines, *(f"    {d.text(house.study.files, earlier)}" for d in near[1])])


if __name__ == "__main__":
    sys.exit(main())
