"""What a testbed takes of the machine and shares with other testbeds on it: packages, names in /etc/hosts, one
munged.
"""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from daemons import DAEMONS, end, running, wait_for, words_of

HOSTS = Path("/etc/hosts")
MARK = "# winsweep testbed"
KEY = Path("/run/munge/winsweep-testbed.key")  # its name in a command line says that the munged is ours
POLICY = Path("/usr/sbin/policy-rc.d")
PROGRAMS = {"slurmctld": "slurm-wlm", "slurmd": "slurm-wlm", "munged": "munge"}
FOR_ACCOUNTING = {"slurmdbd": "slurmdbd", "mariadbd": "mariadb-server"}


def missing_packages(accounting: bool) -> list[str]:
    wanted = PROGRAMS | (FOR_ACCOUNTING if accounting else {})
    return sorted({package for program, package in wanted.items() if not shutil.which(program)})


def install(packages: list[str]) -> None:
    """Debian packages, without questions and without starting the services that come with them."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    bare = not POLICY.exists()
    if bare:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        for words in ["update"], ["install", "-y", "--no-install-recommends", *packages]:
            done = subprocess.run(["apt-get", "-qq", *words], env=env, capture_output=True, text=True, timeout=600)
            if done.returncode:
                raise SystemExit(f"error: apt-get {' '.join(words)}: {done.stderr.strip()[-400:]}")
    finally:
        if bare:
            POLICY.unlink()


def add_hosts(names: list[str]) -> None:
    """Every name means 127.0.0.1, on marked lines where it did not; in front, because the first line that has a name
    counts.

    That goes for the machine's own name too: SLURM listens on what it means, and srun cannot be reached on Debian's
    127.0.1.1.
    """
    text = HOSTS.read_text()
    meant = {}
    for line in text.splitlines():
        where, *aliases = line.partition("#")[0].split() or [""]
        meant = dict.fromkeys(aliases, where) | meant
    lines = [f"127.0.0.1 {n} {MARK}\n" for n in names if meant.get(n) != "127.0.0.1"]
    if lines:
        HOSTS.write_text("".join(lines) + text)


def munge_works() -> bool:
    return subprocess.run(["munge", "-n"], capture_output=True, timeout=10).returncode == 0


def start_munged() -> None:
    """The machine's munged where one answers, else our own."""
    if munge_works():
        return
    for folder in (KEY.parent, Path("/var/lib/munge"), Path("/var/log/munge")):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.chown(folder, "munge", "munge")
    KEY.unlink(missing_ok=True)
    KEY.touch(0o400)
    KEY.write_bytes(os.urandom(128))
    shutil.chown(KEY, "munge", "munge")
    command = ["munged", f"--key-file={KEY}", "--force"]
    subprocess.run(command, user="munge", group="munge", extra_groups=[], check=True, capture_output=True, timeout=20)
    wait_for(munge_works, "munged; see /var/log/munge/munged.log", 10)


def release() -> None:
    """Gives back what `add_hosts` and `start_munged` took, unless some SLURM daemon still runs on this machine."""
    if any(os.path.basename(words_of(p)[0]) in DAEMONS[:3] for p in running()):
        return
    end(lambda: {p for p in running() if f"--key-file={KEY}" in words_of(p)}, signal.SIGTERM)
    KEY.unlink(missing_ok=True)
    text = HOSTS.read_text()
    if MARK in text:
        HOSTS.write_text("".join(line for line in text.splitlines(keepends=True) if MARK not in line))
