"""What commands remember in a store, and what attempts say of themselves, written by another user: read as nothing, or
as what it can be; never a traceback, and never waited for.
"""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.store import finished_store
from winsweep import earlier_tables, inspection, logs, remarks, results, retention, training_log
from winsweep.attempt import arrays
from winsweep.check import early
from winsweep.costs import eta, findable
from winsweep.errors import BadData
from winsweep.slurm import halt, held, reconcile
from winsweep.store import damage, lookup
from winsweep.store.fingerprint import Fingerprints
from winsweep.store.store import Store
from winsweep.watch import hours, look
from winsweep.workspace import Workspace

from .forged import BYTES, SPECIAL, special

FORGED = BYTES | {
    "1e999": b"1e999",
    "nan": b"nan",
    "-1": b"-3",
    "table": b"model,task\n\0,\xff\n",
    "of wrong types": json.dumps({
        **{name: [1] for name in ("label", "found", "keys", "study", "stage", "digest", "inputs", "name", "cells")},
        "done": 1e400, "total": -1, "begun": "x", "x": {"findings": 3}, "y": [], "step": 1e400, "loss": 1e400,
    }).encode(),
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return finished_store.make(tmp_path_factory.mktemp("memories"))


def readers(of: Workspace) -> list[tuple[str, Callable[[Path], Any], Callable[[Any], bool]]]:
    """Place in the store, what reads it, and whether what that gives is right where nothing can be read."""
    store, key = of.store, next(a.key for a in of.order if a.stage == "finetune")
    root, work = store.root, f".work/{key}"
    is_empty = lambda found: not found
    return [
        (".cache/digests.json", lambda at: Fingerprints(at).known, is_empty),
        (f".cache/{inspection.CACHE}", inspection._known, is_empty),
        (".cache/checks.json", lambda _: early._remembered(of), is_empty),
        (".cache/shares.json", lambda _: remarks._known(of, {}), lambda found: isinstance(found, dict)),
        (".cache/max_array_tasks", lambda _: reconcile.max_tasks(of, 1), lambda num: num > 0),
        (".work/arrays/looked", lambda _: held._noted(root, "looked"), lambda at: 0 <= at <= time.time()),
        (".work/arrays/0123456789ab/map.json", lambda _: logs.early(root, key), is_empty),
        (
            ".work/arrays/0123456789ab/finalizer.json",
            lambda _: look.retry_command(of),
            lambda said: "--cluster" not in said,
        ),
        (".work/halted/kept.json", lambda _: halt.reason(store, "kept"), lambda said: said == "why cannot be read"),
        (".work/damaged-judge-x-0123456789ab.json", lambda at: damage.found_in(at.with_suffix("")), len),
        (f"{work}/progress.json", lambda _: eta.share_done(of, key), lambda told: told == (0.0, 0.0)),
        (f"{work}/progress.json", lambda _: training_log.num_steps(store, key), is_empty),
        (f"{work}/spec.json", lambda at: hours._placed(hours.read(at)), lambda num: num >= 0),
        (f"{work}/spec.json", lambda at: retention._spec(at.parent), is_empty),
        (f"{work}/spec.json", lambda at: list(lookup.labels(at.parent)), lambda found: all(map(str.strip, found))),
        (f"{work}/label", lambda at: list(lookup.labels(at.parent)), lambda found: all("/" not in n for n in found)),
        (f"{work}/state-000001/log.jsonl", training_log.rows, lambda rows: all(isinstance(r, dict) for r in rows)),
        (f"{work}/state-000001/log.jsonl", lambda at: training_log.read_on(at, training_log.Steps()).steps, is_empty),
        ("results/kept.plans.json", lambda _: earlier_tables.lines(of), is_empty),
        ("results/kept.csv", lambda _: results.is_current(of, set(results.judged(of))), lambda told: told is False),
        ("results/kept.csv", lambda at: list(retention._named(at)), is_empty),
        ("results/kept.instructions.json", findable._seen, is_empty),
    ]


NUM = 22


@pytest.mark.parametrize("num", range(NUM))
def test_what_others_left_is_read_as_nothing_and_not_waited_for(num, made, tmp_path):
    copy = finished_store.copied(made, tmp_path / "runs")
    place, read, is_right = readers(replace(made, store=Store(copy)))[num]
    at = copy / place
    for name in (*FORGED, *SPECIAL):
        at.parent.mkdir(parents=True, exist_ok=True)
        if at.is_dir() and not at.is_symlink():
            at.rmdir()
        at.unlink(missing_ok=True)
        at.write_bytes(FORGED[name]) if name in FORGED else special(name, at)
        found = read(at)
        assert is_right(found), (name, found)


@pytest.mark.parametrize("name", FORGED)
def test_a_damaged_file_of_an_array_is_told_with_what_to_do(name, tmp_path):
    folder = tmp_path / ".work/arrays/0123456789ab"
    folder.mkdir(parents=True)
    (folder / "map.json").write_bytes(FORGED[name])
    with pytest.raises(BadData, match=r"map\.json: found what winsweep does not write there; once squeue .*, remove "):
        arrays.open_arrays(tmp_path)


@pytest.mark.parametrize("said", [b"\0", b"[" * 100_000, b"\xff\xfe", b"half", b"5"])
def test_damaged_specs_of_an_array_are_told(said, tmp_path):
    (tmp_path / "specs.jsonl").write_bytes(said + b"\n")
    for read in (arrays.all_told, lambda folder: arrays.specs_of(folder, 0)):
        with pytest.raises(BadData, match=r"specs\.jsonl: found what winsweep does not write there"):
            read(tmp_path)


def test_an_array_whose_job_cannot_be_read_is_found_by_its_name(tmp_path):
    folder = tmp_path / ".work/arrays/0123456789ab"
    folder.mkdir(parents=True)
    (folder / "map.json").write_text('{"keys": [["judge/0123456789ab"]], "at": 5.0}')
    (folder / "job.json").write_bytes(b"\0\xff")
    assert [array.job for array in arrays.open_arrays(tmp_path)] == [None]
