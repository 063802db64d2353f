"""pretrain: a base model made here from a generated corpus, or with its first random weights."""

import shutil

from winsweep import layout
from winsweep.attempt.job import Job
from winsweep.graph import Need, Want
from winsweep.store import manifest
from winsweep.study.cell import Model

VERSION = 1


def want(ask: Model, need: Need) -> Want:
    tokenizer = {"tokenizer": ask.tokenizer} if ask.tokenizer else {}
    return Want(ask.name, {"pretrain": ask.source, **tokenizer}, {})


def run(job: Job) -> None:
    from winsweep.study.pretrain import Pretrain

    spec = Pretrain(**job.params["pretrain"])
    shipped = layout.SHIPPED / job.name.rpartition("-")[2]
    if shipped.is_dir():
        manifest.verify(shipped, repair="make weights")
        job.notes["shipped"] = True
        for path in manifest.files_of(shipped):
            shutil.copyfile(path, job.out / path.name)
        return
    from winsweep.train.pretrain import pretrain

    tokenizer = job.file(job.params["tokenizer"]) if "tokenizer" in job.params else None
    pretrain(job.out, spec=spec, tokenizer_path=tokenizer, work=job.work, progress=job.progress)


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from winsweep.attempt.by_hand import main

    main(Path(sys.argv[1]))
