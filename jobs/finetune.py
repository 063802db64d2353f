"""finetune: examples and a base model become trained weights, in shards, by DeepSpeed ZeRO on one or several ranks."""

import json
import math
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from winsweep import layout
from winsweep.artifact import Late
from winsweep.attempt.job import Job
from winsweep.errors import BadData
from winsweep.gpu_memory import ITEM
from winsweep.graph import Need, Want
from winsweep.keys import plain
from winsweep.store import manifest
from winsweep.store.free_room import refuse_full
from winsweep.store.manifest import write_atomic
from winsweep.store.store import Store
from winsweep.study.cell import Data, Training, base_of
from winsweep.study.frame import Frame, Message
from winsweep.study.held_out import Evaluation

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedTokenizerBase

    from winsweep.study.recipe import Recipe
    from winsweep.text.encode import Encoded, Encoding
    from winsweep.train.held_out import HeldOut
    from winsweep.train.rank_group import RankGroup

VERSION = 2
TRANSIENT = True  # its output may go once collect has made a model of it
ENCODED = "encoded"  # the examples as token ids, for all ranks and later attempts, in the work directory


def want(ask: Training, need: Need) -> Want:
    params, inputs = base_of(ask.model, need)
    params["recipe"] = ask.recipe
    if ask.choice:
        inputs["choice"] = need("choose", ask.choice)
        params["recipe"] = plain(ask.recipe) | {field: Late("choice", field) for field in ask.choice.fields}
    params |= {"seed": ask.seed, "frame": ask.frame}
    params |= {"stop_after_epochs": ask.stop_after_epochs} if ask.stop_after_epochs else {}
    limits = _looked_at(ask.evaluation, need) if ask.evaluation else {}
    return Want(ask.name, params, {**inputs, "examples": need("prepare", Data("examples", ask.task))}, limits)


def _looked_at(evaluation: Evaluation, need: Need) -> dict[str, object]:
    """What is in no key: the held-out rows, which are a gate of the finetune, and how often their loss is looked at."""
    return {"eval": {"rows": need("prepare", Data("examples", evaluation.source)).key, "every": evaluation.every}}


def run(job: Job) -> None:
    from winsweep.study.recipe import restore
    from winsweep.train.rank_group import join

    group = join(
        rank=job.rank,
        num_ranks=job.num_ranks,
        meeting=job.meeting,
        timeout_s=job.placement.timeout_s,
        host=job.host,
        lost=job.give_up,
    )
    try:
        _train(job, restore(job.params["recipe"]), Frame(**job.params["frame"]), group)
    finally:
        group.leave()


def _train(job: Job, recipe: "Recipe", frame: Frame, group: "RankGroup") -> None:
    from winsweep.text import encode, model
    from winsweep.text.context import refuse_unfit
    from winsweep.train import example_file, room
    from winsweep.train.finetune import finetune
    from winsweep.zero import read_all, read_zero

    base, revision = job.base()
    tokenizer = group.together(lambda: model.load_tokenizer(base, revision))
    group.first(lambda: job.work.mkdir(parents=True, exist_ok=True))
    encoded, tops = _encoded(job, ENCODED, job.inputs["examples"], encode.Encoding(tokenizer, frame, recipe), group)
    print(encoded.summary(), flush=True)
    job.notes.update(encoded.counts())
    lengths_N = example_file.lengths_of(encoded.examples)
    group.first(lambda: refuse_unfit(lengths_N, tops, base, revision))
    looked_at = _held_out(job, encode.Encoding(tokenizer, frame, recipe), group)
    group.first(lambda: _save_around(job, tokenizer, frame, base, revision))
    longest = int(lengths_N.max())
    placement = room.choose(job.placement, base, revision, recipe, longest, read_all(layout.DS_CONFIGS), group)
    job.notes.update(
        finetune(
            encoded.examples,
            base,
            revision,
            recipe,
            job.params["seed"],
            placement=placement,
            zero_config=read_zero(layout.DS_CONFIGS / f"{placement.zero}.json"),
            group=group,
            out=job.out,
            work=job.work,
            progress=job.progress,
            stopping=job.stopping,
            stop_after_epochs=job.params.get("stop_after_epochs"),
            held_out=looked_at,
        )
    )


def _save_around(job: Job, tokenizer: "PreTrainedTokenizerBase", frame: Frame, base: str, revision: str | None) -> None:
    """What a model directory has beside weights, and which tensors the base's own files have. OSError where the disk
    has no room for what training will leave, which is said before it begins.
    """
    from winsweep.text import model
    from winsweep.text.weights import BASE_NAMES, base_tensors

    tensors = base_tensors(base, revision)
    if not job.params["recipe"].get("lora"):
        item = ITEM[job.params["recipe"]["precision"]]
        refuse_full(job.out, item * sum(map(math.prod, tensors.values())), "the trained model")
    model.save_around(base, revision, tokenizer, job.out / "hf", frame)
    write_atomic(job.out / "hf" / BASE_NAMES, json.dumps(tensors).encode())


def _held_out(job: Job, encoding: "Encoding", group: "RankGroup") -> "HeldOut | None":
    """The rows whose loss is looked at, encoded as the examples are; BadData that says so where they do not fit."""
    from winsweep.text.context import refuse_unfit
    from winsweep.train import example_file
    from winsweep.train.held_out import HeldOut

    if not (told := job.limits.get("eval")):
        return None
    made = group.first(lambda: _verified(job.store, told["rows"]))
    try:
        encoded, tops = _encoded(job, f"{ENCODED}-held-out", made, encoding, group)
        group.first(lambda: refuse_unfit(example_file.lengths_of(encoded.examples), tops, *job.base()))
    except BadData as e:
        raise BadData(f"recipe.eval: {e}") from e
    print(f"held out: {encoded.summary()}", flush=True)
    job.notes["held_out"] = {"rows": told["rows"], "every": told["every"], "num_examples": len(encoded.examples)}
    return HeldOut(encoded.examples, told["every"])


def _encoded(
    job: Job, name: str, made: Path, encoding: "Encoding", group: "RankGroup"
) -> tuple["Encoded", "np.ndarray"]:
    """See example_file.share: what is encoded follows from the rows, the base's tokenizer, the frame and the recipe."""
    from winsweep.train import example_file

    base, revision = job.base()
    made_of = group.first(
        lambda: (
            {
                "rows": manifest.describe(made / "examples.jsonl"),
                "base": [base, revision] if revision else Path(base).name,  # wherever a copy of it lies
                "libraries": {name: version(name) for name in ("tokenizers", "transformers")},
            }
            | {name: job.params[name] for name in ("frame", "recipe")}
        )
    )
    return example_file.share(job.work / name, made_of, _conversations(made), encoding, group)


def _verified(store: Path, key: str) -> Path:
    made = Store(store).find(key)
    manifest.verify(made)
    return made


def _conversations(made: Path) -> Iterator[list[Message]]:
    with open(made / "examples.jsonl", encoding="utf-8") as f:
        for line in f:
            yield json.loads(line)["messages"]


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from winsweep.attempt.by_hand import main

    main(Path(sys.argv[1]))
