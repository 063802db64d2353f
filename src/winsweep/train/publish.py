"""What a finished run leaves: the weights in shards, its log, and train.json, which is written last."""

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

from winsweep import keys
from winsweep.errors import Incomplete
from winsweep.store.manifest import write_atomic
from winsweep.text.encode import Example
from winsweep.train import engine as engines
from winsweep.train.batch_schedule import BatchSchedule
from winsweep.train.checkpoint import LOG, NOTES, steps_of
from winsweep.train.consolidate import write_shards
from winsweep.train.engine import Engine
from winsweep.train.example_file import ExampleFile
from winsweep.train.loss import num_targets
from winsweep.train.rank_group import RankGroup


def publish(engine: Engine, schedule: BatchSchedule, hub_name: object, out: Path, work: Path, group: RankGroup) -> None:
    """Fill `out` from the trained engine, with all that is trained; called by every rank. `hub_name` is the base's
    there, if it has one. Incomplete unless every step was taken and logged.
    """
    done = engine.global_steps
    lines = group.first(lambda: sum(1 for _ in steps_of(work / LOG)))
    if not done == lines == schedule.num_steps:
        raise Incomplete(
            f"{work}: {done} steps taken, {lines} in the log; {schedule.num_steps} are legal; run it again"
        )
    shards = write_shards(engine, out, dtype := engines.dtype_of(schedule.recipe), group)
    shapes = engines.shapes(engine)
    facts = {
        "steps": done,
        "num_steps": schedule.num_steps,
        "num_examples": len(schedule.examples),
        "num_examples_without_targets": _num_without_targets(schedule.examples),
        "shards": shards,
        "dtype": str(dtype).removeprefix("torch."),
        "num_parameters": sum(map(math.prod, shapes.values())),
    }
    if schedule.recipe.lora:
        facts |= {
            "lora": keys.plain(schedule.recipe.lora),
            "base": hub_name,
            "precision": schedule.recipe.precision,
        }
    group.first(lambda: _finish(facts, out, work))


def _num_without_targets(examples: Sequence[Example]) -> int:
    """None of a file, which holds what can be learned from alone (see Encoding.kept)."""
    return 0 if isinstance(examples, ExampleFile) else sum(num_targets(example) == 0 for example in examples)


def _finish(facts: dict, out: Path, work: Path) -> None:
    shutil.copyfile(work / LOG, out / LOG)
    write_atomic(out / "train.json", json.dumps(facts | {"notes": notes(work)}, indent=1).encode())


def notes(work: Path) -> list[str]:
    """From which checkpoints the run went on, and what of them was changed or passed over."""
    found = work / NOTES
    return found.read_text(encoding="utf-8").splitlines() if found.exists() else []
