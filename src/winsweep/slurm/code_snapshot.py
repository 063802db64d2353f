"""A code snapshot for one submission: queued jobs run what was there when they were submitted."""

import hashlib
import os
import shutil
from pathlib import Path

from winsweep import layout
from winsweep.store import links, provenance

PARTS = ("src/winsweep", "jobs", "ds_configs", "slurm")


def take_snapshot(store: Path) -> Path:
    """The copy of this checkout's code in `store`, made if its content is new; its COMMIT says which commit it is, and
    if files differed.
    """
    digest = hashlib.sha256()
    files = sorted(
        p for part in PARTS for p in (layout.ROOT / part).rglob("*") if p.is_file() and "__pycache__" not in p.parts
    )
    for path in files:
        digest.update(f"{path.relative_to(layout.ROOT)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    told = provenance.commit()
    stamp = f"{told['commit']}{' changed' if told['dirty'] else ''}\n"
    digest.update(stamp.encode())
    target = links.inside(store, store / ".work" / "code") / digest.hexdigest()[:12]
    if not target.exists():
        _copy(files, target, stamp)
    return target


def _copy(files: list[Path], target: Path, stamp: str) -> None:
    tmp = target.with_name(f".{target.name}.{os.getpid()}")
    for path in files:
        to = tmp / path.relative_to(layout.ROOT)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, to)
    (tmp / "COMMIT").write_text(stamp)
    try:
        os.rename(tmp, target)
    except OSError:  # another launcher made the same copy first
        shutil.rmtree(tmp)
        if not target.exists():
            raise
