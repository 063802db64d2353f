"""Imports of many modules: what is left out is not needed, and what was changed for a moment is as before."""

import gc
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.store.test_many import counted
from winsweep import layout
from winsweep.attempt import warm
from winsweep.store import provenance

TOLD = """
import gc, inspect, json, sys
from winsweep.attempt import warm
before = inspect.getmodule
warm.import_for("finetune")
import torch
told = {"inductor": "torch._inductor.compile_fx" in sys.modules,
        "tuner": "mlflow" in sys.modules, "muon": "deepspeed.runtime.zero.muon.muon_optimizer" in sys.modules,
        "compiles": torch.compile.__module__, "getmodule": inspect.getmodule is before,
        "collects": gc.isenabled(), "frozen": gc.get_freeze_count()}
print(json.dumps(told))
"""


def test_a_finetune_imports_no_compiler_and_leaves_everything_as_it_was(root):
    done = subprocess.run(
        [sys.executable, "-c", TOLD],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root / "src")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told.pop("frozen") > 10_000
    assert told == {
        "inductor": False,
        "tuner": False,
        "muon": True,
        "compiles": "torch",
        "getmodule": True,
        "collects": True,
    }


def test_a_frame_is_given_the_module_that_a_search_finds():
    frame = sys._getframe()
    searched = inspect.getmodule(frame)
    with warm.frames_know_their_modules():
        assert inspect.getmodule(frame) is searched is sys.modules[__name__]
        assert inspect.getmodule(Path) is sys.modules[Path.__module__]
    alone = eval("__import__('sys')._getframe()", {"__name__": "nowhere"})
    with warm.frames_know_their_modules():
        inside = inspect.getmodule(alone)
    assert inside is inspect.getmodule(alone)


def test_garbage_is_searched_again_after_imports_that_fail():
    with pytest.raises(ImportError), warm.no_garbage():  # noqa: PT012  # what holds inside is the point
        assert not gc.isenabled()
        import winsweep.does_not_exist  # noqa: F401
    assert gc.isenabled()


def test_slow_imports_are_those_of_stages_that_exist():
    for stage, module in warm.SLOW.items():
        text = (layout.JOBS / f"{stage}.py").read_text()
        package, _, name = module.rpartition(".")
        assert f"from {module} import" in text or f"from {package} import {name}" in text, (
            f"jobs/{stage}.py does not import {module}"
        )


def test_what_is_hidden_can_be_imported_afterwards(monkeypatch):
    monkeypatch.setattr(warm, "UNUSED", ("wave", "json"))
    sys.modules.pop("wave", None)
    with warm.unused_left_out():
        assert sys.modules["json"] is json, "what is there already stays"
        with pytest.raises(ImportError):
            import wave
    import wave  # noqa: F401


def test_a_process_asks_git_and_the_packages_once():
    provenance.of_process.cache_clear()
    with counted() as first:
        told = provenance.circumstances()
    with counted() as second:
        assert provenance.circumstances() == told
    assert first["open"] > 10 and not second["subprocess.Popen"] and second["open"] == 0
