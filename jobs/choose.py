"""choose: judged validation runs become the recipe values that the test runs of their family are trained with."""

import json

from winsweep.attempt.job import Job
from winsweep.graph import Need, Want
from winsweep.store.manifest import write_atomic
from winsweep.study.cell import Choice, Data, Training

VERSION = 2


def want(ask: Choice, need: Need) -> Want:
    inputs = {f"run{n}": need("judge", run) for n, run in enumerate(ask.runs)}
    inputs["instructions"] = need("prepare", Data("instructions", ask.runs[0].candidate.instructions))
    trained = [run.candidate.model for run in ask.runs]
    tried = [{field: getattr(m.recipe, field) for field in ask.fields} for m in trained if isinstance(m, Training)]
    return Want(ask.name, {"by": ask.by, "runs": tried}, inputs)


def run(job: Job) -> None:
    from winsweep.stats.choose import choose, read_run
    from winsweep.text.source import file_rows

    asked = [row["instruction"] for row in file_rows(job.inputs["instructions"] / "instructions.jsonl")]
    runs = [read_run(job.inputs[f"run{n}"], asked) for n in range(len(job.params["runs"]))]
    told = [values | line for values, line in zip(job.params["runs"], choose(runs, job.params["by"]), strict=True)]
    picked = next(values for values, line in zip(job.params["runs"], told, strict=True) if line["is_picked"])
    write_atomic(job.out / "choice.json", json.dumps({"by": job.params["by"], "runs": told}, indent=1).encode())
    write_atomic(job.out / "value.json", json.dumps(picked).encode())


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from winsweep.attempt.by_hand import main

    main(Path(sys.argv[1]))
