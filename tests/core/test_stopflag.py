"""A signal ends an attempt whatever code it falls into: none may take it for a failure of its own."""

import contextlib
import json
import signal
import types

import pytest

from winsweep.attempt import attempt
from winsweep.attempt.endings import STOPPED
from winsweep.attempt.spec import Spec
from winsweep.attempt.stopflag import SIGNALS, StopFlag
from winsweep.errors import Stopped
from winsweep.graph import load
from winsweep.placement import Placement
from winsweep.store.store import Store

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


def test_what_fails_after_a_library_passed_over_a_signal_is_the_stop(flag):
    """As numpy's import does: it catches everything, and the next import of what is half loaded fails."""
    error = ImportError("cannot load module more than once per process")
    assert flag.cause(error) is error
    with contextlib.suppress(BaseException):
        signal.raise_signal(signal.SIGTERM)
    told = flag.cause(error)
    assert isinstance(told, Stopped) and told.kind == "stopped" and flag.cause(told) is told


def test_an_attempt_whose_library_passed_over_a_signal_ends_as_stopped(tmp_path, flag):
    """The stage catches everything, and fails then: the end record says what was asked, and no fault of the stage."""
    spec = Spec(str(tmp_path), "study.yaml", "prepare", 1, "x", "0123456789ab", {}, {}, {}, Placement())
    work = Store(tmp_path).open().work(spec.key)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attempt, "stage", lambda _: types.SimpleNamespace(run=swallowing))
        patch.delenv("SLURM_JOB_ID", raising=False)
        assert attempt.run(spec, 0, 1, "token", flag) == STOPPED
    (end,) = [json.loads(path.read_bytes()) for path in work.glob("ends/*.json")]
    assert end["kind"] == "stopped" and "cannot load" not in end["reason"]


def swallowing(_: object) -> None:
    with contextlib.suppress(BaseException):
        signal.raise_signal(signal.SIGTERM)
    raise ImportError("cannot load module more than once per process")


def test_a_signal_to_a_stage_that_polls_only_sets_the_flag(flag):
    assert flag.polled() is None
    signal.raise_signal(signal.SIGUSR2)
    assert flag.polled() == "time limit"
