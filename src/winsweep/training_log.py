"""The log of a finetune, `log.jsonl`: where it lies while the run goes on and afterwards, its steps read on from where
one was, and how they are told.
"""

import itertools
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from winsweep.artifact import Artifact
from winsweep.paths import unlinked_opener
from winsweep.store import small_files
from winsweep.store.store import Store

NAME = "log.jsonl"
MOST_BYTES = 4 << 20  # of a log that are read at once: the newest
BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Step:
    """A line of the log: an optimizer step, or with `eval_loss` the loss over held-out rows after it."""

    step: int
    loss: float | None = None  # mean over the examples of the step, nats
    lr: float | None = None
    tokens_per_s: float | None = None
    eval_loss: float | None = None  # mean over the tokens of the held-out rows, nats


@dataclass(frozen=True)
class Steps:
    """What was read of a log so far."""

    steps: tuple[Step, ...] = ()
    end: int = 0  # bytes that were read
    file: int = 0  # which file that was: an attempt that goes on from a checkpoint puts another one there


def path_of(store: Store, key: str, made: Path | None = None) -> Path | None:
    """Where the log of a finetune lies: in the state of the attempt that runs or was the last, else in its result,
    whatever the study that made it called that (`made`, where a caller knows it); None where there is none.
    """
    stage, _, digest = key.partition("/")
    if stage != "finetune":
        return None
    if found := max(store.work(key).glob(f"state-*/{NAME}"), default=None):
        return found
    made = made or next((store.root / stage).glob(f"*-{digest}"), None)
    return made / NAME if made and (made / NAME).is_file() else None


def rows(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a log as they were written, up to the first that is none; none where it is gone."""
    found: list[dict[str, Any]] = []
    try:
        with open(path, "rb", opener=unlinked_opener) as file:
            for line in iter(lambda: file.readline(MOST_BYTES), b""):
                row = json.loads(line) if line.endswith(b"\n") else None
                if not isinstance(row, dict):
                    break
                found.append(row)
    except (OSError, ValueError, RecursionError):
        pass
    return found


def num_steps(store: Store, key: str) -> int | None:
    """Steps of the whole run, as the attempt that runs says; None where none has said."""
    total = (small_files.mapping(store.work(key) / "progress.json") or {}).get("total")
    return total if small_files.is_count(total) else None


def read_on(path: Path, before: Steps) -> Steps:
    """What stood in `before` and what was written since; all of it anew where the file is another one."""
    try:
        with open(path, "rb", opener=unlinked_opener) as file:
            stat = os.fstat(file.fileno())
            same = before.file == stat.st_ino and stat.st_size >= before.end
            begin = max(before.end if same else 0, stat.st_size - MOST_BYTES)
            file.seek(begin)
            data = file.read(MOST_BYTES)
    except OSError:  # gone, or no file
        return before
    whole = data[: data.rfind(b"\n") + 1]
    found = tuple(step for line in whole.splitlines() if (step := parse(line)))
    return Steps((before.steps if same else ()) + found, begin + len(whole), stat.st_ino)


def parse(line: bytes) -> Step | None:
    """The step of a line; None for one that is no step, such as the half of one."""
    try:
        row = json.loads(line)
        return Step(int(row["step"]), *(_number(row, name) for name in ("loss", "lr", "tokens_per_s", "eval_loss")))
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
        return None


def _number(row: Mapping, name: str) -> float | None:
    return float(row[name]) if row.get(name) is not None else None


def words(step: Step, total: int | None = None) -> str:
    """A step as a person reads it."""
    said = [f"step {step.step:,}{f' of {total:,}' if total else ''}"]
    said += [f"loss {step.loss:.4g}"] if step.loss is not None else []
    said += [f"held-out loss {step.eval_loss:.4g}"] if step.eval_loss is not None else []
    said += [f"lr {step.lr:.2g}"] if step.lr is not None else []
    said += [f"{step.tokens_per_s:,.0f} tokens/s"] if step.tokens_per_s is not None else []
    return "  ".join(said)


def text(store: Store, artifact: Artifact, steps: Sequence[Step]) -> list[str]:
    """Lines that tell these steps of a finetune, the numbers under each other."""
    total = num_steps(store, artifact.key)
    return [words(step, total) for step in steps]


def last(steps: Sequence[Step]) -> Step | None:
    """How the run stands: its last step, with the last loss over held-out rows."""
    trained = next((s for s in reversed(steps) if s.loss is not None), None)
    held_out = next((s.eval_loss for s in reversed(steps) if s.eval_loss is not None), None)
    return trained and Step(trained.step, trained.loss, trained.lr, trained.tokens_per_s, held_out)


def thinned(losses: Sequence[float], num: int) -> list[float]:
    """At most `num` means of neighbours, in their order."""
    if len(losses) <= num:
        return list(losses)
    ends = [round(n * len(losses) / num) for n in range(num + 1)]
    return [sum(losses[a:b]) / (b - a) for a, b in itertools.pairwise(ends)]


def sparkline(losses: Sequence[float], num: int) -> str:
    """The losses one after the other in at most `num` signs, the highest at the top; a gap for what is no number."""
    shown = thinned(losses, num) if num > 0 else []
    finite = [x for x in shown if math.isfinite(x)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    top = len(BARS) - 1
    return "".join(BARS[round((x - low) / ((high - low) or 1.0) * top)] if math.isfinite(x) else " " for x in shown)
