"""collect: a finished finetune, verified, becomes a Hugging Face model directory."""

from winsweep.attempt.job import Job
from winsweep.graph import Need, Want
from winsweep.study.cell import Training

VERSION = 1


def want(ask: Training, need: Need) -> Want:
    params = {"lora": "adapters"} if not ask.recipe.makes_model else {}
    return Want(ask.name, params, {"finetune": need("finetune", ask)})


def run(job: Job) -> None:
    from winsweep.train.adapter_folder import collect_adapters
    from winsweep.train.collect import collect

    if job.params.get("lora") == "adapters":
        job.notes.update(collect_adapters(job.inputs["finetune"], job.out))
        return
    job.notes.update(collect(job.inputs["finetune"], job.out))


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from winsweep.attempt.by_hand import main

    main(Path(sys.argv[1]))
