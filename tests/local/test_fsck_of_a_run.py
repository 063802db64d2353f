"""fsck has nothing to say of a store that a study really ran in, also beside one that runs."""

import subprocess
import sys

import pytest

from tests.local.conftest import ROOT, Bench
from winsweep.fsck import whole
from winsweep.store.store import Store


def test_a_store_that_a_study_ran_in_is_sound(finished: Bench):
    assert whole.check(Store(finished.store), 2).findings == []


@pytest.mark.long
def test_a_store_is_sound_at_any_moment_of_a_run(bench: Bench):
    running, looks = bench.start(), 0
    try:
        while running.poll() is None:
            if (bench.store / "store.json").exists():
                assert whole.check(Store(bench.store), 1).findings == []
                looks += 1
    finally:
        running.kill()
        running.communicate()
    done = subprocess.run([sys.executable, ROOT / "launch/fsck.py", bench.store], capture_output=True, text=True)
    assert looks and done.returncode == 0 and "sound" in done.stdout
