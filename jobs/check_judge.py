"""check_judge: whether a judge can be asked from where it will be asked, before anything is made for it to judge."""

import json
from dataclasses import asdict, replace

from winsweep.attempt.job import Job
from winsweep.graph import Need, Want
from winsweep.store.manifest import write_atomic
from winsweep.study import jury
from winsweep.study.uses import JudgeUse

VERSION = 1


def want(ask: JudgeUse, need: Need) -> Want:
    return Want(ask.name, {"judge": ask.judge}, {})


def run(job: Job) -> None:
    from winsweep.check import judge
    from winsweep.check.finding import error_of
    from winsweep.judge import asked

    which = asked.restored(job.params["judge"], job.file, {})
    findings = []
    for one in jury.members(which):
        name = f"{one.name}: " if one != which else ""
        findings += [replace(f, what=name + f.what) for f in judge.look(asked.module_of(one), one.options)]
    for finding in findings:
        print(finding, flush=True)
    do = "Once that is mended, type the same command with --retry-failed"
    if error := error_of(f"judge {which.name}", findings, do):
        raise error
    write_atomic(job.out / "findings.json", json.dumps({"findings": [asdict(f) for f in findings]}, indent=1).encode())


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from winsweep.attempt.by_hand import main

    main(Path(sys.argv[1]))
