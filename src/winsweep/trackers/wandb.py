"""Weights & Biases: offline directories, as `wandb sync` uploads them. Nothing is sent from here, and no key is read.

What was not uploaded yet is replaced as a whole; to what was, a directory with the next steps is added, which
`wandb sync` puts behind it. Beside its own files each directory has a list of what it holds.
"""

import json
import os
import shlex
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from winsweep.store.manifest import write_atomic
from winsweep.trackers.runs import Held, Run, named

PACKAGES = "wandb"
HOLDS = "winsweep.json"  # in a directory: the first of its rows, the rows, and the digest of what else it was told
QUIET = {
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "disable_job_creation": True,
    "quiet": True,
    "silent": True,
    "x_disable_machine_info": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
}


def stored(value: float) -> float:
    """A number as JSON has it."""
    return value


def show(place: Path, project: str) -> str:
    return f"wandb sync {shlex.quote(str(place / project / 'wandb'))}/offline-run-*"


def held(place: Path, project: str, run: Run) -> Held:
    rows: list[dict[str, float]] = []
    about = ""
    for folder in _folders(place, project, run):
        holds = json.loads((folder / HOLDS).read_bytes())
        rows, about = [*rows[: holds["first"]], *holds["rows"]], holds["about"]
    return Held(rows, about)


def write(place: Path, project: str, run: Run, keep: int) -> None:
    """Rows that were uploaded stay what they were: wandb takes a step once."""
    uploaded = [folder for folder in _folders(place, project, run) if list(folder.glob("*.synced"))]
    holds = [json.loads((folder / HOLDS).read_bytes()) for folder in uploaded]
    first = max((h["first"] + len(h["rows"]) for h in holds), default=0)
    half = place / project / f".half-{run.id}"
    shutil.rmtree(half, ignore_errors=True)
    made = _made(half, project, run, first)
    told = {"first": first, "rows": [dict(row) for row in run.rows[first:]], "about": run.about}
    write_atomic(made / HOLDS, json.dumps(told).encode())
    for folder in (place / project / "wandb").glob(f"offline-run-*-{run.id}"):  # also what a kill left of one
        if not list(folder.glob("*.synced")):
            os.rename(folder, half / folder.name)  # half removed it would be uploaded, and nobody would know of it
    os.rename(made, _free(place / project / "wandb", run))
    shutil.rmtree(half, ignore_errors=True)


def _folders(place: Path, project: str, run: Run) -> list[Path]:
    """The directories of a run that are whole, oldest first."""
    return sorted(p.parent for p in (place / project / "wandb").glob(f"offline-run-*-{run.id}/{HOLDS}"))


def _free(parent: Path, run: Run) -> Path:
    """A name as wandb gives one, with a time that no directory of the run has."""
    parent.mkdir(parents=True, exist_ok=True)
    now = time.time()
    while (path := parent / f"offline-run-{time.strftime('%Y%m%d_%H%M%S', time.localtime(now))}-{run.id}").exists():
        now += 1
    return path


def _made(half: Path, project: str, run: Run, first: int) -> Path:
    """A new directory of the rows from `first` on and of all figures that belong to the whole run."""
    half.mkdir(parents=True)
    with _session(half, project, run) as session:
        for row in run.rows[first:]:
            session.log(named(row), step=int(row["step"]))
        session.summary.update(dict(run.final))
    return Path(session.settings.sync_dir)


@contextmanager
def _session(half: Path, project: str, run: Run) -> Iterator[Any]:
    wandb = library(half)
    with _without_key():
        settings = wandb.Settings(mode="offline", root_dir=str(half), **QUIET)
        session = wandb.init(
            project=project,
            id=run.id,
            name=run.name,
            group=run.group,
            job_type=run.kind,
            config=dict(run.config),
            settings=settings,
            reinit="create_new",
            resume="allow",
        )
        try:
            yield session
        finally:
            session.finish()


@contextmanager
def _without_key() -> Iterator[None]:
    """What is written here needs no key, and must not have one."""
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("WANDB_")}
    os.environ["WANDB_ERROR_REPORTING"] = "false"
    try:
        yield
    finally:
        del os.environ["WANDB_ERROR_REPORTING"]
        os.environ.update(kept)


def library(place: Path) -> Any:
    """The package; ImportError where it is missing."""
    import wandb

    return wandb
