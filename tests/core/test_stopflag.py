"""A signal ends an attempt whatever code it falls into: none may take it for a failure of its own."""

import signal

import pytest

from winsweep.attempt.stopflag import SIGNALS, StopFlag
from winsweep.errors import Stopped
from winsweep.graph import load

LOOP = "import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGTERM)\nexcept Exception:\n    pass\n"


@pytest.fixture
def flag():
    before = {signum: signal.getsignal(signum) for signum in SIGNALS}
    flag = StopFlag()
    flag.listen()
    yield flag
    for signum, handler in before.items():
        signal.signal(signum, handler)


def test_a_signal_while_a_file_is_loaded_is_no_fault_of_the_file(tmp_path, flag):
    (tmp_path / "broken_off.py").write_text(LOOP)
    with pytest.raises(Stopped) as told:
        load(tmp_path / "broken_off.py", "tests.signals")
    assert told.value.kind == "stopped"
    (tmp_path / "broken_off.py").write_text("whole = True\n")
    assert load(tmp_path / "broken_off.py", "tests.signals").whole  # nothing half loaded is remembered


def test_a_signal_to_a_stage_that_polls_only_sets_the_flag(flag):
    assert flag.polled() is None
    signal.raise_signal(signal.SIGUSR2)
    assert flag.polled() == "time limit"
