"""The training loop: from examples and a base model to weights, log and train.json, the same however often it was
interrupted.
"""

import errno
import hashlib
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

import torch

from winsweep import keys, zero
from winsweep.errors import NotFinite, Stopped
from winsweep.placement import Placement
from winsweep.store import folders
from winsweep.store.manifest import kept
from winsweep.study.recipe import Recipe, calmer
from winsweep.text.encode import Example
from winsweep.train import engine as engines
from winsweep.train.attention_choice import heard
from winsweep.train.attention_kernels import EACH
from winsweep.train.batch_schedule import BatchSchedule, check
from winsweep.train.checkpoint import LOG, steps_of
from winsweep.train.engine import Engine
from winsweep.train.example_file import digest_of, lengths_of
from winsweep.train.held_out import HeldOut, evaluate
from winsweep.train.publish import notes, publish
from winsweep.train.randomness import set_seeds
from winsweep.train.rank_group import RankGroup
from winsweep.train.resumption import LIBRARIES, resume
from winsweep.train.room import room
from winsweep.train.saver import Saver

BUDGET = "micro_tokens-{}.json"
STOPS = ("time limit", "preempted", "stopped")


def finetune(
    examples: Sequence[Example],
    base: str | Path,
    revision: str | None,
    recipe: Recipe,
    seed: int,
    *,
    placement: Placement,
    zero_config: dict,
    group: RankGroup,
    out: Path,
    work: Path,
    progress: Callable[[int, int], None],
    stopping: Callable[[], str | None] = lambda: None,
    stop_after_epochs: int | None = None,
    held_out: HeldOut | None = None,
) -> dict:
    """Train `base` on `examples` and fill `out`; called by every rank, returns notes for the record.

    `out`, empty and shared, gets the weights as safetensors shards with their index, log.jsonl, and last of all
    train.json; `work`, shared and kept between attempts, holds checkpoints: called again after any end, training goes
    on from the last, also with other ranks or another `zero_config`. `zero_config` comes from zero.read_zero;
    `progress(done, total)` is called on each rank after each step. Once `stopping()` gives a reason on any rank, all
    save after the step that they are in and raise Stopped; the last step is finished instead. `stop_after_epochs` ends
    the run there, with the schedule of all its epochs: its weights are those the whole run has at that point.
    `held_out` adds lines to the log and changes nothing else. An error of one rank is raised by all: NotFinite, OSError
    (disk full), BadData, Damaged, Incomplete, BadStudy.
    """
    config = zero.resolve(zero_config, recipe, group.num_ranks)
    check(examples, recipe)
    torch.set_num_threads(placement.threads)
    set_seeds(seed)
    group.first(lambda: folders.make(work))
    engine = engines.start(base, revision, recipe, config, group, placement.recompute, seed)
    with heard() as ways:
        why_not = engines.pack_or_not(engine, group)
    budget = _micro_tokens(engine, examples, placement, config, work, group)
    schedule = BatchSchedule(examples, recipe, seed, group.num_ranks, not why_not, budget, stop_after_epochs)
    _say(schedule, why_not, ways, group)
    set_seeds(seed + 1_000_003 * group.rank)  # dropout differs between ranks
    fit = _fit(schedule, base, revision, config, group)
    begin = resume(engine, work, fit, group)
    saver = Saver(engine, work, fit, placement, group)
    _train(engine, schedule, saver, begin, work, progress, stopping, group, held_out)
    publish(engine, schedule, base if revision else None, out, work, group)
    told = {"deepspeed": config, "packing": _packing(schedule, why_not, ways, out)}
    return told | {"checkpoints": saver.notes(), "resumed": notes(work)}


def _train(
    engine: Engine,
    schedule: BatchSchedule,
    saver: Saver,
    begin: int,
    work: Path,
    progress: Callable,
    stopping: Callable,
    group: RankGroup,
    held_out: HeldOut | None,
) -> None:
    """Take every step from `begin` on; Stopped, with all saved, once a rank is told to stop before the last one."""
    log = group.together(lambda: _open_log(work) if group.rank == 0 else None)
    for at in range(begin, schedule.num_steps):
        line = take_step(engine, schedule, at, group)
        group.together(partial(_report, line, schedule, log, progress))
        if held_out and held_out.is_due(at + 1, schedule.num_steps):
            found = evaluate(engine, held_out, schedule, at + 1, group)
            group.together(partial(_write, found, log))
        stop = _agreed(stopping(), group)
        if at + 1 < schedule.num_steps:
            saver.after(at + 1, bool(stop))
            if stop:
                raise Stopped(stop)
    saver.finish()
    if log:
        log.close()


