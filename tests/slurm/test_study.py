"""A whole study on real daemons: cells over two nodes each, three of them broken at first, and the table of the local
run.
"""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.slurm.conftest import Testbed, wait_for

ROOT = Path(__file__).resolve().parents[2]
STUDY = """\
name: grid
models:
  a: {pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}
  b: {pretrain: {num_tokens: 0, width: 24, layers: 1, heads: 2, mlp: 32, seed: 1}}
tasks:
  ins: {from: toy, num_examples: 24}
  response: {from: toy, num_examples: 24, empty_instructions: true}
  sum: {from: toy, kinds: [sum], num_examples: 24, leave_out: [sum]}
  poem: {from: toy, kinds: [poem], num_examples: 24, leave_out: [poem]}
seeds: [1, 2, 3]
recipe: {lr: 1.0e-2, epochs: 4, global_batch: 8, max_tokens: 128, precision: fp32}
instructions: {from: toy, part: dev}
decoding: {max_new_tokens: 8, batch: 20}
compare: {judge: reference_overlap, reference: {task: ins}}
"""
PLACED = (
    "all: {partition: main, time_min: 10, signal_s: 30, timeout_s: 60}\nstages: {finetune: {%s ranks: 2, zero: "
    "zero2}, generate: {gpus_per_rank: 1}}\n"
)
# in the task that trained the model
TOGETHER = ("generate: {gpus_per_rank: 1}", "generate: {gpus_per_rank: 1, where: with_input}")
ON_NODES = "kind: slurm\n" + PLACED % "nodes: 2, gpus_per_rank: 1,"
HERE = "kind: local\n" + PLACED % ""
ZERO3 = 'labels: {%s"b.*": {finetune: {zero: zero3}}}\n'  # both models in one study, each under its own stage of ZeRO
BROKEN = ("a.sum.s1", "b.poem.s2", "b.response.s{last}")


class Study:
    """The study in a folder, and the launcher on it."""

    def __init__(self, folder: Path, env: dict[str, str], text: str = STUDY) -> None:
        self.folder, self.env, self.store = folder, env, folder / "runs"
        folder.mkdir(exist_ok=True)
        (folder / "study.yaml").write_text(text)

    def sweep(self, cluster: str, *words: str, code: int = 0) -> str:
        (self.folder / "c.yaml").write_text(cluster)
        command = [
            sys.executable,
            str(ROOT / "launch/sweep.py"),
            str(self.folder / "study.yaml"),
            "--store",
            str(self.store),
            "--cluster",
            str(self.folder / "c.yaml"),
            *words,
        ]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=580)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def csv(self) -> bytes:
        return (self.store / "results/grid.csv").read_bytes()

    def made(self) -> list[str]:
        """Keys, one for each attempt that ended as done."""
        records = [
            (p, json.loads(p.read_bytes())["kind"])
            for p in self.store.glob(".work/*/*/ends/*.json")
            if p.parents[2].name != "submit"
        ]
        return [p.parents[1].name for p, kind in records if kind == "done"]


