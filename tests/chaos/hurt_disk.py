"""Faults of the disk and of what lies on it: full, read-only, failing, torn, damaged, moved; an edited checkout."""

import contextlib
import errno
import os
import shutil
import signal
import struct
import subprocess
import time
from pathlib import Path

import psutil

from tests.chaos.hurt_processes import Hurt, choose
from tests.chaos.plan import Fault
from tests.chaos.world import World, is_mounted, mount

SHARE = 0.15  # of the calls that fail while the disk does
CUT = "power cut"
STARTS_S = 30.0  # until a launcher has opened its store, also where the machine is busy
EDITED = ("jobs/finetune.py", "jobs/judge.py", "src/winsweep/attempt/attempt.py", "src/winsweep/slurm/finalizer.py")


def full(world: World, fault: Fault) -> str:
    """A file takes all the room there is."""
    filler = world.study.disk / "filler"
    free = shutil.disk_usage(world.study.disk).free
    with contextlib.suppress(OSError), open(filler, "ab") as f:
        f.writelines(bytes(65536) for _ in range(free // 65536 + 2))
    world.later(fault.lasts_s, "disk has room", lambda: filler.unlink(missing_ok=True))
    return f"{free >> 20} MB taken"


def read_only(world: World, fault: Fault) -> str:
    store = world.study.store
    if not (store / "store.json").is_file() or is_mounted(store):
        return "not there, or read-only already"
    mount("--bind", str(store), str(store))
    try:
        mount("-o", "remount,bind,ro", str(store))
    except subprocess.CalledProcessError as e:  # the system's word, as for a file that is being written
        _unmount(store)
        return f"not possible: {e.stderr.decode().strip()}"
    world.later(fault.lasts_s, "store is writable", lambda: _unmount(store))
    return "done"


def _unmount(store: Path) -> None:
    subprocess.run(["umount", "-l", str(store)], capture_output=True)


def failing(code: int) -> Hurt:
    """A share of the calls of every process below the store fails."""

    def hurt(world: World, fault: Fault) -> str:
        if not world.has_shim:
            return "no C compiler"
        control = world.shim / "control"
        set_control(control, code, SHARE)
        world.later(fault.lasts_s / 2, f"{errno.errorcode[code]} is over", lambda: set_control(control, 0, 0))
        return f"for {fault.lasts_s / 2:.0f} s"

    return hurt


def set_control(control: Path, code: int, share: float) -> None:
    with open(control, "r+b") as f:
        f.write(struct.pack("ii", code, int(1000 * share)))


def torn(world: World, fault: Fault) -> str:
    """A process is killed, and what it wrote but had not synced is lost, as in a power cut."""
    found = [pid for role in ("rank", "launcher", "finalizer") for pid in world.targets(role)]
    if not world.has_shim or (pid := choose(found, fault.which)) is None:
        return "none there" if world.has_shim else "no C compiler"
    world.lost("judge" in str(world.processes().get(pid)), CUT)
    said = world.signal(pid, signal.SIGKILL)
    cut = unsynced((world.shim / "unsynced").read_text(), pid)
    paths = {p.stat().st_ino: p for p in world.study.store.rglob("*") if p.is_file() and not p.is_symlink()}
    torn_files = [(paths[inode], size) for inode, size in cut.items() if inode in paths]
    for path, size in torn_files:
        os.truncate(path, min(size, path.stat().st_size))
    return f"{pid}: {said}, {len(torn_files)} files lost what was not synced"


def unsynced(text: str, pid: int) -> dict[int, int]:
    """Inode to the size that is safe, of what a process wrote without a sync, its own or another's, behind it."""
    found: dict[int, tuple[int, int]] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) != 4:
            continue
        what, by, inode, size = words[0], *map(int, words[1:])
        if what == "S":
            found.pop(inode, None)
        else:
            found.setdefault(inode, (by, size))
    return {inode: size for inode, (by, size) in found.items() if by == pid}


def published_files(store: Path) -> list[Path]:
    """Files of results that are named by a digest."""
    found = [p for folder in store.glob("[a-z]*/*-????????????") for p in folder.rglob("*") if p.is_file()]
    return sorted(p for p in found if p.parents[-1] != "results")


def damaged(how: str) -> Hurt:
    def hurt(world: World, fault: Fault) -> str:
        if (path := choose(published_files(world.study.store), fault.which)) is None or not path.stat().st_size:
            return "none there"
        size = path.stat().st_size
        at = int(fault.how * size)
        try:
            if how == "truncated":
                os.truncate(path, at)
            else:
                with open(path, "r+b") as f:
                    f.seek(at)
                    byte = f.read(1)[0]
                    f.seek(at)
                    f.write(bytes([byte ^ 4]))
        except OSError as e:
            return f"{e}"
        return f"{path.relative_to(world.study.store)} at {at} of {size}"

    return hurt


def moved(world: World, fault: Fault) -> str:
    """The store is somewhere else for a while, and comes back; what stands in its place by then is kept beside it."""
    store, away = world.study.store, world.study.disk / "moved"
    if away.exists() or not (store / "store.json").is_file() or is_mounted(store):
        return "not there, or read-only"
    if any(p.poll() is None and time.time() - psutil.Process(p.pid).create_time() < STARTS_S for p in world.typed):
        return "not while a launcher starts, which makes a store where there is none"
    store.rename(away)
    world.away.add("the store is moved")

    def back() -> None:
        if store.exists():
            made = sorted(str(p.relative_to(store)) for p in store.rglob("*") if not p.is_dir())
            if ours := [name for name in made if not name.endswith("_log.out")]:  # SLURM 24.11 makes folders of logs
                world.study.strays.append(f"something made {store} while the store was moved: {ours}")
            store.rename(store.with_name(f"stray-{os.urandom(4).hex()}"))
        away.rename(store)
        world.away.discard("the store is moved")

    world.later(fault.lasts_s / 2, "store is back", back)
    return f"for {fault.lasts_s / 2:.0f} s"


def edited(world: World, fault: Fault) -> str:
    """A file of the checkout does not even compile for a while; nobody types a command meanwhile."""
    path = world.study.checkout / choose([*EDITED], fault.which)
    before = path.read_text()
    if "what is half" in before:
        return "already"
    path.write_text(before + "\ndef what is half typed(\n")
    world.away.add("the checkout is edited")

    def back() -> None:
        path.write_text(before)
        world.away.discard("the checkout is edited")

    world.later(fault.lasts_s, "checkout as it was", back)
    return str(path.relative_to(world.study.checkout))


def table() -> dict[str, Hurt]:
    return {
        "disk full": full,
        "store read-only": read_only,
        "EIO": failing(errno.EIO),
        "ESTALE": failing(errno.ESTALE),
        "ENOSPC": failing(errno.ENOSPC),
        CUT: torn,
        "published file flipped": damaged("flipped"),
        "published file truncated": damaged("truncated"),
        "store moved": moved,
        "checkout edited": edited,
    }
