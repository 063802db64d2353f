"""Where a study stands: cells × stages, and why a cell is not done: python launch/status.py STUDY.yaml [--why CELL]"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from winsweep import strict  # noqa: E402
from winsweep.arrays import open_arrays  # noqa: E402
from winsweep.controller import state_of  # noqa: E402
from winsweep.errors import BadStudy, WinsweepError  # noqa: E402
from winsweep.house import House, chain, open_house  # noqa: E402
from winsweep.plan import Item  # noqa: E402
from winsweep.siblings import nearest  # noqa: E402

STAGES = ("pretrain", "prepare", "finetune", "collect", "generate", "judge")


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("study", type=Path)
    p.add_argument("--store", type=Path, default=Path("runs"), help="directory of finished artifacts (default: runs)")
    p.add_argument("--why", metavar="CELL", help="a cell such as llama.gsm.s1: its stages, and how it differs from the nearest finished one")
    a = p.parse_args()
    try:
        house = open_house(a.study, a.store)
        items = items_of(house)
        print(why(house, items, a.why) if a.why else overview(house, items))
    except WinsweepError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    return 0


def items_of(house: House) -> list[Item]:
    """The plan, with what is in a SLURM queue if anything was submitted there."""
    if not open_arrays(house.store.root):
        return house.plan(house.facts())
    from winsweep.reconcile import look

    return look(house).items


def overview(house: House, items: list[Item]) -> str:
    width = max(map(len, house.judged))
    lines = [" ".join([" " * width, *(f"{s:9s}" for s in STAGES)])]
    for label, judged in house.judged.items():
        found = chain(judged)
        lines.append(" ".join([f"{label:{width}s}", *(f"{worst(items, found.get(s, [])):9s}" for s in STAGES)]))
    for i in items:
        if i.state in ("failed", "running"):
            lines.append(f"{i.state}: {i.artifact.name}: {i.why}\n    log: {house.store.log(i.artifact.key)}")
    done = sum(state_of(items, a) == "done" for a in house.judged.values())
    lines.append(f"{done} of {len(house.judged)} cells done; table: {house.store.root / 'results' / house.study.name}.csv")
    return "\n".join(lines)


def worst(items: list[Item], artifacts: list) -> str:
    found = [state_of(items, a) for a in artifacts]
    order = ("failed", "blocked", "running", "ready", "waiting", "done")
    return min(found, key=order.index, default="-")


def why(house: House, items: list[Item], label: str) -> str:
    if label not in house.judged:
        raise BadStudy(f"{house.study.path}: no cell {label!r}; {strict.near(label, house.judged)}")
    told = {i.artifact: i for i in items}
    steps = [a for s in STAGES for a in chain(house.judged[label]).get(s, [])]
    lines = [f"{state_of(items, a):8s} {a.name}  {told[a].why if a in told else ''}" for a in steps]
    open_ones = [a for a in steps if state_of(items, a) != "done"]
    first = next((a for a in open_ones if told[a].state in ("failed", "ready", "running")), (open_ones or steps)[-1] if steps else None)
    near = nearest(first, house.store)
    if near is None:
        return "\n".join([*lines, f"nothing else of the stage {first.stage} is finished"])
    lines.append(f"{first.name} differs from the nearest finished one, {near[0]}, in:")
    return "\n".join([*lines, *(f"    {d.path}: {d.ours!r} here, {d.theirs!r} there" for d in near[1])])


if __name__ == "__main__":
    sys.exit(main())
