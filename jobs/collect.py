"""collect: a finished finetune, verified, becomes a Hugging Face model directory, or one of adapters."""

import json

from winsweep.attempt.job import Job
from winsweep.graph import Need, Want
from winsweep.study.cell import Training, base_of
from winsweep.study.recipe import Recipe

VERSION = 1
ADAPTERS, MERGED = "adapters", "merged"
MOST_TOKENS = 512  # of an example that both forms of a merged model go on with


def want(ask: Training, need: Need) -> Want:
    finetune = need("finetune", ask)
    if ask.recipe.lora is None:
        return Want(ask.name, {}, {"finetune": finetune})
    if not ask.recipe.lora.merge:
        return Want(ask.name, {"lora": ADAPTERS}, {"finetune": finetune})
    params, inputs = base_of(ask.model, need)
    params |= {"lora": MERGED, "frame": ask.frame}
    return Want(ask.name, params, {**inputs, "finetune": finetune, "examples": finetune.inputs["examples"]})


def run(job: Job) -> None:
    from winsweep.train.adapter_folder import collect_adapters
    from winsweep.train.collect import collect

    made = job.inputs["finetune"]
    if job.params.get("lora") == ADAPTERS:
        job.notes.update(collect_adapters(made, job.out))
    elif job.params.get("lora") == MERGED:
        job.notes.update(_merged(job))
    else:
        notes, written = collect(made, job.out)
        job.notes.update(notes)
        job.written.update(written)


def _merged(job: Job) -> dict:
    from winsweep.study.frame import Frame
    from winsweep.text import encode, model
    from winsweep.train.merged import NUM_ASKED, collect_merged

    base, revision = job.base()
    tokenizer = model.load_tokenizer(base, revision)
    with open(job.inputs["examples"] / "examples.jsonl", encoding="utf-8") as f:
        asked = [json.loads(line)["messages"] for line, _ in zip(f, range(NUM_ASKED))]
    encoded = encode.encode_all(asked, tokenizer, Frame(**job.params["frame"]), Recipe(max_tokens=MOST_TOKENS))
    return collect_merged(job.inputs["finetune"], base, revision, job.out, tokenizer, encoded.examples)


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from winsweep.attempt.by_hand import main

    main(Path(sys.argv[1]))
