"""drift: how like its training task a single-task model's outputs are, by how near to the task their prompts are; a
figure of it.
"""

import json

from winsweep.attempt.job import Job
from winsweep.graph import Need, Want
from winsweep.store.manifest import write_atomic
from winsweep.study.analysis import Drift
from winsweep.study.cell import Data

VERSION = 1


def want(ask: Drift, need: Need) -> Want:
    inputs = {
        "outputs": need("generate", ask.outputs),
        "task": need("prepare", Data("examples", ask.task)),
        "general": need("prepare", Data("examples", ask.general)),
    }
    return Want(ask.name, {"embedder": ask.embedder}, inputs)


def run(job: Job) -> None:
    from winsweep.analysis.drift import Task, drift, summary
    from winsweep.analysis.embed import counted, embedder_of
    from winsweep.analysis.plot import scatter
    from winsweep.analysis.rows import first_turns

    said = json.loads((job.inputs["outputs"] / "outputs.json").read_bytes())
    instructions, outputs = [row["instruction"] for row in said], [row["output"] for row in said]
    task, general = (first_turns(job.inputs[name] / "examples.jsonl") for name in ("task", "general"))
    total = 2 * (len(said) + len(task)) + len(general)
    embed = counted(embedder_of(job.params["embedder"], job.file), lambda done: job.progress(done, total))
    points = drift(
        instructions, outputs, Task(*map(list, zip(*task, strict=True))), [response for _, response in general], embed
    )
    write_atomic(job.out / "drift.json", json.dumps(summary(points), indent=1).encode())
    scatter(points, job.inputs["task"].name.rpartition("-")[0], job.out / "drift.svg")


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from winsweep.attempt.by_hand import main

    main(Path(sys.argv[1]))
