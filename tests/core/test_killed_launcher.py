"""What a call finds that comes after a launcher which was killed, on a cluster that is pretended."""

import shutil

import pytest

from tests.core.pretended import STUDY, Pretended

pytestmark = pytest.mark.skipif(
    shutil.which("srun") is None, reason="submitit wants srun on the PATH to write a script"
)


@pytest.mark.parametrize("kill", ["9", "before the update", "after the update", "10"])
def test_a_launcher_finds_what_one_that_was_killed_after_its_last_array_left_undone(tmp_path, kill):
    """The finalizer waits for its time alone, or there is no watchdog yet; then a call changes nothing any more."""
    cluster = Pretended(tmp_path, 99)
    cluster.sweep(-9, KILL=kill)
    everything = [
        ("finalizer", 1),
        ("pretrain", 1),
        ("prepare", 3),
        ("check", 1),
        ("finetune+collect", 6),
        ("generate", 6),
        ("judge", 6),
    ]
    assert cluster.jobs() == everything and cluster.queue["100"]["begin"] == (
        "now+180" if kill in ("9", "before the update") else "now"
    )
    for _ in range(2):
        assert "0 arrays submitted" in cluster.sweep() and cluster.jobs() == everything
        assert (
            cluster.queue["100"]["begin"] == "now"
            and cluster.queue["100"]["after"].count("afterany:") == len(cluster.work) - 1
        )
        assert len(cluster.queue) == len(cluster.work) + 1
        before = cluster.queue
    calls = (tmp_path / "calls").read_text().splitlines()
    cluster.sweep()
    assert (
        cluster.queue == before
        and [c for c in (tmp_path / "calls").read_text().splitlines()[len(calls) :] if not c.startswith("squeue")] == []
    )


def test_a_finalizer_that_was_to_be_replaced_when_the_launcher_was_killed_goes(tmp_path):
    cluster = Pretended(tmp_path, 99)
    cluster.sweep()
    (tmp_path / "study.yaml").write_text(STUDY.replace("[1, 2, 3]", "[1, 2, 3, 4]"))
    cluster.sweep(-9, KILL="after the update")
    assert ("finalizer", 2) in cluster.jobs()
    assert "0 arrays submitted" in cluster.sweep() and ("finalizer", 1) in cluster.jobs() and "100" not in cluster.queue
