"""Makes the base models that travel with the code: `python -m winsweep.ship STUDY.yaml` remakes those that a study
pretrains.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from winsweep import layout
from winsweep.graph import Need, discover
from winsweep.store import manifest
from winsweep.study.cell import Model
from winsweep.study.pretrain import Pretrain
from winsweep.workspace import open_workspace


def ship(study: Path) -> list[Path]:
    """Pretrain every model of `study` that is made here and put it at shipped/DIGEST, with its manifest, in place of
    what was there.
    """
    need = Need(discover(layout.JOBS, "winsweep.jobs"))
    with tempfile.TemporaryDirectory() as scratch:
        workspace = open_workspace(study, Path(scratch) / "store")
        sides = {c.comparison.candidate.model for c in workspace.study.table.cells}
        return [
            make(need("pretrain", m).digest, m.source, Path(scratch))
            for m in sorted((m for m in sides if isinstance(m, Model)), key=lambda m: m.name)
            if isinstance(m.source, Pretrain)
        ]


def make(digest: str, spec: Pretrain, scratch: Path) -> Path:
    """Pretrain one model and put it at shipped/`digest`, with its manifest; where it lies."""
    from winsweep.train.pretrain import pretrain

    out, work = scratch / digest, scratch / f"{digest}-work"
    out.mkdir()
    work.mkdir()
    pretrain(
        out,
        spec=spec,
        tokenizer_path=None,
        work=work,
        progress=lambda done, total: print(f"\r{digest} {done}/{total}", end="", flush=True),
    )
    manifest.seal(out)
    target = layout.SHIPPED / digest
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(out, target)
    print(f"\r{target}")
    return target


if __name__ == "__main__":
    ship(Path(sys.argv[1]))
