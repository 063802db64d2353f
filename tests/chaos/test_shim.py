"""The library that plays faults plays them."""

import os
import subprocess
import sys
import time

import pytest

from tests.chaos.shim import build_shim

SLEEPS = "import threading, time; time.sleep(0.01); threading.Event().wait(0.01); print(time.time())"


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_clock_that_is_off_is_off_and_still_measures(tmp_path, seconds):
    if not build_shim(tmp_path):
        pytest.skip("no C compiler")
    env = {**os.environ, "LD_PRELOAD": str(tmp_path / "shim.so"), "CHAOS_CLOCK": str(seconds)}
    began = time.time()
    done = subprocess.run([sys.executable, "-c", SLEEPS], env=env, capture_output=True, text=True, check=True)
    assert began <= float(done.stdout) - seconds <= time.time()
