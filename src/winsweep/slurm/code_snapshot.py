"""A code snapshot for one submission: queued jobs run what was there when they were submitted."""

import compileall
import hashlib
import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from py_compile import PycInvalidationMode

from winsweep import layout, ownership
from winsweep.errors import BadStudy
from winsweep.store import folders, links, provenance
from winsweep.study.web_file import cache


def take_snapshot(store: Path) -> Path:
    """The copy of this checkout's (or installed package's) code in `store`, made if its content is new; its COMMIT says
    which commit (or version) it is, and if files differed.
    """
    if ":" in str(store):
        raise BadStudy(
            f"--store {store}: found a colon; PYTHONPATH, by which jobs find code, has none in a path; name another"
        )
    digest = hashlib.sha256()
    files = layout.snapshot_files()
    for place, path in sorted(files.items()):
        digest.update(f"{place}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    told = provenance.commit()
    stamp = f"{told['commit']}{' changed' if told['dirty'] else ''}\n"
    digest.update(stamp.encode())
    target = folder_of(store) / digest.hexdigest()[:12]
    if not target.exists():
        _copy(files, target, stamp)
    for path in (target, *target.rglob("*")):
        ownership.refuse_others(path, f"your jobs would run what is there, so type: rm -r {shlex.quote(str(target))}")
    return target


def folder_of(store: Path) -> Path:
    """Where code that jobs run may lie: in the store; where others may write there, in a folder of this user's own."""
    inside = links.inside(store, store / ".work" / "code")
    return inside if ownership.is_private(inside) else ownership.make_own(cache() / "code")


def _copy(files: Mapping[Path, Path], target: Path, stamp: str) -> None:
    tmp = target.with_name(f".{target.name}.{os.getpid()}")
    for place, path in files.items():
        to = tmp / place
        folders.make(to.parent)
        shutil.copy2(path, to)
    (tmp / "COMMIT").write_text(stamp)
    # else each of a thousand tasks that begin at once does, or every one where Python may not write what it compiled
    compileall.compile_dir(
        tmp, quiet=2, stripdir=tmp, prependdir=target, invalidation_mode=PycInvalidationMode.TIMESTAMP
    )
    for path in (tmp, *tmp.rglob("*")):
        path.chmod(path.stat().st_mode & 0o755)
    try:
        os.rename(tmp, target)
    except OSError:  # another launcher made the same copy first
        shutil.rmtree(tmp)
        if not target.exists():
            raise
