"""Faults of processes: signals to any role, several launchers at once, on several hosts, with a clock that is off."""

import signal
import time
from collections.abc import Callable
from typing import TypeVar

from tests.chaos.plan import Fault
from tests.chaos.world import World

ROLES = ("rank", "launcher", "finalizer", "watchdog", "slurmd", "slurmctld", "judge server")
DAEMONS = ("slurmd", "slurmctld")
WAIT_S = 5.0  # for somebody who plays a role
T = TypeVar("T")
Hurt = Callable[[World, Fault], str]


def choose(found: list[T], share: float) -> T | None:
    """The target that a share stands for."""
    return found[int(share * len(found))] if found else None


def signalled(role: str, signum: signal.Signals) -> Hurt:
    def hurt(world: World, fault: Fault) -> str:
        if role == "launcher" and not world.targets(role) and not world.away:
            launch(world, {}, ())
            time.sleep(0.2 + fault.how * 1.5)
        limit = time.monotonic() + WAIT_S
        while not (found := world.targets(role)) and time.monotonic() < limit:
            world.put_right()
            time.sleep(0.2)
        names = {pid: name for name, pid in world.pids().items()} if role in DAEMONS else {}
        if (pid := choose(found, fault.which)) is None:
            return "none there"
        world.lost(role == "judge server", role)
        said = world.signal(pid, signum)
        if signum == signal.SIGSTOP:
            world.later(fault.lasts_s, f"{role} goes on", lambda: world.signal(pid, signal.SIGCONT))
        elif role in DAEMONS:
            world.later(fault.lasts_s, f"{names[pid]} is back", lambda: world.start_daemon(names[pid]))
        elif role == "judge server":
            world.later(fault.lasts_s, "judge server is back", world.start_judge)
        return f"{names.get(pid, pid)}: {said}"

    return hurt


def launch(world: World, env: dict[str, str], before: tuple[str, ...], *words: str) -> None:
    world.typed.append(world.study.start(*words, env=env, before=before, out=len(world.typed)))


def launchers(num: int) -> Hurt:
    """So many at once, each on a host of its own."""

    def hurt(world: World, fault: Fault) -> str:
        if world.away:
            return f"not typed: {', '.join(sorted(world.away))}"
        for n in range(num):
            name = f"login{n}"
            launch(world, {}, ("unshare", "--uts", "sh", "-c", f'hostname {name}; exec "$@"', "sh"))
        return f"{num} typed"

    return hurt


def clock(world: World, fault: Fault) -> str:
    """A launcher whose clock is an hour off, and with it the jobs that it submits."""
    if not world.has_shim or world.away:
        return "no C compiler" if not world.has_shim else f"not typed: {', '.join(sorted(world.away))}"
    off = "3600" if fault.how < 0.5 else "-3600"
    launch(world, {"CHAOS_CLOCK": off}, ())
    return f"typed at {off} s"


def table() -> dict[str, Hurt]:
    kinds = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "term": signal.SIGTERM}
    each = {f"{kind} {role}": signalled(role, signum) for role in ROLES for kind, signum in kinds.items()}
    return each | {"two launchers": launchers(2), "five launchers": launchers(5), "clock an hour off": clock}
