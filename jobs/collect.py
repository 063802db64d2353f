"""collect: a finished finetune, verified, becomes a Hugging Face model directory."""

from winsweep.attempt.job import Job
from winsweep.graph import Need, Want
from winsweep.study.cell import Training

VERSION = 1


def want(ask: Training, need: Need) -> Want:
    return Want(ask.name, {}, {"finetune": need("finetune", ask)})


def run(job: Job) -> None:
    from winsweep.train.collect import collect

    notes, written = collect(job.inputs["finetune"], job.out)
    job.notes.update(notes)
    job.written.update(written)


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from winsweep.attempt.by_hand import main

    main(Path(sys.argv[1]))
