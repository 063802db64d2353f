"""What a cluster file says to srun and to bash, read by them before anything is submitted: else a job would find it."""

import subprocess

from winsweep.errors import BadStudy
from winsweep.placement import Cluster
from winsweep.slurm import batch_script

ANSWER_S = 20.0


def refuse(cluster: Cluster) -> None:
    """BadStudy for setup lines that bash cannot read, and for options that the srun of this machine does not know."""
    placements = cluster.placements
    every = dict.fromkeys([*placements.by_stage.values(), *(placed for _, _, placed in placements.by_label)])
    batch_script.check_lines(dict.fromkeys(line for placed in every for line in placed.setup))
    for options in dict.fromkeys(placed.srun for placed in every if placed.srun):
        if said := unread(options):
            raise BadStudy(
                f"{cluster.file}: srun: found {' '.join(options)}, of which srun says: {said}; options are legal that "
                f"srun has here; see man srun, or correct it"
            )


def unread(options: tuple[str, ...]) -> str:
    """Why srun does not read these options, in its own words; "" where it does, or where it is not here or says
    nothing. Its last option ends it once it has read the others.
    """
    if _version()[0]:
        return ""
    code, said = _version(*options)
    lines = (line.removeprefix("srun: ").removeprefix("error: ") for line in said.splitlines())
    return "; ".join(line for line in lines if line and not line.startswith("Try ")) if code else ""


def _version(*options: str) -> tuple[int, str]:
    try:
        done = subprocess.run(
            ["srun", *options, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ANSWER_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return 1, ""
    return done.returncode, done.stderr
