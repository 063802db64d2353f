"""prepare: a task's source becomes examples.jsonl, or an instruction set becomes instructions.jsonl."""

import json

from winsweep.attempt.job import Job
from winsweep.graph import Need, Want
from winsweep.study.cell import Data

VERSION = 1


def want(ask: Data, need: Need) -> Want:
    return Want(f"{ask.source.name}", {"purpose": ask.purpose, "source": ask.source}, {})


def run(job: Job) -> None:
    from winsweep.text import prepare

    purpose = job.params["purpose"]
    rows = prepare.examples(job) if purpose == "examples" else prepare.instructions(job)
    job.notes["num_rows"] = len(rows)
    with open(job.out / f"{purpose}.jsonl", "w", encoding="utf-8") as f:
        f.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from winsweep.attempt.by_hand import main

    main(Path(sys.argv[1]))
