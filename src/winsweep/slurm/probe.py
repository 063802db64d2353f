"""A look at the cluster from one of its nodes: `python -m winsweep.slurm.probe FOLDER` runs there, the rest sends it
and reads what it saw.
"""

import json
import os
import shutil
import sys
import time
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from winsweep.artifact import Artifact
from winsweep.attempt import arrays
from winsweep.logs import clean
from winsweep.placement import Placement
from winsweep.slurm import batch_script, node_facts, queue, sbatch, task_script
from winsweep.slurm.chain import Array
from winsweep.slurm.code_snapshot import take_snapshot
from winsweep.store import folders, liveness, provenance
from winsweep.store.manifest import write_atomic
from winsweep.store.store import Store

ASKED, SEEN = "asked.json", "seen.json"
POLL_S = 3.0


@dataclass(frozen=True)
class Probed:
    """What came of it: what the node saw, or None and why not; `waits` if no node has begun within the time."""

    seen: dict | None
    why: str = ""
    waits: bool = False


def main(folder: Path) -> int:
    """On the node: say what Python and which packages are here, in the shared directory."""
    task_script.mark_begun(folder)
    told = {
        **circumstances(),
        "node": liveness.node(),
        **node_facts.facts(folder, arrays.heard(folder / ASKED)["scratch"]),
        "finds_letter": "letter" in os.listdir(folder),
        "ahead_s": ahead_s(folder / "clock"),
    }
    write_atomic(folder / SEEN, json.dumps(told).encode())
    return 0


def circumstances() -> dict:
    found = provenance.circumstances()
    return {"python": found["python"], "executable": sys.executable, "packages": found["packages"]}


def ahead_s(path: Path) -> float:
    """How far this machine's clock is ahead of the one that dates the files of `path`'s disk."""
    path.touch()
    return time.time() - path.stat().st_mtime


def send(store: Store, placed: Placement, limit_s: float) -> Probed:
    """Run the probe as one task in the partition of `placed` and wait for it, `limit_s` at most; nothing of it stays.

    OSError if the store cannot be written from here, ClusterDown if SLURM refuses the job or is silent.
    """
    folder = store.root / ".work" / f"doctor-{uuid.uuid4().hex[:12]}"
    folders.make(folder)
    try:
        (folder / "letter").touch()
        arrays.tell(folder / ASKED, {"scratch": placed.scratch})
        small = replace(placed, ranks=1, nodes=1, time_min=min(placed.time_min, 5), throttle=1)
        array = Array(small, ((Artifact("probe", 1, "probe", {}, {}),),), ())
        run = batch_script.command(small, take_snapshot(store.root), "winsweep.slurm.probe", folder)
        job = sbatch.submit(array, folder, run, f"winsweep.doctor.{folder.name}", "", [])
        return _await(folder, job, time.monotonic() + limit_s)
    finally:
        _remove(folder)


def _await(folder: Path, job: str, limit: float) -> Probed:
    state = "PENDING|"
    try:
        while time.monotonic() < limit:
            state = "".join(queue.lines(["squeue", "-h", "-j", job, "-t", "all", "-o", "%T|%r"], r"[A-Z_]+\|.*")[-1:])
            if SEEN in os.listdir(folder):  # a listing, because a shared disk may remember that a file was not there
                return Probed(json.loads((folder / SEEN).read_bytes()))
            if not state or state.partition("|")[0] in queue.ENDED:
                return Probed(None, _last_words(folder, job))
            time.sleep(POLL_S)
        waits, _, reason = state.partition("|")
        return Probed(None, queue.words(queue.Task(job, 0, "", waits, reason, "", "", "")), waits == "PENDING")
    finally:
        queue.run(["scancel", "--quiet", job])


def _last_words(folder: Path, job: str) -> str:
    """What the job printed before it ended without an answer; a shared disk may show it late."""
    if why := arrays.failure(folder, 0):
        return clean(" ".join(why.split()))[:600]
    said = [
        line
        for p in sorted(folder.glob("*.out"))
        for line in clean(p.read_text(errors="replace")).splitlines()
        if line.strip()
    ]
    # they say only that it ended
    said = [line for line in said if not line.startswith(("srun:", "slurmstepd:"))] or said
    return (
        said[-1][:300] if said else f"job {job} ended and printed nothing, or its node cannot write to {folder.parent}"
    )


def _remove(folder: Path) -> None:
    """Away with it, also if the job that is being cancelled still writes there."""
    for _ in range(5):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
