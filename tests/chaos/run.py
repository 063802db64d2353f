"""One run of chaos: `python -m tests.chaos.run --seed N --faults 200`; the table of what happened, and whether all that
must hold does.
"""

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import check, hurt_disk, hurt_processes, hurt_queue
from tests.chaos.judge import serving
from tests.chaos.plan import Fault, plan
from tests.chaos.study import CODE, LOCAL, ROOT, SLURM, Size, Study, environment, results, write_outputs
from tests.chaos.world import World
from tests.slurm.conftest import Testbed, free_ports

FAULTS = hurt_processes.table() | hurt_queue.table() | hurt_disk.table()
STEP_S, LOOK_S = 0.25, 4.0
VAIN = ("none there", "no ", "not ")
MOST_CALLS = 40  # of the launcher, once the faults are over
CALM_S = 1500.0


@dataclass
class Run:
    """What is written down: a row for each fault, what was typed, and what does not hold."""

    rows: list[tuple[str, float, str]] = field(default_factory=list)
    typed: int = 0
    retried: int = 0
    rounds: int = 1
    in_vain: int = 0  # faults that found nobody to hurt
    removed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def quiet(folder: Path, size: Size) -> dict[str, str]:
    """The results of the same study that nothing happens to, on this machine; kept by what they are made by."""
    text = [p.read_bytes() for name in CODE for p in sorted((ROOT / name).rglob("*.py"))]
    told = [Path(__file__).with_name("study.py").read_bytes(), repr(size).encode(), *text]
    digest = hashlib.sha256(b"".join(told)).hexdigest()[:16]
    kept = Path(tempfile.gettempdir()) / f"winsweep-chaos-{os.getuid()}" / f"{digest}.json"
    if kept.exists():
        return json.loads(kept.read_bytes())
    with serving(0, folder / "quiet.asked") as url:
        study = Study(folder / "quiet", environment(url), size)
        study.write(folder / "outputs.json", LOCAL)
        launcher = study.start()
        try:
            said = launcher.communicate(timeout=900)[0]
        finally:
            launcher.kill()
    found = results(study.store)
    assert f"{size.num_cells} of {size.num_cells} cells judged" in said, said
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(json.dumps(found))
    shutil.rmtree(folder / "quiet")
    return found


def disturbed(world: World, faults: list[Fault], run: Run) -> None:
    """The faults, one after another, while a person types the command whenever nothing is in the queue."""
    began, looked = time.monotonic(), 0.0
    for fault in faults:
        limit = time.monotonic() + fault.pause_s
        while time.monotonic() < limit:
            world.put_right()
            if time.monotonic() - looked > LOOK_S:
                looked = time.monotonic()
                world.revive()
                type_if_idle(world, run)
            time.sleep(STEP_S)
        at = time.monotonic() - began
        said = FAULTS[fault.name](world, fault)
        run.rows.append((fault.name, at, said))
        run.in_vain += said.startswith(VAIN)
        print(f"{at:7.1f} s  {fault.name:26s} {said}", flush=True)


def type_if_idle(world: World, run: Run) -> None:
    """The command, if nothing is in the queue; a study that is through before the faults are is deleted, and begins
    anew.
    """
    if world.away or world.targets("launcher") or world.queue() != []:
        return
    if is_through(world.study.last_said(), world.study):
        for stage in ("pretrain", "prepare", "finetune", "collect", "generate", "judge", "choose", "rank", "aggregate"):
            shutil.rmtree(world.study.store / stage, ignore_errors=True)
        run.rounds += 1
    hurt_processes.launch(world, {}, ())
    run.typed += 1


def is_through(said: str, study: Study) -> bool:
    num = study.size.num_cells
    return f"0 arrays submitted; {num} of {num} cells judged; table" in said and "; 1 of 1 analyses" in said