def drained(testbed: Testbed, timeout_s: float) -> None:
    wait_for(lambda: not testbed.run("squeue", "-h"), timeout_s)


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("num_seeds", [2, pytest.param(3, marks=pytest.mark.long)])
def test_a_grid_over_four_nodes_with_three_broken_cells_ends_as_the_local_run(testbed, tmp_path, num_seeds):
    text, num = STUDY.replace("[1, 2, 3]", str([*range(1, num_seeds + 1)])), 8 * num_seeds
    study, broken = Study(tmp_path / "slurm", testbed.env, text), [label.format(last=num_seeds) for label in BROKEN]
    poison = "".join(f'"{label}": {{finetune: {{env: {{TORCH_LOGS: none-such}}}}}}, ' for label in broken)
    said = study.sweep(ON_NODES.replace(*TOGETHER) + ZERO3 % poison)
    # one array for each way of placing it
    assert said.count("finetune+collect+generate,") == 3 and f"0 of {num} cells judged" in said
    drained(testbed, 900)
    rows = [r for r in csv.DictReader(study.csv().decode().splitlines()) if r["seed"] != "mean"]
    assert len(rows) == num - 3 and not {f"{r['model']}.{r['task']}.s{r['seed']}" for r in rows} & set(broken)
    said = study.sweep(ON_NODES.replace(*TOGETHER) + ZERO3 % "", "--verbose", code=1)
    assert (
        f"0 arrays submitted; {num - 3} of {num}" in said
        and said.count("failed  finetune/") == 3
        and said.count("Invalid log settings") >= 3
        and "slurm-" in said
    )
    said = study.sweep(ON_NODES.replace(*TOGETHER) + ZERO3 % "", "--retry-failed")
    assert sum(int(line.split("+generate, ")[1].split()[0]) for line in said.splitlines() if "+generate, " in line) == 3
    drained(testbed, 400)
    made = study.made()
    assert len(made) == len(set(made)) and f"0 arrays submitted; {num} of {num}" in study.sweep(
        ON_NODES.replace(*TOGETHER) + ZERO3 % ""
    )
    local = Study(tmp_path / "local", testbed.env, text)
    local.sweep(HERE + ZERO3 % "")
    assert study.csv() == local.csv()
    for name, zero in (("a.ins.s1", 2), ("b.ins.s1", 3)):
        record = json.loads(next(study.store.glob(f"finetune/{name}-*/record.json")).read_bytes())
        assert record["notes"]["deepspeed"]["zero_optimization"]["stage"] == zero and record["placement"]["nodes"] == 2


SMALL = (
    STUDY.replace("seeds: [1, 2, 3]", "seeds: [1]")
    .replace("  response:", "  #")
    .replace("  poem:", "  #")
    .replace("  b: {", "  #")
)


@pytest.mark.faults
@pytest.mark.slow
def test_a_study_with_accounting(accounting_testbed, tmp_path):
    study = Study(tmp_path, accounting_testbed.env, SMALL)
    study.sweep(ON_NODES)
    drained(accounting_testbed, 300)
    assert "0 arrays submitted; 2 of 2 cells" in study.sweep(ON_NODES)
    assert "COMPLETED" in accounting_testbed.run("sacct", "-n", "-o", "state")


@pytest.mark.slow
def test_queued_jobs_run_the_code_as_it_was_submitted_and_a_cancelled_study_leaves_the_queue(testbed, tmp_path):
    study = Study(tmp_path, testbed.env, SMALL)
    testbed.run("scontrol", "update", "partition=main", "state=down")
    try:
        study.sweep(ON_NODES)
        scripts = [p.read_text() for p in study.store.glob(".work/arrays/*/*_submission.sh")]
        copies = {
            line.split("PYTHONPATH=")[1].split()[0]
            for text in scripts
            for line in text.splitlines()
            if "PYTHONPATH=" in line
        }
        assert len(scripts) == 8 and len(copies) == 1 and copies.pop().startswith(f"{study.store}/.work/code/")
        assert "0 arrays submitted" in study.sweep(ON_NODES)  # all of it is in the queue already
        study.sweep(ON_NODES, "--cancel", "a.sum.s1")
        finalizer = json.loads(next(study.store.glob(".work/arrays/*/finalizer.json")).read_bytes())
        assert finalizer["cells"] == ["a.ins.s1"]  # it does not submit again what was cancelled
        assert len(testbed.run("squeue", "-h", "-r").splitlines()) > 0
        study.sweep(ON_NODES, "--cancel")
        drained(testbed, 60)
    finally:
        testbed.run("scontrol", "update", "partition=main", "state=up")


@pytest.mark.long
def test_what_needs_the_internet_runs_on_the_login_node_while_it_is_watched(testbed, tmp_path):
    study = Study(tmp_path, testbed.env, SMALL)
    login = ON_NODES.replace("stages: {", "stages: {prepare: {where: login}, judge: {where: login}, ").replace(
        *TOGETHER
    )
    said = study.sweep(login, "--watch")
    assert "0 arrays submitted; 2 of 2 cells judged" in said and "prepare," not in said and "judge," not in said
    made = study.made()
    assert len(made) == len(set(made)) and len(study.csv().splitlines()) == 1 + 2
    hosts = {p.parent.parent.name: json.loads(p.read_bytes())["owner"] for p in study.store.glob("*/*/record.json")}
    assert all(
        ("slurm-" in owner) == (stage not in ("prepare", "judge"))
        for stage, owner in hosts.items()
        if stage != "aggregate"
    )
