"""A real SLURM on this machine for the tests that need one: brought up once, taken down at the end."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

TESTBED = Path(__file__).resolve().parents[2] / "slurm/testbed"
MARKS: list[socket.socket] = []
# of the clusters that have none otherwise
ACCOUNTING = ["--accounting"] if os.environ.get("WINSWEEP_ACCOUNTING") else []
LOW, NUM_PORTS = 20000, 200  # below the ports that the system gives out by itself


def free_ports() -> int:
    """The first of NUM_PORTS ports: all are free, and the last one is taken for as long as this session lives."""
    for turn in range(45):
        first = LOW + (os.getpid() + turn) % 45 * NUM_PORTS
        mark = socket.socket()
        try:
            mark.bind(("127.0.0.1", first + NUM_PORTS - 1))
            for port in range(first, first + NUM_PORTS - 1):
                with socket.socket() as s:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    s.bind(("127.0.0.1", port))
        except OSError:
            mark.close()
            continue
        MARKS.append(mark)
        return first
    raise OSError(f"no {NUM_PORTS} free ports in a row from {LOW} on")


def pytest_sessionfinish() -> None:
    for mark in MARKS:
        mark.close()


@cache
def first_port() -> int:
    """The ports of the clusters that live as long as the session."""
    return free_ports()


class Testbed:
    """A running testbed, and commands on it."""

    __test__ = False  # by its name pytest would take it for tests

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH", "SRUN"))}
        self.env = clean | {"SLURM_CONF": f"{folder}/slurm.conf"}

    def run(self, *words: str, code: int = 0, timeout_s: float = 60) -> str:
        """What a command says, without the last newline; it must exit with `code`."""
        done = subprocess.run(words, env=self.env, cwd=self.folder, capture_output=True, text=True, timeout=timeout_s)
        assert done.returncode == code, f"{words} exited with {done.returncode}: {done.stdout}{done.stderr}"
        return (done.stdout if code == 0 else done.stdout + done.stderr).strip()

    def control(self, verb: str, *words: str, code: int = 0) -> str:
        """`up`, `down` or `status` of this testbed."""
        return self.run(str(TESTBED / verb), "--dir", str(self.folder), *words, code=code, timeout_s=300)

    def submit(self, script: str, *words: str) -> str:
        """The id of a new batch job."""
        return self.run(
            "sbatch",
            "--parsable",
            "--output",
            f"{self.folder}/%A-%a.out",
            "--open-mode=append",
            *words,
            "--wrap",
            script,
        )

    def field(self, job: str, name: str) -> str:
        """One field of `scontrol show job`, such as JobState or Restarts."""
        return dict(
            w.split("=", 1) for w in self.run("scontrol", "show", "--oneliner", "job", job).split() if "=" in w
        )[name]

    def pids(self) -> dict[str, int]:
        return {n: int(pid) for n, pid in (line.split("=") for line in self.control("status", "--pids").splitlines())}


def wait_for(ready: Callable[[], object], timeout_s: float = 60) -> None:
    """Returns when `ready()` is true; fails the test after `timeout_s`. What takes longer is asked for less often:
    asking costs the cores too.
    """
    began = time.monotonic()
    while not ready():
        waited_s = time.monotonic() - began
        assert waited_s < timeout_s, "it never happened"
        time.sleep(min(0.1 + waited_s / 40, 0.6))


def start_testbed(folder: Path, programs: tuple[str, ...], *words: str) -> Testbed:
    """A running testbed; skips where SLURM cannot be had, fails where it is installed and does not come up."""
    if os.geteuid():
        pytest.skip("a SLURM on one machine needs root")
    may = ["--install"] if shutil.which("apt-get") else []
    done = subprocess.run(
        [str(TESTBED / "up"), "--dir", str(folder), *may, *words], capture_output=True, text=True, timeout=900
    )
    if done.returncode and not all(map(shutil.which, programs)):
        pytest.skip(f"no SLURM on this machine: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return Testbed(folder)


def running_testbed(folder: Path, programs: tuple[str, ...], *words: str) -> Iterator[Testbed]:
    try:
        yield start_testbed(folder, programs, *words)
    finally:
        if not os.geteuid():
            subprocess.run([str(TESTBED / "down"), "--dir", str(folder)], check=True, capture_output=True, timeout=120)


@pytest.fixture(scope="session")
def testbed(tmp_path_factory) -> Iterator[Testbed]:
    """Four nodes n1 … n4 with two GPUs each, partitions main and hi; accounting if WINSWEEP_ACCOUNTING is set. A test
    leaves its queue empty.
    """
    yield from running_testbed(
        tmp_path_factory.mktemp("testbed"), ("slurmctld", "munged"), "--port", str(first_port()), *ACCOUNTING
    )


@pytest.fixture(scope="session")
def accounting_testbed(tmp_path_factory) -> Iterator[Testbed]:
    """Two nodes, with slurmdbd and MariaDB behind sacct; limits of a QOS are enforced. A test leaves none."""
    programs = ("slurmctld", "munged", "slurmdbd", "mariadbd")
    yield from running_testbed(
        tmp_path_factory.mktemp("books"),
        programs,
        "--port",
        str(first_port() + 50),
        "--nodes",
        "2",
        "--accounting",
        "--enforce",
        "limits,qos",
        "--gpu-type",
        "a100",
    )
