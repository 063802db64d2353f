"""What must hold when the faults are over and the study is through."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

from tests.chaos.study import IN_FLIGHT, differences, results
from tests.chaos.world import World
from winsweep.attempt.retry import HARMLESS, End, failed
from winsweep.errors import Damaged, NotFound
from winsweep.store import liveness, manifest
from winsweep.store.store import Store

AT_ONCE_S = 1.0  # cells that have the same pair of texts may ask of it side by side
A_POWER_CUT = 40  # answers that a judge may lose at it: those of a second


def unused_damage(store: Path) -> list[Path]:
    """Published directories whose files differ from their manifest; each would be found at its next use."""
    found = []
    for path in sorted(store.glob("[a-z]*/*-????????????")):
        if path.parent.name == "results":
            continue
        try:
            manifest.verify(path)
        except (Damaged, NotFound, OSError, ValueError):
            found.append(path)
    return found


def problems(world: World, want: dict[str, str]) -> list[str]:
    store = world.study.store
    return [
        *differences(want, results(store)),
        *overpaid(world),
        *left_over(world),
        *over_budget(store),
        *(f"stray: {said}" for said in world.study.strays),
    ]


def overpaid(world: World) -> list[str]:
    """Questions that were paid for more than once, beyond what was in flight where a judge or its server ended."""
    lines = [line.split() for line in world.asked.read_text().splitlines()] if world.asked.exists() else []
    times: dict[str, list[float]] = {}
    for asked, at in lines:
        times.setdefault(asked, []).append(float(at))
    gaps = [b - a for of in times.values() for a, b in pairwise(sorted(of))]
    twice, at_once = sum(gap > AT_ONCE_S for gap in gaps), sum(gap <= AT_ONCE_S for gap in gaps)
    ends = {p: ends_of(p) for p in world.study.store.glob(".work/*judge/*")}
    num_cut = sum(len([e for e in of if e["kind"] not in ("done", "already", "blocked")]) for of in ends.values())
    may = IN_FLIGHT * num_cut + sum(A_POWER_CUT if why == "power cut" else IN_FLIGHT * n for n, why in world.losses)
    world.paid = (
        f"{len(lines)} answers paid for {len(times)} questions: {twice} again, {may} were in flight when something "
        f"ended; "
        f"{at_once} by two judges at the same moment"
    )
    return [f"{twice} answers were paid again, {may} were in flight"] if twice > may else []


def ends_of(work: Path) -> list[dict]:
    """How each attempt ended, forgiven ones included; a silent one was killed."""
    numbers = sorted(int(p.name) for p in (work / "claims").glob("[0-9]*"))
    told = []
    for n in numbers:
        paths = [work / "ends" / f"{n:06d}{suffix}" for suffix in (".json", ".forgiven")]
        said = next((p.read_bytes() for p in paths if p.exists()), b"")
        is_forgiven = paths[1].exists()
        told.append(
            {"kind": "killed", "reason": "silent", **(json.loads(said) if said else {}), "forgiven": is_forgiven}
        )
    return told


def left_over(world: World) -> list[str]:
    store = Store(world.study.store)
    queue = world.queue()
    running = {pid: of for pid, of in world.processes().items() if "tests.chaos.judge" not in of[1]}
    locked = [key for key in sorted(store.begun()) if (who := store.holder(key, liveness.alive)) and who]
    return [
        *([f"in the queue: {queue}"] if queue != [] else []),
        *(f"runs: {pid} {words[-100:]}" for pid, (_, words) in running.items()),
        *(f"locked: {key}" for key in locked),
    ]


def over_budget(store: Path) -> list[str]:
    """Artifacts at which an attempt was made although those before it had used up what they have; an attempt that SLURM
    itself put back into the queue is its own.
    """
    found = []
    for work in sorted(store.glob(".work/[a-z]*/*")):
        ends = [e for e in ends_of(work) if not e["forgiven"]]
        told = [End(e["kind"], e["reason"], e.get("progress", 0), is_resolved=e["kind"] == "blocked") for e in ends]
        found += [
            f"{work.parent.name}/{work.name}: attempt {n + 1} after {failed(told[:n])}"
            for n in range(1, len(told))
            if told[n].kind not in HARMLESS and failed(told[:n]) and not put_back(work, n + 1)
        ]
    return found


def put_back(work: Path, number: int) -> bool:
    """Whether an attempt is a later turn of a task that SLURM put back into the queue."""
    path = work / "claims" / f"{number:06d}"
    return path.exists() and not path.read_text().endswith((".0", ".lost"))


def kinds(store: Path) -> Counter[str]:
    """How all attempts of a store ended."""
    return Counter(
        e["kind"] for work in store.glob(".work/[a-z]*/*") if (work / "claims").is_dir() for e in ends_of(work)
    )


def unexpected(store: Path) -> list[str]:
    """Ends that say that the code is wrong, which no fault may cause."""
    found = []
    for work in sorted(store.glob(".work/[a-z]*/*")):
        found += [
            f"{work.parent.name}: {e['kind']}: {e['reason'][:200]}{traceback_in(work / 'logs', e.get('owner', ''))}"
            for e in ends_of(work)
            if e["kind"] in ("application", "config", "data", "missing", "setup")
        ]
    return found


def traceback_in(logs: Path, owner: str) -> str:
    """Where an attempt failed, by the last lines of its logs."""
    found = [p.read_text(errors="replace") for p in sorted(logs.glob(f"{owner.rpartition('@')[2]}*.log"))]
    return " | ".join(line for text in found if "Traceback" in text for line in text.strip().splitlines()[-24:])
