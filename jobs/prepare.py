"""prepare: a task's source becomes examples.jsonl, or an instruction set becomes instructions.jsonl."""

import json

from winsweep.attempt.job import Job
from winsweep.graph import Need, Want
from winsweep.study.cell import Data, Mix

VERSION = 1


def want(ask: Data, need: Need) -> Want:
    if isinstance(ask.source, Mix):
        return _mix(ask.source, need)
    return Want(f"{ask.source.name}", {"purpose": ask.purpose, "source": ask.source}, {})


def _mix(mix: Mix, need: Need) -> Want:
    names = [f"source {n}" for n in range(1, len(mix.parts) + 1)]  # what they are called is for people
    shares = [{"input": name, "share": share} for name, (_, share) in zip(names, mix.parts)]
    sources = {name: need("prepare", Data("examples", source)) for name, (source, _) in zip(names, mix.parts)}
    return Want(mix.name, {"purpose": "examples", "mix": shares, "rows": mix.rows, "seed": mix.seed}, sources)


def run(job: Job) -> None:
    from winsweep.text import prepare

    purpose = job.params["purpose"]
    is_mix = "mix" in job.params
    rows = prepare.mix(job) if is_mix else prepare.rows_of(purpose, job.params["source"], job.file)
    job.notes["num_rows"] = 0
    with open(job.out / f"{purpose}.jsonl", "w", encoding="utf-8") as f:
        for row in rows:  # one at a time: there may be millions
            f.write(json.dumps(row, ensure_ascii=False) + "\n")
            job.notes["num_rows"] += 1


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from winsweep.attempt.by_hand import main

    main(Path(sys.argv[1]))
