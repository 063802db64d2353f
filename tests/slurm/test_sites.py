"""The example cluster files of slurm/clusters, each on a real SLURM with the names of the testbed in it: a study
through each.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.slurm.conftest import Testbed, wait_for
from tests.slurm.test_study import Study
from winsweep import layout
from winsweep.tasks import toy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
STUDY = """\
name: grid
models: {m: {pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}}
adapters: {a: {rules: []}}
tasks: {}
seeds: [1]
instructions: {from: toy, part: dev}
decoding: {batch: 20, precision: fp32, max_new_tokens: 4}
compare: {judge: reference_overlap, reference: {outputs: reference.json}}
"""
MODULES = """\
module() {
    case "$1 $2" in
        "purge ") ;;
        "load cuda/12.8") export CUDA_HOME=/opt/cuda-12.8 ;;
        *) echo "ERROR: Unable to locate a modulefile for '$2'" >&2; return 1 ;;
    esac
}
"""
APPTAINER = """\
#!/bin/bash
# A stand-in: notes how it was called, shows only what --bind names, and runs the rest.
called=$(printf '%q ' "$@")
printf '%s\n' "$called" >> {log}  # at once: several of them are called at the same moment
while [ "$1" != /image ]; do shift; done
[ -e {image} ] || {{ echo "FATAL: could not open image /image" >&2; exit 255; }}
shift
exec "$@"
"""


def adapted(name: str, **words: str) -> str:
    """The text of an example, with the names of this site instead of the example's; each of which must be there."""
    text = (layout.CLUSTERS / f"{name}.yaml").read_text()
    for old, new in ({"partition: gpu": "partition: main", "time_min: 240": "time_min: 10"} | words).items():
        assert old in text, old
        text = text.replace(old, new)
    return text.replace("account: my-account", "").replace("nodes: 1, ranks: 4", "nodes: 1, ranks: 2")


def study_of(folder: Path, testbed: Testbed) -> Study:
    rows = [row | {"output": "a word"} for row in toy.instructions(None, toy.Options(part="dev"))]
    study = Study(folder, testbed.env, STUDY)
    (folder / "reference.json").write_text(json.dumps(rows))
    return study


def finish(testbed: Testbed, study: Study) -> dict:
    """The study's table is made by the jobs alone; the record of its generation."""
    wait_for(lambda: not testbed.run("squeue", "-h"), 200)
    assert len(study.csv().splitlines()) == 2, testbed.run("squeue")
    return json.loads(next(study.store.glob("generate/*/record.json")).read_bytes())


def scripts(study: Study, title: str) -> str:
    arrays = study.store.glob(".work/arrays/*/array_submission.sh")
    return "".join(text for p in arrays if f".{title}." in (text := p.read_text()))


def test_modules_and_a_virtual_environment(testbed, tmp_path):
    """A module that is not there fails each task that needs it once, with what the site's command said."""
    venv = tmp_path / "venv/bin"
    venv.mkdir(parents=True)
    (venv / "activate").write_text(f"export PATH={venv}:$PATH\n")
    (venv / "python").symlink_to(sys.executable)
    (venv.parent / "pyvenv.cfg").write_text((Path(sys.prefix) / "pyvenv.cfg").read_text())
    (venv.parent / "lib").symlink_to(Path(sys.prefix) / "lib")
    (tmp_path / "modules.sh").write_text(MODULES)
    cluster = adapted(
        "modules",
        **{
            "- module purge": f"- source {tmp_path}/modules.sh\n    - module purge",
            "/shared/my-group/venv": str(tmp_path / "venv"),
            "/shared/my-group/huggingface": str(tmp_path),
            "ib0": "lo",
        },
    )
    study = study_of(tmp_path / "study", testbed)
    study.sweep(cluster.replace("cuda/12.8", "cuda/99"))
    wait_for(lambda: not testbed.run("squeue", "-h"), 200)
    said = study.sweep(cluster, code=1)
    why = "setup line 3, `module load cuda/99`, ended with 1: ERROR: Unable to locate a modulefile for 'cuda/99'"
    assert why in said and "setup: " in said and not (study.store / "results").exists()
    assert len(list(study.store.glob(".work/pretrain/*/claims/*"))) == 1
    study.sweep(cluster, "--retry-failed")
    placed = finish(testbed, study)["placement"]
    assert placed["python"] == "python" and ["NCCL_SOCKET_IFNAME", "lo"] in placed["env"]
    assert "module load cuda/12.8" in placed["setup"] and "#SBATCH --mail-type=FAIL" in scripts(study, "generate")