def calm(world: World, run: Run) -> str:
    """The same command, whenever the queue is empty, until it says that all is done; what it last said."""
    limit, said, words = time.monotonic() + CALM_S, "", ()
    for _ in range(MOST_CALLS):
        while world.queue() != []:
            if time.monotonic() > limit:
                run.problems.append(f"after {CALM_S:.0f} s still in the queue: {world.queue()}")
                return said
            world.revive()
            time.sleep(1)
        process = world.study.start(*words)
        said, words = process.communicate(timeout=300)[0], ()
        run.typed += 1
        if is_through(said, world.study):
            if not (damaged := check.unused_damage(world.study.store)):
                return said
            for path in damaged:  # nothing has looked at them since; a result that is not there is made again
                run.removed.append(path.parent.name)
                shutil.rmtree(path)
        elif "--retry-failed" in said and process.returncode:
            words, run.retried = ("--retry-failed",), run.retried + 1
            run.notes.append("told: " + " | ".join(said.strip().splitlines()[-8:])[:900])
            remove_as_told(world, said, run)
    run.problems.append(f"not through after {MOST_CALLS} calls: {said[-1500:]}")
    return said


def remove_as_told(world: World, said: str, run: Run) -> None:
    """Folders of what was damaged twice, which a person is told to remove."""
    for word in said.replace("(", " ").replace(")", " ").split():
        path = Path(word.rstrip(",.;"))
        if path.name.startswith("damaged-") and path.is_dir() and "then remove that folder" in " ".join(said.split()):
            shutil.rmtree(path)
            run.removed.append(path.name)


def once(folder: Path, testbed: Testbed, port: int, seed: int, faults: list[Fault], size: Size) -> Run:
    """A study through these faults; the testbed, the judge and the mounts of it are gone afterwards."""
    run = Run()
    outputs = write_outputs(folder / "outputs.json")
    want = quiet(folder, size)
    study = Study(folder / "study", environment(f"http://127.0.0.1:{port}/v1"), size)
    study.write(outputs, SLURM)
    world = World(testbed, study, port, seed)
    try:
        world.begin()
        hurt_processes.launch(world, {}, ())
        run.typed += 1
        world.typed[0].wait(timeout=300)
        disturbed(world, faults, run)
        world.heal()
        for process in world.typed:
            process.wait(timeout=400)
        world.resume()
        calm(world, run)
        run.problems += check.problems(world, want)
        run.notes += [world.paid, f"ends: {dict(check.kinds(study.store))}", *check.unexpected(study.store)]
        run.notes += world.tracebacks()
        if run.problems and (kept := os.environ.get("CHAOS_KEEP")):
            shutil.copytree(study.folder, kept, symlinks=True, dirs_exist_ok=True)
    finally:
        world.close()
    return run


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--seed", type=int, required=True)
    p.add_argument("--faults", type=int, default=200)
    p.add_argument("--port", type=int, help="the first of 200 free ports (default: looked for)")
    p.add_argument("--dir", type=Path, help="where its folder is made (default: that of temporary files)")
    p.add_argument("--hours", type=float, default=0, help="go on with the next seeds for so long")
    p.add_argument("--only", help="names of kinds of faults, joined by commas")
    a = p.parse_args()
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, lambda *_: sys.exit(143))
    a.port = a.port or free_ports()
    names = a.only.split(",") if a.only else list(FAULTS)
    limit, seed = time.monotonic() + 3600 * a.hours, a.seed
    code = one_seed(a, seed, names)
    while time.monotonic() < limit:
        seed += 1
        code = one_seed(a, seed, names) or code
    return code


def one_seed(a: argparse.Namespace, seed: int, names: list[str]) -> int:
    """1 if anything does not hold."""
    folder = Path(tempfile.mkdtemp(prefix="winsweep-chaos-", dir=a.dir)).resolve()
    try:
        subprocess.run([str(ROOT / "slurm/testbed/up"), "--dir", f"{folder}/tb", "--port", str(a.port)], check=True)
        run = once(folder, Testbed(folder / "tb"), a.port + 150, seed, plan(seed, a.faults, names), Size())
    finally:
        subprocess.run([str(ROOT / "slurm/testbed/down"), "--dir", f"{folder}/tb"], check=False)
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)
    print("\n".join(["", *run.notes, *(f"PROBLEM {x}" for x in run.problems)]))
    print(
        f"seed {seed}: {len(run.rows)} faults of {len({r[0] for r in run.rows})} kinds, {run.in_vain} in vain, "
        f"in {run.rounds} rounds; "
        f"typed {run.typed} times, {run.retried} with --retry-failed; {len(run.removed)} damaged and unused results "
        f"removed; {len(run.problems)} problems",
        flush=True,
    )
    return bool(run.problems)


if __name__ == "__main__":
    sys.exit(main())
