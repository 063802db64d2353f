"""check_judge: whether a judge can be asked from where it will be asked, before anything is made for it to judge."""

import json
from dataclasses import asdict, replace

from winsweep import keys, plugins
from winsweep.attempt.job import Job
from winsweep.graph import Need, Want
from winsweep.store.manifest import write_atomic
from winsweep.study.uses import JudgeUse

VERSION = 1


def want(ask: JudgeUse, need: Need) -> Want:
    return Want(ask.name, {"judge": ask.judge}, {})


def run(job: Job) -> None:
    from winsweep.check import judge
    from winsweep.check.finding import error_of

    asked = job.params["judge"]
    module = plugins.of_judge(asked, job.file)
    options = keys.restore(module.Options, asked["options"])
    weights = getattr(options, "weights", None)  # of a judge that is a model on this machine
    options = replace(options, path=str(job.file(weights))) if weights and "sha256" in weights else options
    findings = judge.look(module, options)
    for finding in findings:
        print(finding, flush=True)
    do = "Once that is mended, type the same command with --retry-failed"
    if error := error_of(f"judge {asked['name']}", findings, do):
        raise error
    write_atomic(job.out / "findings.json", json.dumps({"findings": [asdict(f) for f in findings]}, indent=1).encode())


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from winsweep.attempt.by_hand import main

    main(Path(sys.argv[1]))