def test_apptainer(testbed, tmp_path):
    """An image that is not there fails with what apptainer said; then the ranks run inside, with all that they need
    mounted.
    """
    image, log, programs = tmp_path / "image.sif", tmp_path / "calls", tmp_path / "bin"
    programs.mkdir()
    (programs / "apptainer").write_text(APPTAINER.replace("/image", str(image)).format(log=log, image=image))
    (programs / "apptainer").chmod(0o755)
    testbed_env = testbed.env | {"PATH": f"{programs}:{os.environ['PATH']}"}
    cluster = adapted(
        "apptainer",
        **{
            "/shared/my-group/winsweep.sif": str(image),
            "/shared/my-group/models": str(tmp_path / "models"),
            "python: python3": f"python: {sys.executable}",
        },
    )
    study = study_of(tmp_path / "study", testbed)
    study.env = testbed_env
    study.sweep(cluster)
    wait_for(lambda: not testbed.run("squeue", "-h"), 200)
    said = study.sweep(cluster, code=1)
    assert f"in {image}, which did not begin, ended with 255: FATAL: could not open image" in said
    image.write_bytes(b"an image")
    study.sweep(cluster, "--retry-failed")
    container = finish(testbed, study)["placement"]["container"]
    assert container["digest"] == hashlib.sha256(b"an image").hexdigest()
    calls = log.read_text().splitlines()
    assert any("--nv" in call for call in calls) and any("--nv" not in call for call in calls)  # generate, and the rest
    for call in calls:
        # the study's folder, in which the store and the local data lie
        assert f"--bind={study.folder} " in call and f"--bind={tmp_path}/models" in call and "--cleanenv" in call
        assert "winsweep.slurm.node" in call  # finalizers and watchdogs, which call sbatch, stay outside


def test_typed_gpus_and_few_jobs(accounting_testbed, tmp_path):
    testbed = accounting_testbed
    study = study_of(tmp_path / "gres", testbed)
    study.sweep(adapted("typed_gpus"))
    finish(testbed, study)
    assert "#SBATCH --gres=gpu:a100:1" in scripts(study, "generate")
    said = study_of(tmp_path / "wrong", testbed).sweep(adapted("typed_gpus", a100="h100"), "--dry-run", code=1)
    assert "refuses generate: Requested node configuration is not available" in said
    study = study_of(tmp_path / "few", testbed)
    study.sweep(adapted("few_jobs", **{"qos: student": "qos: normal"}))
    finish(testbed, study)


def test_a_reservation(testbed, tmp_path):
    testbed.run(
        "scontrol", "create", "reservation", "ReservationName=my-class", "StartTime=now", "Duration=60",
        "Users=root", "Nodes=n1,n2,n3",
    )  # fmt: skip
    try:
        study = study_of(tmp_path, testbed)
        study.sweep(adapted("reservation", **{"n[98-99]": "n1"}))
        assert finish(testbed, study)["node"] in ("n2", "n3")
        assert "--comment='language models 101'" in scripts(study, "generate")
    finally:
        testbed.run("scontrol", "delete", "ReservationName=my-class")


def test_pyxis_as_it_would_be_submitted(tmp_path, testbed):
    study = study_of(tmp_path, testbed)
    study.sweep(adapted("pyxis"), "--emit", str(tmp_path / "out"))
    said = (next((tmp_path / "out").glob("*-generate.sh"))).read_text()
    assert (
        "--container-image=/shared/my-group/winsweep.sqsh" in said
        and f"--container-mounts={study.folder}:{study.folder}" in said
    )
    assert "--no-container-mount-home" in said
    watchdog = (next((tmp_path / "out").glob("*-watchdog.sh"))).read_text()
    assert "container" not in watchdog
    assert subprocess.run(["bash", "-n", str(tmp_path / "out/submit.sh")]).returncode == 0
