"""What a stage is given when it runs."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from winsweep.attempt import on_node
from winsweep.errors import BadData
from winsweep.placement import Placement
from winsweep.store.fingerprint import fingerprint
from winsweep.store.manifest import write_atomic


@dataclass(frozen=True)
class Job:
    """One attempt of one stage: fill `out`; `work` outlives attempts; inputs were verified before `run` was called."""

    name: str  # LABEL-DIGEST of the artifact
    params: Mapping[str, Any]  # what the stage's Want has, in JSON types
    inputs: Mapping[str, Path]
    out: Path
    work: Path
    placement: Placement
    files: Mapping[str, str] = field(default_factory=dict)
    store: Path = Path()  # the root of the store, for what its studies share beside artifacts
    limits: Mapping[str, Any] = field(default_factory=dict)  # as the stage's Want has them
    rank: int = 0
    num_ranks: int = 1
    meeting: Path = Path("meeting")  # where the ranks of this attempt find each other
    host: str = "127.0.0.1"  # what the other ranks call rank 0's machine
    report: Callable[[dict], None] = lambda _: None
    notes: dict = field(default_factory=dict)  # goes into the record of the artifact
    # entries for the manifest of files in `out` that the stage has synced and digested as it wrote them
    written: dict[str, dict] = field(default_factory=dict)
    # why this attempt was asked to end, if it was; poll it where a stop is cheap
    stopping: Callable[[], str | None] = lambda: None
    # ends this rank at once, from any thread, because a peer is lost for the reason given
    give_up: Callable[[str], None] | None = None

    def file(self, local: Mapping[str, str]) -> Path:
        """The local file whose content a parameter names, checked; BadData if it changed since the study was read."""
        path = Path(self.files[local["sha256"]])
        if not path.exists() or self._digest(path) != local["sha256"]:
            raise BadData(
                f"{path}: changed or gone since the study was read; run the sweep again to ask for the new content"
            )
        return path

    def _digest(self, path: Path) -> str:
        if self.num_ranks == 1:
            return fingerprint(path)
        return on_node.once(str(path), self.meeting.name, lambda: fingerprint(path))

    def base(self) -> tuple[str, str | None]:
        """Where the untrained model lies: a directory, or a hub id with its revision."""
        if "base" in self.inputs:
            return str(self.inputs["base"]), None
        source = self.params["base"]["source"]
        return (str(self.file(source)), None) if "sha256" in source else (source["hf_id"], source["revision"])

    def lora(self) -> Path | None:
        """The adapters that the model goes with, if it is finetuned by such."""
        return self.inputs.get("lora")

    def progress(self, done: int, total: int) -> None:
        """Tell whoever watches how far this attempt is; cheap enough for every step."""
        self.report({"done": done, "total": total})


def progress_file(path: Path, every_s: float = 0.5) -> Callable[[dict], None]:
    """A report that keeps `path` up to date, at most once per `every_s`, and always at the end."""
    last = [0.0]
    begun = time.time()

    def report(facts: dict) -> None:
        now = time.time()
        if now - last[0] >= every_s or facts["done"] == facts["total"]:
            last[0] = now
            write_atomic(path, json.dumps({**facts, "at": now, "begun": begun}).encode(), durable=False)

    return report
