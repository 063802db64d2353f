"""How many GPU-hours a study took so far."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from winsweep.costs.eta import Records
from winsweep.placement import num_gpus
from winsweep.plan import Item
from winsweep.store import small_files
from winsweep.workspace import Workspace

STAGES = ("pretrain", "finetune", "collect", "generate", "judge", "rank", "drift", "containment")  # that may have GPUs


class Hours:
    """The GPU-hours of finished results, each of whose records is read once, and of what runs."""

    def __init__(self, workspace: Workspace, records: Records) -> None:
        self.workspace, self.records = workspace, records
        self.mine = {a.key for a in workspace.order if a.stage in STAGES}
        self.done: dict[str, float] = {}
        self.gpus: dict[str, int] = {}  # of attempts that run
        self.on_cpu: set[str] = set()  # stages whose results were made on CPUs, whatever their placement says

    def so_far(self, items: Sequence[Item], shares: Mapping[str, tuple[float, float]]) -> float:
        """GPU-hours now; `shares` has the seconds for which each attempt has run."""
        finished = self.mine - {i.artifact.key for i in items if i.state != "done"}
        if new := finished - self.done.keys():
            self.records.refresh()
            self.done |= {key: self._hours(key, self.records.of(key) or {}) for key in new}
        now = sum(self._gpus(key) * running_s / 3600 for key, (_, running_s) in shares.items())
        return sum(self.done[key] for key in finished) + now

    def _hours(self, key: str, record: Mapping[str, Any]) -> float:
        if record.get("device", "cpu") == "cpu":
            self.on_cpu.add(key.partition("/")[0])
            return 0.0
        return _placed(record) * record.get("seconds", 0.0) / 3600

    def _gpus(self, key: str) -> int:
        if key.partition("/")[0] in self.on_cpu:
            return 0
        if key not in self.gpus:
            self.gpus[key] = _placed(read(self.workspace.store.work(key) / "spec.json"))
        return self.gpus[key]


def _placed(told: Mapping[str, Any]) -> int:
    """GPUs of an attempt, by its spec or its record."""
    try:
        return num_gpus(told.get("placement", {}))
    except (AttributeError, TypeError, ValueError, OverflowError):  # anybody may have written it
        return 0


def read(path: Path) -> dict[str, Any]:
    """What a JSON file says; nothing where it is not there, or not whole."""
    return small_files.mapping(path, small_files.LARGE_BYTES) or {}
