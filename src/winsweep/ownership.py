"""Who, beside the person at work, could have written a file: asked wherever a file becomes code, names code or is
unpickled.

Trusted are this user, root, and the owner of the code that runs, who decides anyway what it does. A group that has the
user's name and nobody else in it, as many systems make one for each user, is the user.
"""

import contextlib
import errno
import functools
import grp
import os
import pwd
import stat
import sys
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from winsweep import layout
from winsweep.errors import NotOwn
from winsweep.paths import unlinked_opener

MOST_BYTES = 1 << 30
NOBODY = 65534  # stands for every owner that a container, or a network disk, does not know


@contextlib.contextmanager
def opened(path: Path, why: str) -> Iterator[BufferedReader]:
    """The regular file at `path`, to be read; NotOwn where another user could have written it, `why` being what is at
    stake. What is looked at is what is read. OSError as of the disk.
    """
    try:
        file = open(path, "rb", opener=unlinked_opener)  # noqa: SIM115  # closed below
    except OSError as e:
        if e.errno not in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise
        raise NotOwn(f"{path}: found no file ({e.strerror}); {why}; remove it") from None
    with file:
        known = os.fstat(file.fileno())
        if not stat.S_ISREG(known.st_mode):
            raise NotOwn(f"{path}: found a pipe or a device; {why}; remove it")
        if found := fault(known):
            raise NotOwn(f"{path}: {found}; {why}; {remedy(path, known)}")
        yield file


def read_own(path: Path, why: str) -> bytes:
    """The bytes of such a file; NotOwn, too, for one that is larger than any of ours."""
    with opened(path, why) as file:
        if (size := os.fstat(file.fileno()).st_size) > MOST_BYTES:
            raise NotOwn(f"{path}: found {size:,} bytes; legal are {MOST_BYTES:,}; {why}; remove it")
        return file.read()


def refuse_others(path: Path, why: str) -> Path:
    """`path` (where it leads to, if it is a link); NotOwn where another user could have written what is there now."""
    known = path.stat()
    if found := fault(known):
        raise NotOwn(f"{path}: {found}; {why}; {remedy(path, known)}")
    return path


def fault(known: os.stat_result) -> str:
    """Who else could have written what has this status; "" if nobody."""
    if known.st_uid not in _trusted():
        return f"owned by {_user(known.st_uid)}"
    if known.st_mode & stat.S_IWOTH:
        return "everybody can write it"
    if known.st_mode & stat.S_IWGRP and not _is_own_group(known.st_gid):
        return f"the group {_group(known.st_gid)} can write it"
    return ""


def remedy(path: Path, known: os.stat_result) -> str:
    """What to type to make it one's own."""
    if known.st_uid not in _trusted():
        return "look at it, and copy it to a file of your own if you trust it"
    return f"look at it, then type: chmod go-w {path}"


def is_private(path: Path) -> bool:
    """Whether nobody else can put another file in the place of `path`, whether that is there yet or not.

    Folders that the code itself or its interpreter lies in are not asked about: who may write there has it in hand.
    """
    here = path.absolute()
    decided = {*layout.ROOT.parents, layout.ROOT, *Path(sys.prefix).parents}
    return all(_is_closed(p) for p in (here, *here.parents) if p not in decided)


def _is_closed(folder: Path) -> bool:
    try:
        known = folder.lstat()
    except FileNotFoundError:
        return True
    if stat.S_ISLNK(known.st_mode):
        return False
    is_sticky = bool(known.st_mode & stat.S_ISVTX)  # as /tmp: nobody moves what another has there
    return known.st_uid in _trusted() if is_sticky else not fault(known)


def make_own(folder: Path) -> Path:
    """`folder`, made for this user alone where it is not there; NotOwn where others can put files into its place."""
    for each in (*reversed(folder.parents), folder):
        if not each.exists():
            each.mkdir(mode=0o700 if each == folder else 0o755, exist_ok=True)
    if not is_private(folder):
        raise NotOwn(
            f"{folder}: others can write it, or a folder above it, and your jobs would run what they put there; legal "
            f"is a folder of your own that the nodes see; type chmod go-w for it, or set WINSWEEP_CACHE to another"
        )
    return folder


def told_once(store: Path) -> str:
    """What it means that others may write a store, the first time that this user works there; else ""."""
    found, mark = fault(store.stat()), store / ".cache" / f"told-{os.geteuid()}"
    if not found or mark.exists():
        return ""
    mark.parent.mkdir(exist_ok=True)
    os.close(os.open(mark, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o644))
    is_own = os.geteuid() in (0, store.stat().st_uid)
    alone = f"to keep it for yourself type: chmod -R go-w {store}" if is_own else "one of your own: --store DIR"
    return (
        f"{store}: {found}. Others may change, make up or remove results, judgements and records in it, which are "
        f"read as data: share it only with people you trust with those. Your jobs run your own code alone. "
        f"docs/explanation/security.md says more; {alone}\n"
    )


@functools.cache
def _trusted() -> frozenset[int]:
    return frozenset({os.geteuid(), 0, *({layout.PACKAGE.stat().st_uid} - {NOBODY})})


@functools.cache
def _is_own_group(gid: int) -> bool:
    try:
        me, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return gid == me.pw_gid and group.gr_name == me.pw_name and {*group.gr_mem} <= {me.pw_name}


def _user(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name} ({uid})"
    except KeyError:
        return f"user {uid}"


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
