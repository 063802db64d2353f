"""finetune: examples and a base model become trained weights, in shards, by DeepSpeed ZeRO on one or several ranks."""

import json

from winsweep import layout
from winsweep.artifact import Late
from winsweep.attempt.job import Job
from winsweep.graph import Need, Want
from winsweep.keys import plain
from winsweep.store.manifest import write_atomic
from winsweep.study.cell import Data, Training, base_of
from winsweep.study.frame import Frame, Message

VERSION = 2
TRANSIENT = True  # its output may go once collect has made a model of it


def want(ask: Training, need: Need) -> Want:
    params, inputs = base_of(ask.model, need)
    params["recipe"] = ask.recipe
    if ask.choice:
        inputs["choice"] = need("choose", ask.choice)
        params["recipe"] = plain(ask.recipe) | {field: Late("choice", field) for field in ask.choice.fields}
    params |= {"seed": ask.seed, "frame": ask.frame}
    params |= {"stop_after_epochs": ask.stop_after_epochs} if ask.stop_after_epochs else {}
    return Want(ask.name, params, {**inputs, "examples": need("prepare", Data("examples", ask.task))})


def run(job: Job) -> None:
    from winsweep.study.recipe import Recipe
    from winsweep.text import encode, model
    from winsweep.text.context import refuse_unfit
    from winsweep.text.weights import BASE_NAMES, base_tensors
    from winsweep.train.finetune import finetune
    from winsweep.train.rank_group import join
    from winsweep.zero import read_zero

    recipe, frame = Recipe(**job.params["recipe"]), Frame(**job.params["frame"])
    base, revision = job.base()
    tokenizer = model.load_tokenizer(base, revision)
    encoded = encode.encode_all(_conversations(job), tokenizer, frame, recipe)
    print(encoded.summary(), flush=True)
    job.notes.update(encoded.counts())
    refuse_unfit([e.ids for e in encoded.examples], base, revision)
    if job.rank == 0:
        model.save_around(base, revision, tokenizer, job.out / "hf", frame)
        write_atomic(job.out / "hf" / BASE_NAMES, json.dumps(base_tensors(base, revision)).encode())
    group = join(
        rank=job.rank,
        num_ranks=job.num_ranks,
        meeting=job.meeting,
        timeout_s=job.placement.timeout_s,
        host=job.host,
        lost=job.give_up,
    )
    try:
        zero = read_zero(layout.DS_CONFIGS / f"{job.placement.zero}.json")
        job.notes.update(
            finetune(
                encoded.examples,
                base,
                revision,
                recipe,
                job.params["seed"],
                placement=job.placement,
                zero_config=zero,
                group=group,
                out=job.out,
                work=job.work,
                progress=job.progress,
                stopping=job.stopping,
                stop_after_epochs=job.params.get("stop_after_epochs"),
            )
        )
    finally:
        group.leave()


def _conversations(job: Job) -> list[list[Message]]:
    with open(job.inputs["examples"] / "examples.jsonl", encoding="utf-8") as f:
        return [json.loads(line)["messages"] for line in f]


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from winsweep.attempt.by_hand import main

    main(Path(sys.argv[1]))
