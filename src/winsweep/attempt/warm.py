"""Which modules a stage is slow to import, and how what is made in bulk and stays (modules, the artifacts of a study)
is made in less time.
"""

import gc
import importlib
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, ModuleType

SLOW = {
    "pretrain": "winsweep.train.pretrain",
    "check": "winsweep.check.model",
    "finetune": "winsweep.train.finetune",
    "collect": "winsweep.train.collect",
    "generate": "winsweep.generate.greedy",
    "rank": "winsweep.analysis.ranking",
    "aggregate": "winsweep.stats.table",
}
# for deepspeed's tuner, and a third of the time of a finetune's imports
UNUSED = ("mlflow",)


def import_for(*stages: str) -> None:
    """Import what these stages would import in their first second; a stage that is not in SLOW imports what it needs by
    itself.
    """
    wanted = [SLOW[s] for s in stages if s in SLOW and SLOW[s] not in sys.modules]
    if wanted:
        with no_garbage(), frames_know_their_modules(), unused_left_out():
            for name in wanted:
                importlib.import_module(name)


@contextmanager
def no_garbage() -> Iterator[None]:
    """Nothing is searched for garbage inside, and what was made inside never will be, for as long as it is in use.

    A quarter of the time of large imports goes that way otherwise, and a third of that of naming the artifacts of
    10,000 cells. That modules are left alone later also keeps their memory shared with forked children.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was:
            gc.enable()


@contextmanager
def unused_left_out() -> Iterator[None]:
    """What libraries import where it is installed, and nothing here uses, cannot be imported inside."""
    hidden = [name for name in UNUSED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: no such module
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def frames_know_their_modules() -> Iterator[None]:
    """`inspect.getmodule` of a frame answers at once inside, instead of comparing the files of all modules.

    torch asks it for every custom operator that is registered, only to say in an error where that was; each time it
    resolves the paths of all modules that are new: 29,000 of the 71,000 file-system calls of a finetune's imports,
    which a shared disk has to answer.
    """
    search = inspect.getmodule

    def getmodule(of: object, file: str | None = None) -> ModuleType | None:
        known = sys.modules.get(of.f_globals.get("__name__", "")) if isinstance(of, FrameType) else None
        return known or search(of, file)

    inspect.getmodule = getmodule  # type: ignore[assignment]  # differs in the names of its parameters alone
    try:
        yield
    finally:
        inspect.getmodule = search
