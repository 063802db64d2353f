"""The GPUs of this machine that attempts may have, and how many attempts they serve at once.

Each is a word of CUDA_VISIBLE_DEVICES: what the launcher's own variable names, else the UUIDs of what nvidia-smi lists.
CUDA counts GPUs in another order than nvidia-smi does, so a number from there could be another GPU here.
"""

import functools
import os
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from winsweep.artifact import Artifact
from winsweep.check import auto_placement, room
from winsweep.check.auto_placement import Machine
from winsweep.errors import BadStudy
from winsweep.placement import Cluster, Placements
from winsweep.workspace import Workspace

VISIBLE = "CUDA_VISIBLE_DEVICES"
MIG = "MIG-"


def here() -> list[str]:
    """Those of this machine, or those that the launcher was given; BadStudy for one that is named twice."""
    given = os.environ.get(VISIBLE)
    return parse_listing(_listing()) if given is None else parse_visible(given)


def parse_visible(given: str) -> list[str]:
    """The words of the variable, as CUDA reads it: what follows a negative number does not count."""
    found: list[str] = []
    for word in filter(None, (word.strip() for word in given.split(","))):
        if word.startswith("-"):
            break
        found.append(word)
    if twice := [word for word in found if found.count(word) > 1]:
        raise BadStudy(
            f"{VISIBLE}: found {twice[0]} twice in {given!r}; each GPU once is legal, as an attempt has its GPUs for "
            f"itself; name it once"
        )
    return found


def parse_listing(listing: str) -> list[str]:
    """UUIDs from `nvidia-smi -L`; of a GPU that is divided (MIG), those of its instances in its place."""
    found: list[str] = []
    for line in listing.splitlines():
        uuid = re.search(r"\(UUID: ([\w/-]+)\)", line)
        if uuid and uuid[1].startswith(MIG) and found and not found[-1].startswith(MIG):
            found[-1] = uuid[1]  # its first instance
        elif uuid:
            found.append(uuid[1])
    return found


@functools.cache
def _listing() -> str:
    if shutil.which("nvidia-smi") is None:
        return ""
    try:
        said = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, errors="replace", timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout if said.returncode == 0 else ""


def why_never(wanted: int, gpus: list[str]) -> str:
    """Why an attempt that wants so many can never start here; "" if it can. Without GPUs all runs on CPUs."""
    if gpus and wanted > len(gpus):
        return f"wants {wanted} GPUs (ranks × gpus_per_rank), and there {_are(gpus)} here"
    if wanted > 1 and any(gpu.startswith(MIG) for gpu in gpus):
        return f"wants {wanted} GPUs, and those here are parts of one (MIG), which cannot work together"
    return ""


def sized(workspace: Workspace, cluster: Cluster, gpus: list[str]) -> tuple[Cluster, list[str]]:
    """See auto_placement.sized; nvidia-smi is asked only where a placement is auto."""
    return auto_placement.sized(workspace, cluster, of_machine(gpus))


def of_machine(gpus: list[str]) -> auto_placement.Machines:
    """What a placement may get of these GPUs; nvidia-smi is asked once, and only when that is."""
    memory_gb = functools.cache(room.here)
    return lambda placed: Machine(placed.gpu_memory_gb or memory_gb(), len(gpus))


def side_by_side(workspace: Workspace, cluster: Cluster, jobs: int, gpus: list[str]) -> str:
    """A line that says how many attempts run at once, and why; BadStudy for what can never start here."""
    published = workspace.store.published()
    missing = [a for a in workspace.order if a.key not in published]
    refuse_unfit(cluster.file, missing, cluster.placements, gpus)
    return told(missing, cluster.placements, gpus, jobs)


def refuse_unfit(file: Path, missing: Iterable[Artifact], placements: Placements, gpus: list[str]) -> None:
    """BadStudy names the first of what is still to be made that can never start on this machine."""
    for a in missing:
        placed = placements.of(a.stage, a.label)
        if why := why_never(placed.gpus, gpus):
            raise BadStudy(
                f"{file}: {a.name}: {why}; legal is at most that with {VISIBLE} as it is; type fewer ranks: for "
                f"{a.stage}, or name another cluster file"
            )


def told(missing: Iterable[Artifact], placements: Placements, gpus: list[str], jobs: int) -> str:
    """What decides how many attempts run side by side, a line; "" if nothing is left to make."""
    wanted = defaultdict(set)
    for a in missing:
        wanted[a.stage].add(placements.of(a.stage, a.label).gpus)
    if not wanted:
        return ""
    most = f"Side by side: at most {jobs} attempts (--jobs)"
    if not gpus:
        return f"{most}, all on CPUs, as no GPU is seen here\n"
    by_number = defaultdict(list)
    for stage, numbers in wanted.items():
        for num in numbers:
            by_number[num].append(stage)
    on_cpus = by_number.pop(0, [])
    shares = [
        f"{len(gpus) // num} of {' and '.join(sorted(stages))} ({num} GPU{'s' if num > 1 else ''} each)"
        for num, stages in sorted(by_number.items())
    ]
    rest = f"; on CPUs alone: {', '.join(sorted(on_cpus))}" if on_cpus else ""
    return f"{most}; there {_are(gpus)} here: at most {', or '.join(shares) or 'none is asked for'}{rest}\n"


def _are(gpus: list[str]) -> str:
    parts = "parts of a GPU (MIG)" if any(gpu.startswith(MIG) for gpu in gpus) else "GPUs"
    return "is 1 GPU" if len(gpus) == 1 else f"are {len(gpus)} {parts}"
