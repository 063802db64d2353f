"""generate: a model, with or without rules and a grammar, answers an instruction set greedily; ranks share its rows."""

import json

from winsweep.attempt.job import Job
from winsweep.errors import BadStudy
from winsweep.graph import Need, Want
from winsweep.placement import too_few
from winsweep.store.manifest import write_atomic
from winsweep.study.cell import Data, Generation, Model, Training, base_of, untrained
from winsweep.study.pretrain import Pretrain

VERSION = 2
# in the key of untrained models that others made: their answers end where model, tokenizer or template say, and not at
# EOS alone
ENDS = "all"
ENGINE = "slots"  # in the key of bf16 alone, which rounds so coarsely that another order of sums can change a token


def want(ask: Generation, need: Need) -> Want:
    params, inputs = base_of(ask.model, need)
    if ask.adapter.rules:
        params["adapter"] = ask.adapter
    params |= {"grammar": ask.grammar} if ask.grammar else {}
    params |= {"decoding": ask.decoding, "frame": ask.frame}
    if isinstance(ask.model, Model) and not isinstance(ask.model.source, (Pretrain, Training)):
        params["ends"] = ENDS
    params |= {"context": untrained(ask.model).context} if untrained(ask.model).context else {}
    if ask.decoding.precision == "bf16" and ask.decoding.engine == "slots":
        params["engine"] = ENGINE
    return Want(ask.name, params, {**inputs, "instructions": need("prepare", Data("instructions", ask.instructions))})


def run(job: Job) -> None:
    from winsweep import keys
    from winsweep.generate.greedy import answer_all
    from winsweep.generate.length_prior import prior_lengths
    from winsweep.generate.sharding import Sharding
    from winsweep.study.cell import Decoding
    from winsweep.study.frame import Frame
    from winsweep.study.rules import Adapter, Grammar

    decoding = keys.restore(Decoding, job.params["decoding"])
    if why := too_few(job.placement, decoding.tensor_parallel):
        raise BadStudy("; ".join(why))
    with open(job.inputs["instructions"] / "instructions.jsonl", encoding="utf-8") as f:
        asked = [json.loads(line) for line in f]
    adapter = keys.restore(Adapter, job.params["adapter"]) if "adapter" in job.params else None
    grammar = keys.restore(Grammar, job.params["grammar"]) if "grammar" in job.params else None
    answers = answer_all(
        [row.get("messages") or row["instruction"] for row in asked],
        *job.base(),
        decoding,
        Frame(**job.params["frame"]),
        adapter,
        job.work,
        job.progress,
        job.stopping,
        lambda how: job.notes.update(decoded_in=how),
        prior_lengths(job.name, job.inputs["instructions"], len(asked)),
        Sharding(job.rank, job.num_ranks, job.placement.timeout_s),
        job.notes.update,
        job.params.get("context"),
        job.lora(),
        grammar,
    )
    if job.rank:
        return
    rows = [
        {
            "instruction": row["instruction"],
            "output": a.text,
            "generator": job.name,
            "dataset": row["dataset"],
            "num_tokens": a.num_tokens,
            "truncated": a.truncated,
        }
        | ({"grammar": a.grammar} if a.grammar else {})
        | ({"messages": row["messages"]} if "messages" in row else {})
        for row, a in zip(asked, answers, strict=True)
    ]
    write_atomic(job.out / "outputs.json", json.dumps(rows, indent=1, ensure_ascii=False).encode())


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from winsweep.attempt.by_hand import main

    main(Path(sys.argv[1]))
