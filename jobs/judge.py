"""judge: one set of outputs compared with another, row by row; each judgement is kept for all studies as it comes,
however this attempt ends.
"""

import json
from pathlib import Path

from winsweep.attempt.job import Job
from winsweep.errors import Stopped
from winsweep.graph import Need, Want
from winsweep.study.cell import Comparison, Data, LocalFile

VERSION = 1


def want(ask: Comparison, need: Need) -> Want:
    from winsweep.judge import asked

    inputs = {
        "candidate": need("generate", ask.candidate),
        "instructions": need("prepare", Data("instructions", ask.candidate.instructions)),
    }
    params = {"judge": ask.judge, "identity": asked.identity_of(ask.judge)}
    if isinstance(ask.reference, LocalFile):
        params["reference"] = ask.reference
    else:
        inputs["reference"] = need("generate", ask.reference)
    return Want(ask.name, params, inputs, asked.limits_of(ask.judge))


def run(job: Job) -> None:
    from winsweep.judge import asked, ledger, pairs, questions

    wanted, num_matched = pairs.read(
        job.inputs["instructions"] / "instructions.jsonl", job.inputs["candidate"] / "outputs.json", _reference(job)
    )
    if num_matched:
        print(
            f"{num_matched} outputs were matched with instructions that differ from theirs in white space alone",
            flush=True,
        )
        job.notes["num_matched_by_white_space"] = num_matched
    judge, judged = asked.restored(job.params["judge"], job.file, job.limits), {}

    def keep(rows: list[dict]) -> None:
        judged.update({row["instruction"]: row for row in rows})
        job.progress(len(judged), len(wanted))
        if (reason := job.stopping()) and len(judged) < len(wanted):
            raise Stopped(reason)

    paid = ledger.Ledger(*ledger.place(job.store, judge.name, judge.version, job.params["identity"]))
    asked.module_of(judge).annotate(wanted, judge.options, keep, paid)
    rows = [judged[p["instruction"]] for p in wanted]
    job.notes["served_models"] = questions.served_models(rows)
    if changed := questions.drift(rows):
        job.notes["note"] = changed
    (job.out / "annotations.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")


def _reference(job: Job) -> Path:
    return job.file(job.params["reference"]) if "reference" in job.params else job.inputs["reference"] / "outputs.json"


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from winsweep.attempt.by_hand import main

    main(Path(sys.argv[1]))
