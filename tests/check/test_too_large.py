"""Cells that cannot fit are told with what would, and left out before anything is submitted."""

import subprocess
import sys
from dataclasses import replace

import pytest

from winsweep import layout
from winsweep.check import room, too_large
from winsweep.cluster_file import read_cluster
from winsweep.slurm import machines
from winsweep.workspace import open_workspace

STUDY = """\
name: s
models: {small: {hf_id: some/model-160m, revision: "0"}, large: {hf_id: some/model-70b, revision: "0"}}
tasks: {gsm: {from: toy}, sum: {from: toy, kinds: [sum], models: [small]}}
adapters: {base: {rules: []}}
seeds: [1, 2]
instructions: {from: toy, part: dev}
compare: {judge: reference_overlap, reference: {task: gsm}}
"""
CLUSTER = "kind: slurm\nall: {gpu_type: a100}\nstages: {finetune: {ranks: 8, gpus_per_rank: 1, zero: zero3%s}%s}\n"
STAGES = [p.stem for p in layout.JOBS.glob("*.py")]
SMALL = {f"small.{arm}.s{seed}" for arm in ("base", "gsm", "sum") for seed in (1, 2)}


@pytest.fixture(autouse=True)
def large_disk(monkeypatch) -> None:
    disk(monkeypatch, 1e15)


def disk(monkeypatch, free: float) -> None:
    monkeypatch.setattr(room.shutil, "disk_usage", lambda path: type("Usage", (), {"free": free}))


def left(tmp_path, finetune="", more="", asks=None, state="ready") -> tuple[set[str], list[str]]:
    """The cells that are run and what is said of the others."""
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "c.yaml").write_text(CLUSTER % (finetune, more))
    workspace = open_workspace(tmp_path / "study.yaml", tmp_path / "runs")
    cluster = read_cluster(layout.STAGES, tmp_path / "c.yaml", STAGES)
    items = [replace(i, state=state) if i.state != "done" else i for i in workspace.plan(workspace.facts())]
    found, said = too_large.without(workspace, items, cluster, asks or (lambda placed: None))
    return set(found.judged), said


def test_of_a_model_that_fits_nowhere_no_cell_is_run_and_the_others_are(tmp_path):
    cells, said = left(tmp_path, more=", generate: {gpus_per_rank: 1}")
    assert cells == SMALL
    told = next(line for line in said if "GPU of finetune" in line)
    assert told.startswith(f"{tmp_path}/c.yaml: large.gsm.s1, large.gsm.s2: GPU of finetune: 194.6 GB at least")
    assert "it has 80 GB; type zero: zero3_offload" in told and "or ranks: 32 with zero: zero3" in told
    assert "stages: {finetune: {check_memory: false}} runs it all the same" in told
    assert sum("GPU of generate: 280.0 GB at least" in line for line in said) == 1 and len(said) == 2


def test_an_estimate_can_be_overruled_and_what_runs_is_left_alone(tmp_path):
    assert left(tmp_path, ", check_memory: false", ", generate: {check_memory: false, gpus_per_rank: 1}")[1] == []
    assert left(tmp_path, state="running")[1] == []
    assert left(tmp_path, ", gpu_memory_gb: 288", ", generate: {gpus_per_rank: 1, gpu_memory_gb: 288}")[1] == []


def test_what_a_cell_is_compared_with_must_fit_too(tmp_path):
    cells, said = left(tmp_path, more=", generate: {check_memory: false}")
    assert cells == SMALL and len(said) == 1, "large.base is compared with large.gsm, which cannot be trained"


def test_a_cluster_is_asked_only_of_what_the_file_does_not_say(tmp_path):
    asked = []
    left(tmp_path, asks=asked.append)
    assert not asked
    told = left(
        tmp_path, ", gpu_type: fast", ", generate: {gpu_type: fast}", lambda placed: asked.append(placed) or 40.0
    )
    assert asked and all(placed.gpu_type == "fast" for placed in asked)
    assert any("it has 40 GB" in line for line in told[1])


def test_where_slurm_does_not_answer_nothing_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    more = ", gpu_type: fast"
    assert left(tmp_path, more, f", generate: {{gpus_per_rank: 1{more}}}", machines.gpu_gb())[1] == []


def test_a_node_must_hold_what_is_kept_away_from_its_gpus_and_a_disk_what_is_written(tmp_path, monkeypatch):
    enough = ", generate: {check_memory: false}"
    cells, said = left(tmp_path, "_offload, recompute: full, mem_gb: 1000", enough)
    assert cells == SMALL and "memory of each node of finetune: 1,260.0 GB at least for large.gsm.s1" in said[0]
    assert "mem_gb: 1000; type mem_gb: 1174 or more, or more nodes" in said[0]
    assert left(tmp_path, "_offload, recompute: full, mem_gb: 1200", enough)[1] == []
    disk(monkeypatch, 1e12)
    cells, said = left(tmp_path, "_offload, recompute: full, mem_gb: 1200", enough)
    assert cells == SMALL and "disk of finetune: 1,120.0 GB for checkpoint and model" in said[0]


def test_the_launcher_leaves_such_cells_out_and_exits_2_where_none_is_left(tmp_path):
    left(tmp_path)
    words = [str(layout.LAUNCH / "sweep.py"), str(tmp_path / "study.yaml"), "--store", str(tmp_path / "runs")]
    only = ["--cluster", str(tmp_path / "c.yaml"), "--only", "large.gsm.s1"]
    done = subprocess.run([sys.executable, *words, *only], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and not list(tmp_path.glob("runs/.work/*"))
    assert "error: " in done.stderr and "c.yaml: large.gsm.s1: GPU of finetune: 194.6 GB" in done.stderr
    assert done.stderr.endswith("left alone until then: large.gsm.s1\n")
