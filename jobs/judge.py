"""judge: one set of outputs compared with another, row by row; what was judged is kept even if the attempt dies."""

import json

from winsweep import keys, layout
from winsweep.cell import Comparison, Data, LocalFile
from winsweep.errors import Stopped
from winsweep.graph import Need, Want, load
from winsweep.job import Job

VERSION = 1


def want(ask: Comparison, need: Need) -> Want:
    inputs = {"candidate": need("generate", ask.candidate), "instructions": need("prepare", Data("instructions", ask.candidate.instructions))}
    params = {"judge": ask.judge, "identity": _module(ask.judge.name).identity(ask.judge.options)}
    if isinstance(ask.reference, LocalFile):
        params["reference"] = ask.reference
    else:
        inputs["reference"] = need("generate", ask.reference)
    return Want(ask.name, params, inputs)


def run(job: Job) -> None:
    from winsweep.judge import pairs

    wanted = pairs.read(job.inputs["instructions"] / "instructions.jsonl", job.inputs["candidate"] / "outputs.json", _reference(job))
    log = pairs.Log(job.work / "annotations.jsonl")
    missing = [p for p in wanted if p["instruction"] not in log.rows]
    job.progress(len(wanted) - len(missing), len(wanted))
    module = _module(job.params["judge"]["name"])

    def keep(rows: list[dict]) -> None:
        log.append(rows)
        job.progress(len(log.rows), len(wanted))
        if (reason := job.stopping()) and len(log.rows) < len(wanted):
            raise Stopped(reason)

    module.annotate(missing, keys.restore(module.Options, job.params["judge"]["options"]), keep)
    rows = [log.rows[p["instruction"]] | {k: p[k] for k in ("num_tokens", "truncated")} for p in wanted]
    (job.out / "annotations.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")


def _reference(job: Job):  # -> Path
    return job.file(job.params["reference"]) if "reference" in job.params else job.inputs["reference"] / "outputs.json"


def _module(name: str):  # -> ModuleType
    return load(layout.JUDGES / f"{name}.py", "winsweep.judges")


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from winsweep.attempt import main

    main(Path(sys.argv[1]))
