"""What SLURM is told, word for word; and what never reaches it."""

import os
import shutil
from pathlib import Path

import pytest

from winsweep import layout
from winsweep.artifact import Artifact
from winsweep.cluster_file import read_cluster
from winsweep.errors import BadStudy
from winsweep.placement import Placement
from winsweep.slurm.chain import After, Array

needs_slurm = pytest.mark.skipif(
    shutil.which("srun") is None, reason="submitit wants srun on the PATH to write a script"
)
STAGES = [p.stem for p in (layout.ROOT / "jobs").glob("*.py")]
SCRIPT = """\
#!/bin/bash

# Parameters
#SBATCH --array=0-2%2
#SBATCH --constraint='a100|h100'
#SBATCH --cpus-per-task=1
#SBATCH --dependency=afterany:7,aftercorr:8
#SBATCH --exclude=n3,n7
#SBATCH --gpus-per-node=4
#SBATCH --job-name=winsweep.finetune.t0
#SBATCH --kill-on-invalid-dep=yes
#SBATCH --mem=120G
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --open-mode=append
#SBATCH --output=FOLDER/%A_%a_0_log.out
#SBATCH --partition=main
#SBATCH --requeue
#SBATCH --signal=USR2@90
#SBATCH --time=30

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output FOLDER/%A_%a_%t_log.out --cpus-per-task=1 --kill-on-bad-exit=1 --wait=30 RUN
"""


@needs_slurm
def test_the_script_of_an_array(tmp_path):
    from winsweep.slurm import batch_script, sbatch

    placed = Placement(
        ranks=8, nodes=2, gpus_per_rank=1, time_min=30, mem_gb=120, partition="main", constraint="a100|h100", throttle=2
    )
    array = Array(
        placed,
        tuple((Artifact("finetune", 1, f"c{n}", {"n": n}),) for n in range(3)),
        (After("7"), After(0, corresponding=True)),
    )
    told = batch_script.script(
        array, tmp_path, "RUN", "winsweep.finetune.t0", sbatch.dependency_of(array, ["8"]), ["n3", "n7"]
    )
    assert told.replace(str(tmp_path), "FOLDER").strip() == SCRIPT.strip()


@needs_slurm
def test_paths_with_hostile_names_stay_one_word():
    import shlex

    from winsweep.slurm import batch_script

    told = batch_script.command(
        Placement(), Path("/x/a b; touch /tmp/pwned\n#"), "winsweep.slurm.node", Path("/y/'\"$(id)")
    )
    assert (
        shlex.split(told)[0] == "env"
        and shlex.split(told)[-1] == "/y/'\"$(id)"
        and shlex.split(told)[1] == "PYTHONPATH=/x/a b; touch /tmp/pwned\n#/src"
    )


@pytest.mark.parametrize("value", ["main\n#SBATCH --uid=0", "a; rm -rf x", "$(id)", "a b", "`id`", ""])
def test_a_value_that_is_more_than_a_word_is_refused(tmp_path, value):
    import json

    for key in ("partition", "account", "qos", "constraint", "zero"):
        (tmp_path / "c.yaml").write_text(f"kind: slurm\nstages: {{finetune: {{{key}: {json.dumps(value)}}}}}\n")
        with pytest.raises(BadStudy, match="one word without spaces"):
            read_cluster(layout.STAGES, tmp_path / "c.yaml", STAGES)


def test_a_cluster_file_is_read_strictly(tmp_path):
    def read(text: str):
        (tmp_path / "c.yaml").write_text(text)
        return read_cluster(layout.STAGES, tmp_path / "c.yaml", STAGES)

    placed = read(
        "kind: slurm\nall: {partition: p, time_min: 5}\nstages: {finetune: {time_min: 9, ranks: 4, nodes: 2}}\n"
    ).placements.by_stage
    assert (placed["finetune"].time_min, placed["finetune"].partition, placed["judge"].time_min) == (9, "p", 5)
    by_label = read(
        'stages: {finetune: {zero: zero2}}\nlabels: {"b.*": {finetune: {zero: zero3, ranks: 2}}}\n'
    ).placements
    assert (
        by_label.of("finetune", "a.x.s1").zero,
        by_label.of("finetune", "b.x.s1").zero,
        by_label.of("finetune", "b.x.s1").ranks,
    ) == ("zero2", "zero3", 2)
    with pytest.raises(
        BadStudy, match=r"c\.yaml:1: stages\.finetune\.node: unknown key 'node'; .*did you mean nodes\?"
    ):
        read("stages: {finetune: {node: 2}}\n")
    with pytest.raises(BadStudy, match="unknown key 'finetun'"):
        read("stages: {finetun: {nodes: 2}}\n")
    with pytest.raises(BadStudy, match="found 3 ranks on 2 nodes; the same number on each node is legal"):
        read("stages: {finetune: {nodes: 2, ranks: 3}}\n")


@needs_slurm
def test_a_job_inside_a_job_inherits_nothing_of_it(monkeypatch):
    from winsweep.slurm import sbatch

    for name in ("SLURM_JOB_ID", "RANK", "MASTER_ADDR", "WORLD_SIZE", "CUDA_VISIBLE_DEVICES", "SUBMITIT_EXECUTOR"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("SLURM_CONF", "/conf")
    with sbatch._clean_environment():
        assert os.environ["SLURM_CONF"] == "/conf" and not [
            n for n in os.environ if n.startswith(("SLURM_J", "RANK", "MASTER", "WORLD", "SUBMITIT"))
        ]
    assert os.environ["RANK"] == "1"
