"""rank: is an instruction's own response likelier under a model than the responses of other instructions?"""

import json
from dataclasses import asdict

from winsweep.attempt.job import Job
from winsweep.errors import Stopped
from winsweep.graph import Need, Want
from winsweep.store.manifest import write_atomic
from winsweep.study.analysis import RankingTest
from winsweep.study.cell import Data, base_of

VERSION = 2  # a row that drew itself is no comparison


def want(ask: RankingTest, need: Need) -> Want:
    params, inputs = base_of(ask.model, need)
    params |= {"draws": ask.draws, "seed": ask.seed, "frame": ask.frame, "precision": ask.precision}
    return Want(ask.name, params, {**inputs, "rows": need("prepare", Data("examples", ask.rows))})


def run(job: Job) -> None:
    from winsweep.analysis.ranking import draw, rank
    from winsweep.analysis.rows import first_turns
    from winsweep.generate.model_cache import load
    from winsweep.study.frame import Frame
    from winsweep.text.encode import spelling

    def progress(done: int, total: int) -> None:
        job.progress(done, total)
        if (reason := job.stopping()) and done < total:
            raise Stopped(reason)

    rows = first_turns(job.inputs["rows"] / "examples.jsonl")
    model, tokenizer = load(*job.base(), job.params["precision"], lora=job.lora())
    frame = Frame(**job.params["frame"])
    job.notes.update(spelling([[*row] for row in rows], tokenizer, frame).notes())
    others = draw(len(rows), job.params["seed"], job.params["draws"])
    found = rank(rows, others, model, tokenizer, frame, progress=progress, work=job.work)
    write_atomic(
        job.out / "rank.json",
        json.dumps({"num_rows": len(rows), "draws": job.params["draws"], **asdict(found)}, indent=1).encode(),
    )


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from winsweep.attempt.by_hand import main

    main(Path(sys.argv[1]))
