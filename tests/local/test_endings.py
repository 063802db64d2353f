"""However an attempt ends, at whatever stage: on this machine it is tried a few times at most, the loop ends, and the
reason is told.
"""

import errno

import pytest

from tests.core.faulty import FAULTS, check, checkout, every, rotated, use, workspace_of
from tests.local.conftest import ROOT
from winsweep import layout
from winsweep.attempt import endings, history
from winsweep.attempt.ranks import RankRegistry
from winsweep.attempt.retry import PASSING
from winsweep.cluster_file import read_cluster
from winsweep.local.controller import drive
from winsweep.store import disk


def run_to_the_end(tmp_path, monkeypatch, pairs):
    workspace = workspace_of(tmp_path, pairs)
    placements = read_cluster(layout.STAGES, ROOT / "slurm/clusters/local.yaml", workspace.need.stages).placements
    use(monkeypatch, checkout(tmp_path / "code"))
    _, items = drive(workspace, placements, 4, False, lambda run, items: None)
    assert {i.state for i in items} == {"failed"}
    check(workspace)


@pytest.mark.timeout(300)
def test_every_fault_ends_the_loop_with_its_reason(tmp_path, monkeypatch):
    run_to_the_end(tmp_path, monkeypatch, rotated())


@pytest.mark.long
@pytest.mark.timeout(900)
def test_every_fault_at_every_stage_ends_the_loop_with_its_reason(tmp_path, monkeypatch):
    run_to_the_end(tmp_path, monkeypatch, every())


@pytest.mark.parametrize("blocker", ["logs", "spec.json"])
def test_an_attempt_that_cannot_begin_is_not_tried_for_ever(tmp_path, monkeypatch, blocker):
    workspace = workspace_of(tmp_path, [("prepare", "key")])
    work = workspace.store.work(workspace.order[0].key)
    work.mkdir(parents=True)
    if blocker == "logs":
        (work / "logs").write_text("")  # it dies before it can claim anything
    else:
        (work / "spec.json" / "x").mkdir(parents=True)  # it cannot be told what to do
    placements = read_cluster(layout.STAGES, ROOT / "slurm/clusters/local.yaml", workspace.need.stages).placements
    use(monkeypatch, checkout(tmp_path / "code"))
    run, items = drive(workspace, placements, 1, False, lambda run, items: None)
    assert [i.state for i in items] == ["failed"] and ": " in items[0].why and run.num_started <= 3


def test_an_attempt_that_a_person_ends_does_not_count_although_it_had_to_be_killed(tmp_path, monkeypatch):
    """It does not hear SIGTERM, as one that loads a large model. The next one, which nobody ends, counts."""
    monkeypatch.setitem(
        FAULTS,
        "deaf",
        "import time; signal.signal(signal.SIGTERM, signal.SIG_IGN); (job.out / 'deaf').touch(); time.sleep(60)",
    )
    workspace = workspace_of(tmp_path, [("prepare", "deaf")])
    (key,) = (a.key for a in workspace.order)
    placements = read_cluster(layout.STAGES, ROOT / "slurm/clusters/local.yaml", workspace.need.stages).placements
    use(monkeypatch, checkout(tmp_path / "code"))

    def interrupt(run, items) -> None:
        if (workspace.store.work(key) / "out-000001/deaf").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive(workspace, placements, 1, False, interrupt)
    assert workspace.store.end_of(key, 1) is None and history.over(workspace.store, key) == []
    monkeypatch.setitem(FAULTS, "deaf", "raise KeyError('field')")
    use(monkeypatch, checkout(tmp_path / "mended"))
    _, items = drive(workspace, placements, 1, False, lambda run, items: None)
    assert [i.state for i in items] == ["failed"] and "application: KeyError" in items[0].why


@pytest.mark.parametrize(
    "error",
    [
        *(OSError(code, "what a disk says") for code in disk.PASSING),
        RuntimeError("Error while serializing: I/O error: Read-only file system (os error 30)"),
        ImportError("cannot import name 'zero' from 'winsweep'", name="winsweep"),
        ModuleNotFoundError("No module named 'winsweep.zero'", name="winsweep.zero"),
        FileNotFoundError(errno.ENOENT, "no such file", "STORE/.work/finetune/x/log.jsonl"),
    ],
    ids=str,
)
def test_what_a_disk_says_that_is_full_or_fails_or_is_away_is_tried_again(tmp_path, error):
    if isinstance(error, FileNotFoundError):
        error.filename = error.filename.replace("STORE", str(tmp_path))
    kind = endings.reason_of(error, tmp_path / ".work/finetune/x", RankRegistry(tmp_path, "t"))["kind"]
    assert kind == "disk" and kind in PASSING


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "no such file", "/elsewhere/rows.jsonl"),
        RuntimeError("not found (os error 2)"),
        ImportError("no", name="a_package_that_nobody_has"),
    ],
    ids=str,
)
def test_what_no_disk_says_is_not(tmp_path, error):
    assert endings.reason_of(error, tmp_path / ".work/finetune/x", RankRegistry(tmp_path, "t"))["kind"] == "application"
