"""What is done about a task that SLURM holds, asked of scripts that answer as SLURM's commands do; and how often the
queue is looked at.
"""

import os

import pytest

from winsweep.artifact import Artifact
from winsweep.attempt import arrays, history
from winsweep.attempt import spec as specs
from winsweep.placement import Placement
from winsweep.slurm import held, queue
from winsweep.store.store import Store

LINE = "7_0|winsweep.judge.{token}|{state}|{reason}||0:00|10:00"
SLURMS = [
    ("PENDING", "launch failed requeued held"),
    ("PENDING", "launch_failed_requeued_held"),
    ("PENDING", "job requeued in held state"),
    ("PENDING", "JobHeldAdmin"),
    ("PENDING", "JobHoldMaxRequeue"),
    ("REQUEUE_HOLD", "None"),
    ("SPECIAL_EXIT", "job requeued in held state"),
]
FREE = [
    ("PENDING", "Priority"),
    ("PENDING", "Dependency"),
    ("PENDING", "DependencyNeverSatisfied"),
    ("RUNNING", "None"),
    ("PENDING", "BeginTime"),
]


class Desk:
    """A store with an array of one task, and commands that note how they were called and answer `said`."""

    def __init__(self, folder, monkeypatch) -> None:
        self.log, self.store = folder / "calls", Store(folder / "runs").open()
        for name in ("scontrol", "scancel"):
            (folder / name).write_text(
                f'#!/bin/bash\necho {name} "$@" >> {self.log}\n[ -e {folder}/deny ] && [ {name} = scontrol ] && '
                'echo "slurm_update error: Access/permission denied" >&2 && exit 1\nexit 0\n'
            )
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        self.made = Artifact("judge", 1, "a", {})
        told = specs.make(self.made, self.store.root, folder / "s.yaml", {}, Placement())
        self.array_folder, self.name = arrays.open_folder(self.store.root, "judge", [[self.made.key]], [[told]])
        arrays.know(self.array_folder, "7")

    def release_or_cancel(self, state: str = "PENDING", reason: str = "JobHeldAdmin") -> list[str]:
        """The commands that one look gives."""
        self.log.write_text("")
        task = queue.parse(LINE.format(token=self.array_folder.name, state=state, reason=reason))
        held.release_or_cancel(self.store, queue.pairs(arrays.open_arrays(self.store.root), [task]))
        return self.log.read_text().splitlines()

    def publish(self) -> None:
        (self.store.root / self.made.name).mkdir(parents=True)


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


@pytest.mark.parametrize(("state", "reason"), SLURMS)
def test_what_slurm_holds_is_released_three_times_and_then_counts_as_lost(desk, state, reason):
    assert [desk.release_or_cancel(state, reason) for _ in range(4)] == [["scontrol release 7_0"]] * 3 + [
        ["scancel 7_0"]
    ]
    (end,) = history.ends(desk.store, desk.made.key)
    assert end.kind == "lost" and reason in end.reason and history.failures(desk.store, [desk.made.key]) == {}
    for turn in (2, 3):  # of an array each, as it is planned anew
        history.lose(desk.store, desk.made.key, f"{turn}_0", end.reason)
    assert reason in history.failures(desk.store, [desk.made.key])[desk.made.key]


@pytest.mark.parametrize(("state", "reason"), FREE)
def test_what_waits_or_runs_is_left_alone(desk, state, reason):
    desk.publish()
    assert desk.release_or_cancel(state, reason) == []


def test_what_a_person_holds_waits_for_that_person_until_its_results_are_there(desk):
    assert [desk.release_or_cancel(reason="JobHeldUser") for _ in range(5)] == [[]] * 5
    desk.publish()
    assert desk.release_or_cancel(reason="JobHeldUser") == ["scancel 7_0"]


@pytest.mark.parametrize(("state", "reason"), SLURMS)
def test_a_held_task_whose_results_are_there_is_cancelled(desk, state, reason):
    desk.publish()
    assert desk.release_or_cancel(state, reason) == ["scancel 7_0"] and history.ends(desk.store, desk.made.key) == []


def test_what_an_administrator_does_not_let_go_fails_with_the_reason(desk, tmp_path):
    (tmp_path / "deny").touch()
    assert [desk.release_or_cancel() for _ in range(4)][-1] == ["scancel 7_0"]
    why = history.failures(desk.store, [desk.made.key])[desk.made.key]
    assert why.startswith("held: ") and "permission denied" in why and "JobHeldAdmin" in why


def test_a_finalizer_is_released_for_as_long_as_it_is_held(desk):
    desk.array_folder, _ = arrays.open_folder(desk.store.root, "finalizer", [["finalizer/study"]])
    assert [desk.release_or_cancel() for _ in range(9)] == [["scontrol release 7_0"]] * 9


def test_a_release_that_comes_too_late_is_no_error(desk, tmp_path):
    (tmp_path / "scontrol").write_text(
        "#!/bin/bash\necho 'slurm_update error: Job/step already completing or completed' >&2\nexit 1\n"
    )
    assert [desk.release_or_cancel() for _ in range(5)] == [[]] * 5 and history.ends(desk.store, desk.made.key) == []


def test_looks_are_rarer_the_longer_nothing_happens(desk, monkeypatch):
    root, now = desk.store.root, [1000.0]
    monkeypatch.setattr(held.time, "time", lambda: now[0])
    held.mark_changed(root)
    waits = []
    for _ in range(9):
        waits.append(held.wait_s(root))
        now[0] += waits[-1]
    assert waits == [30, 30, 60, 120, 240, 480, 900, 900, 900]
    held.mark_changed(root)
    assert held.wait_s(root) == 30
