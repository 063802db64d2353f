"""What a cluster file says to srun and to bash, read by them before anything is submitted: else a job would find it."""

import difflib
import re
import subprocess

from winsweep.errors import BadStudy
from winsweep.placement import Cluster
from winsweep.slurm import batch_script

ANSWER_S = 20.0
LONG = re.compile(r"--[a-z][\w-]*")
UNKNOWN = re.compile(rf"unrecognized option '({LONG.pattern})")
MISTYPED = 0.85  # how like one of srun's own options a mistyped one is; --container-image is 0.79 like --container


def look(cluster: Cluster) -> list[str]:
    """Notes on options that srun does not know here and plugins of the nodes may; BadStudy for setup lines that bash
    cannot read, and for options that srun cannot read anywhere.
    """
    placements = cluster.placements
    every = dict.fromkeys([*placements.by_stage.values(), *(placed for _, _, placed in placements.by_label)])
    batch_script.check_lines(dict.fromkeys(line for placed in every for line in placed.setup))
    told = []
    for options in dict.fromkeys(placed.srun for placed in every if placed.srun):
        if not (said := unread(options)):
            continue
        if not (name := of_a_plugin(said)):
            raise BadStudy(
                f"{cluster.file}: srun: found {' '.join(options)}, of which srun says: {said}; options are legal that "
                f"srun has; see man srun, or correct it"
            )
        told.append(
            f"{cluster.file}: srun of this machine does not know {name}; if no plugin of the nodes knows it either, "
            f"each job ends as it starts; see srun --help on a node"
        )
    return told


def of_a_plugin(said: str) -> str:
    """The long option that srun does not know by what it said, if none of its own is like it: a plugin (SPANK) that is
    on the nodes alone may read it.
    """
    if not (unknown := UNKNOWN.match(said)):
        return ""
    own = dict.fromkeys(LONG.findall(_run("--help")[1]))
    return "" if difflib.get_close_matches(unknown[1], own, cutoff=MISTYPED) else unknown[1]


def unread(options: tuple[str, ...]) -> str:
    """Why srun does not read these options, in its own words; "" where it does, or where it is not here or says
    nothing. Its last option ends it once it has read the others.
    """
    if _run("--version")[0]:
        return ""
    code, said = _run(*options, "--version")
    lines = (line.removeprefix("srun: ").removeprefix("error: ") for line in said.splitlines())
    return "; ".join(line for line in lines if line and not line.startswith("Try ")) if code else ""


def _run(*options: str) -> tuple[int, str]:
    """How srun ends, and all that it says."""
    try:
        done = subprocess.run(
            ["srun", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=ANSWER_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return 1, ""
    return done.returncode, done.stdout