def _packing(schedule: BatchSchedule, why_not: str, ways: set[str], out: Path) -> dict:
    """For the record: how steps were split, which share of the token slots that this took held tokens, and what kept
    packed examples apart.
    """
    num_tokens = num_slots = num_micro = 0
    for line in steps_of(out / LOG):
        num_tokens, num_slots = num_tokens + line["num_tokens"], num_slots + line["num_slots"]
        num_micro += line["num_micro"]
    split = {
        "micro_tokens": schedule.micro_tokens,
        "useful_share": round(num_tokens / num_slots, 4),
        "num_micro": num_micro,
    }
    return split | {"packed": not why_not} | ({"why_padded": why_not} if why_not else {"attention": _by(ways)})


def _say(schedule: BatchSchedule, why_not: str, ways: set[str], group: RankGroup) -> None:
    if group.rank == 0:
        how = f"padded, not packed, as {why_not}" if why_not else f"packed, their attention by {_by(ways)}"
        unused = schedule.recipe.num_unused(len(schedule.examples))
        left = (
            f"; the last {unused} rows of the last epoch are too few for a step (accumulate: across_epochs)"
            if unused
            else ""
        )
        print(
            f"{schedule.num_steps} steps{left}; examples are {how}; at most {schedule.micro_tokens} tokens in a "
            f"micro-batch",
            file=sys.stderr,
            flush=True,
        )


def _by(ways: set[str]) -> str:
    return " and ".join(sorted(ways)) or EACH


def _agreed(stop: str | None, group: RankGroup) -> str | None:
    """Why the rank group stops after this step: the gravest word that any rank was told, the same on all."""
    told = group.sum(*(stop == word for word in STOPS))
    return next((word for word, num in zip(STOPS, told) if num), None)


def _micro_tokens(
    engine: Engine, examples: Sequence[Example], placement: Placement, config: dict, work: Path, group: RankGroup
) -> int:
    """The placement's, or what the rank with the least memory has room for: found once for a layout, so that a later
    attempt splits alike.
    """
    if placement.micro_tokens:
        return placement.micro_tokens
    longest = int(lengths_of(examples).max())
    here = group.together(lambda: room(engine, placement.recompute, longest))
    least = min(group.gather(here))
    layout = json.dumps([group.num_ranks, config["zero_optimization"], placement.recompute], sort_keys=True)
    name = BUDGET.format(hashlib.sha256(layout.encode()).hexdigest()[:8])
    return group.first(lambda: kept(work / name, lambda: least))


def _fit(schedule: BatchSchedule, base: str | Path, revision: str | None, config: dict, group: RankGroup) -> dict:
    """What a checkpoint was made with: of this only the layout and the libraries may differ. The state does not depend
    on how a step is split.
    """
    recipe = schedule.recipe
    run = {
        "base": str(base),
        "revision": revision,
        "seed": schedule.seed,
        "examples": digest_of(schedule.examples),
        "recipe": keys.given(recipe) | ({"lora": keys.plain(recipe.lora)} if recipe.lora else {}),
    }
    return run | {
        "num_ranks": group.num_ranks,
        "zero_optimization": config["zero_optimization"],
        LIBRARIES: engines.libraries(),
    }


def take_step(engine: Engine, schedule: BatchSchedule, at: int, group: RankGroup) -> dict:
    """Take optimizer step `at` (0-based) and return its line of the log; NotFinite on all ranks if loss or gradient is
    not finite.
    """
    begun = time.perf_counter()
    step, lr = schedule.step(at), schedule.recipe.lr_at(at, len(schedule.examples))
    total, norm = engines.take_step(engine, schedule.batches(step, group.rank), schedule.recipe, step.num_rows, lr)
    total, norm = group.sum(total, norm / group.num_ranks)
    loss = total / step.num_rows
    if not (math.isfinite(loss) and math.isfinite(norm)):
        do = calmer(schedule.recipe) if at else "the base model made it, as nothing was learned yet: fetch that again"
        raise NotFinite(
            f"step {at + 1} of {schedule.num_steps}: loss {loss}, gradient norm {norm}; finite ones are legal; {do}"
        )
    speed = round(step.num_tokens / (time.perf_counter() - begun), 1)
    numbers = {"step": at + 1, "loss": loss, "lr": lr, "grad_norm": norm}
    return numbers | {
        "num_tokens": step.num_tokens,
        "num_slots": step.num_slots,
        "num_micro": len(step.grid),
        "tokens_per_s": speed,
    }


def _open_log(work: Path) -> BinaryIO:
    # Held open from here on: the resume of a later attempt puts another file there, so that one which was taken over
    # and does not know it (its node lost SLURM, not the disk) cannot add to its successor's log.
    return open(work / LOG, "ab", buffering=0)


def _report(line: dict, schedule: BatchSchedule, log: BinaryIO | None, progress: Callable[[int, int], None]) -> None:
    _write(line, log)
    progress(line["step"], schedule.num_steps)


def _write(line: dict, log: BinaryIO | None) -> None:
    data = (json.dumps(line) + "\n").encode()
    if log and log.write(data) != len(data):
        raise OSError(errno.ENOSPC, f"{log.name}: the disk took a part of a line")
