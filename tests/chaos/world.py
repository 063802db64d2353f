"""What is hurt: a testbed, a study on it, its judge, its disk; who runs there; how each thing is put right again."""

import contextlib
import heapq
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.shim import build_shim
from tests.chaos.study import ROOT, Study
from tests.slurm.conftest import Testbed

DISK_MB = 600
ASK_S = 15.0  # for how long SLURM may be silent
ROLES = {
    "rank": "winsweep.slurm.node",
    "finalizer": "winsweep.slurm.finalizer",
    "watchdog": "winsweep.slurm.watchdog",
}


@dataclass
class World:
    """`undo` holds what puts right again what was done, with its time; `typed` the launchers that a person started."""

    testbed: Testbed
    study: Study
    port: int
    seed: int
    judge: subprocess.Popen | None = None
    typed: list[subprocess.Popen] = field(default_factory=list)
    undo: list[tuple[float, int, str, Callable[[], object]]] = field(default_factory=list)
    away: set[str] = field(default_factory=set)  # what nobody types a command during
    paid: str = ""
    losses: list[tuple[int, str]] = field(default_factory=list)  # moments at which so many judges could lose answers
    daemons: list[subprocess.Popen] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.shim = self.study.folder / "shim"
        self.asked = self.study.folder / "asked"
        self.shim.mkdir(exist_ok=True)
        (self.shim / "control").write_bytes(struct.pack("ii", 0, 0))
        (self.shim / "unsynced").touch()
        self.has_shim = build_shim(self.shim)
        self.study.env |= {"SLURM_CONF": self.testbed.env["SLURM_CONF"]} | (
            {
                "LD_PRELOAD": str(self.shim / "shim.so"),
                "CHAOS_SHIM": str(self.shim),
                "CHAOS_STORE": str(self.study.store),
            }
            if self.has_shim
            else {}
        )

    def begin(self) -> None:
        mount("-t", "tmpfs", "-o", f"size={DISK_MB}m", "chaos", str(self.study.disk))
        self.start_judge()

    # -- who runs

    def processes(self) -> dict[int, tuple[dict[str, str], str]]:
        """PID to environment and words of every process of the study's jobs and launchers."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                env, words = (
                    (entry / n).read_bytes().decode(errors="replace").split("\0") for n in ("environ", "cmdline")
                )
            except OSError:
                continue
            if f"SLURM_CONF={self.testbed.folder}/slurm.conf" in env and str(self.study.folder) in " ".join(words):
                found[int(entry.name)] = (dict(w.split("=", 1) for w in env if "=" in w), " ".join(words))
        return found

    def targets(self, role: str) -> list[int]:
        """PIDs that play a role, in order; ranks, finalizers and watchdogs are Python's alone, not srun's."""
        if role == "launcher":
            return [p.pid for p in self.typed if p.poll() is None]
        if role == "judge server":
            return [self.judge.pid] if self.judge and self.judge.poll() is None else []
        if role in ROLES:
            return sorted(
                pid
                for pid, (_, words) in self.processes().items()
                if f"-m {ROLES[role]}" in words and "srun" not in words.split()[0] and "bash" not in words.split()[0]
            )
        return sorted(pid for n, pid in self.pids().items() if (n == "slurmctld") == (role == "slurmctld"))

    def pids(self) -> dict[str, int]:
        """slurmctld and the name of each node to the PID of its daemon."""
        found, conf = {}, f"{self.testbed.folder}/slurm.conf"
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if conf in words and Path(words[0]).name in ("slurmctld", "slurmd"):
                    found[words[words.index("-N") + 1] if "-N" in words else "slurmctld"] = int(entry.name)
        return found

    def tell(self, *words: str) -> str:
        """What a SLURM command says in the end, "done" if nothing; it may fail."""
        try:
            done = subprocess.run(words, env=self.testbed.env, capture_output=True, text=True, timeout=ASK_S)
        except subprocess.TimeoutExpired:
            return "no answer"
        return (
            (done.stderr or done.stdout).strip().splitlines()[-1][-90:]
            if done.returncode
            else done.stdout.strip() or "done"
        )

    def queue(self, *states: str) -> list[tuple[str, str, str, str]] | None:
        """(task, name, state, raw job id) of each task; None where SLURM does not answer."""
        chosen = ["-t", ",".join(states)] if states else []
        try:
            words = ["squeue", "-h", "-r", "-o", "%i|%j|%T|%A", *chosen]
            done = subprocess.run(words, env=self.testbed.env, capture_output=True, text=True, timeout=ASK_S)
        except subprocess.TimeoutExpired:
            return None
        if done.returncode:
            return None
        return sorted(tuple(line.split("|")) for line in done.stdout.splitlines() if line.count("|") == 3)

    # -- what is put right again

    def later(self, after_s: float, name: str, act: Callable[[], object]) -> None:
        heapq.heappush(self.undo, (time.monotonic() + after_s, len(self.undo) + id(act), name, act))

    def put_right(self, everything: bool = False) -> list[str]:
        """What is due, or all of it, in the order of its times."""
        said = []
        while self.undo and (everything or self.undo[0][0] <= time.monotonic()):
            _, _, name, act = heapq.heappop(self.undo)
            act()
            said.append(name)
        return said

    def lost(self, is_so: bool, why: str) -> None:
        """A moment at which every judge may lose the answers that are on their way."""
        if is_so:
            self.losses.append((len(self.judging()), why))

    def judging(self) -> list[int]:
        return [
            pid
            for pid in self.targets("rank")
            if ".judge." in self.processes().get(pid, ({}, ""))[0].get("SLURM_JOB_NAME", "")
        ]

    def signal(self, pid: int, signum: int) -> str:
        try:
            os.kill(pid, signum)
        except ProcessLookupError:
            return "gone"
        return "done"

    def start_judge(self) -> None:
        if self.judge and self.judge.poll() is None:
            return
        words = [sys.executable, "-m", "tests.chaos.judge", str(self.port), str(self.asked), str(self.seed)]
        env = {**self.study.env, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
        env.pop("LD_PRELOAD", None)
        with open(self.study.folder / "judge.log", "ab") as log:
            self.judge = subprocess.Popen(words, cwd=ROOT, env=env, stdout=log, stderr=log)

    def start_daemon(self, name: str) -> None:
        """slurmctld, or the slurmd of a node, unless it runs."""
        if name in self.pids():
            return
        conf = f"{self.testbed.folder}/slurm.conf"
        words = ["slurmctld", "-D", "-f", conf] if name == "slurmctld" else ["slurmd", "-D", "-N", name, "-f", conf]
        with open(self.testbed.folder / "log" / f"{name}.out", "ab") as out:
            self.daemons.append(
                subprocess.Popen(
                    words,
                    env=self.testbed.env,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                )
            )

    def resume(self) -> None:
        """Nodes and suspended tasks go on, of which slurmctld heard nothing if it was away when they were to."""
        for node in ("n1", "n2", "n3", "n4"):
            self.tell("scontrol", "update", f"nodename={node}", "state=resume")
        for task in self.queue("SUSPENDED") or []:
            self.tell("scontrol", "resume", task[0])

    def revive(self) -> None:
        """Whoever ended unforeseen (it was stopped, and asked to end meanwhile) is back."""
        awaited = " ".join(name for _, _, name, _ in self.undo)
        if "judge server" not in awaited:
            self.start_judge()
        for name in ("slurmctld", "n1", "n2", "n3", "n4"):
            if name not in awaited and "slurmd goes on" not in awaited and "slurmctld goes on" not in awaited:
                self.start_daemon(name)

    def heal(self) -> None:
        """Everything is put right: what a person who looks after this cluster would do."""
        self.put_right(everything=True)
        (self.shim / "control").write_bytes(struct.pack("ii", 0, 0))
        for name in ("slurmctld", "n1", "n2", "n3", "n4"):
            self.start_daemon(name)
        self.start_judge()
        for pid in self.processes():
            self.signal(pid, signal.SIGCONT)

    def tracebacks(self) -> list[str]:
        """What launchers printed that ended in one."""
        found = [p.read_text(errors="replace") for p in sorted((self.study.folder / "typed").glob("*"))]
        return [
            f"a launcher ended with: {' | '.join(text.strip().splitlines()[-24:])}"
            for text in found
            if "Traceback" in text
        ]

    def close(self) -> None:
        """Nothing of this is left."""
        with contextlib.suppress(Exception):
            self.put_right(everything=True)
        for process in [*self.typed, *([self.judge] if self.judge else [])]:
            process.kill()
            process.wait()
        subprocess.run(
            [str(ROOT / "slurm/testbed/down"), "--dir", str(self.testbed.folder)], capture_output=True, timeout=120
        )
        for process in self.daemons:
            process.wait(timeout=30)
        for pid in self.processes():
            self.signal(pid, signal.SIGKILL)
        while at := next((p for p in (self.study.store, self.study.disk) if is_mounted(p)), None):
            subprocess.run(["umount", "-l", str(at)], check=True, capture_output=True)


def is_mounted(path: Path) -> bool:
    """Also for a folder bound to itself, of which os.path.ismount knows nothing."""
    return any(line.split()[4] == str(path) for line in Path("/proc/self/mountinfo").read_text().splitlines())


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)
