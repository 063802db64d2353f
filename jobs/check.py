"""check: whether a base model is whole and fits what the study does with it, looked at before anything is trained or
generated with it.
"""

import json
from dataclasses import asdict

from winsweep.attempt.job import Job
from winsweep.graph import Need, Want
from winsweep.store.manifest import write_atomic
from winsweep.study.cell import Data, base_of
from winsweep.study.uses import ModelUse

VERSION = 1


def want(ask: ModelUse, need: Need) -> Want:
    params, inputs = base_of(ask.model, need)
    params |= {"max_tokens": ask.max_tokens, "frames": ask.frames, "decodings": ask.decodings, "adapters": ask.adapters}
    params |= {"system_frames": ask.system_frames} if ask.system_frames else {}
    params |= {"grammars": ask.grammars} if ask.grammars else {}
    params |= {"context": ask.model.context} if ask.model.context and inputs else {}
    params |= {"loras": ask.loras} if ask.loras else {}
    params |= {"vllm_adapters": True} if ask.vllm_adapters else {}
    asked = {
        f"instructions{n}": need("prepare", Data("instructions", source)) for n, source in enumerate(ask.instructions)
    }
    return Want(ask.name, params, {**inputs, **asked})


def run(job: Job) -> None:
    from winsweep.check import model
    from winsweep.check.finding import error_of

    instructions = []
    for name in sorted(name for name in job.inputs if name.startswith("instructions")):
        with open(job.inputs[name] / "instructions.jsonl", encoding="utf-8") as f:
            rows = map(json.loads, f)
            instructions += [row.get("messages") or row["instruction"] for row in rows]
    found = model.look(*job.base(), job.params, instructions)
    findings = [*found.findings, *model.room(job.store, found.facts)]
    for finding in findings:
        print(finding, flush=True)
    if error := error_of(f"model {job.name.rpartition('-')[0]}", findings):
        raise error
    job.notes.update(found.facts)
    write_atomic(
        job.out / "findings.json",
        json.dumps({"facts": found.facts, "findings": [asdict(f) for f in findings]}, indent=1).encode(),
    )


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from winsweep.attempt.by_hand import main

    main(Path(sys.argv[1]))
