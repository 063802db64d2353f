"""Trackio: its SQLite database, a project for each study. What is added to a run is added in one transaction."""

import os
import shlex
import warnings
from functools import cache
from pathlib import Path
from typing import Any

from winsweep.trackers.runs import Held, Run, named, unnamed

PACKAGES = "trackio"
ABOUT = "_winsweep"  # of a run's configuration: the digest of what it was told last


def stored(value: float) -> float:
    """A number as SQLite's JSON has it."""
    return value


def show(place: Path, project: str) -> str:
    return f"TRACKIO_DIR={shlex.quote(str(place))} trackio show --project {shlex.quote(project)}"


def held(place: Path, project: str, run: Run) -> Held:
    storage = library(place)
    logs = sorted(storage.get_logs(project, run_id=run.id), key=lambda log: log["step"])
    rows = [row for log in logs if len(row := unnamed(log, log["step"])) > 1]
    about = storage.get_run_config(project, run_id=run.id) or {}
    return Held(rows, about.get(ABOUT, ""))


def write(place: Path, project: str, run: Run, keep: int) -> None:
    """Rows are added to what is there if that is all that is new; else the run is written anew."""
    storage = library(place)
    logs = [*map(named, run.rows), *([dict(run.final)] if run.final else [])]
    steps = [*(int(row["step"]) for row in run.rows), *([run.last_step] if run.final else [])]
    if keep < storage.get_log_count(project, run_id=run.id) or keep == len(logs):
        storage.delete_run(project, run.name, run_id=run.id)
        keep = 0
    told = {**run.config, "kind": run.kind, "_Group": run.group, ABOUT: run.about}
    storage.bulk_log(project, run.name, logs[keep:], steps[keep:], config=told, run_id=run.id)


@cache
def library(place: Path) -> Any:
    """Trackio reads the folder of its databases from the environment, once."""
    os.environ["TRACKIO_DIR"] = str(place)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from trackio.sqlite_storage import SQLiteStorage

    return SQLiteStorage
