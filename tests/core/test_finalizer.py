"""However a task ends: SLURM's chain of finalizers tries it a few times at most, ends, and the reason is told. SLURM's
commands are scripts.
"""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.core.faulty import STUDY, check, checkout, every, rotated, use, workspace_of
from winsweep import layout
from winsweep.attempt import history, warm
from winsweep.attempt.retry import ChainProgress
from winsweep.cluster_file import read_cluster
from winsweep.slurm import cancel, finalizer, halt, node, reconcile
from winsweep.slurm.pending_finalizers import FINALIZER_FILE
from winsweep.store.claim import Claim
from winsweep.workspace import open_workspace

SBATCH = """\
#!/usr/bin/env python3
import json, os, pathlib, re, sys
q = pathlib.Path(os.environ["FAKEQ"])
text = open(sys.argv[-1]).read()
job = 100 + len(list(q.glob("*.json*")))
ranges = re.search(r"--array=([0-9,-]+)", text)[1]
tasks = [n for part in ranges.split(",") for a, _, b in [part.partition("-")] for n in range(int(a), int(b or a) + 1)]
told = {"tasks": tasks, "name": re.search(r"--job-name=(\\\\S+)", text)[1], "folder": text.split()[-1]}
(q / f"{job}.json").write_text(json.dumps(told))
print(job if "--parsable" in sys.argv else f"Submitted batch job {job}")
""".replace("\\\\", "\\")
SQUEUE = """\
#!/usr/bin/env python3
import json, os, pathlib, sys
if "-j" in sys.argv:
    print("RUNNING")
for p in [] if "-j" in sys.argv else sorted(pathlib.Path(os.environ["FAKEQ"]).glob("*.json")):
    told = json.loads(p.read_text())
    print("".join(f"{p.stem}_{i}|{told['name']}|PENDING|Priority||0:00|1:00:00\\n" for i in told["tasks"]), end="")
"""
SCANCEL = '#!/bin/sh\nfor task; do mv "$FAKEQ/${task%_*}.json" "$FAKEQ/${task%_*}.json.over"; done\n'
SCONTROL = '#!/bin/sh\nif [ "$1" = requeue ]; then touch "$FAKEQ/again-$2"; else echo "MaxArraySize = 1001"; fi\n'


@pytest.fixture
def queue(tmp_path, monkeypatch) -> Path:
    """A folder of submitted jobs, and commands that keep it."""
    (tmp_path / "bin").mkdir()
    shells = (("sinfo", "#!/bin/sh\necho n1\n"), ("srun", "#!/bin/sh\n"), ("scancel", SCANCEL))
    for name, text in (("sbatch", SBATCH), ("squeue", SQUEUE), ("scontrol", SCONTROL), *shells):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "q").mkdir()
    (tmp_path / "c.yaml").write_text("kind: slurm\nall: {time_min: 10}\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKEQ", str(tmp_path / "q"))
    return tmp_path / "q"


def run_task(job: str, index: int, folder: Path, restarts: int, monkeypatch) -> None:
    """One turn of a task, as a child of this process."""
    told = {
        "ARRAY_JOB_ID": job,
        "ARRAY_TASK_ID": index,
        "PROCID": 0,
        "NTASKS": 1,
        "JOB_ID": job,
        "RESTART_COUNT": restarts,
    }
    child = os.fork()
    if child == 0:
        try:
            os.environ |= {f"SLURM_{k}": str(v) for k, v in told.items()} | {"SLURMD_NODENAME": "n1"}
            os._exit(node.main(folder))
        finally:
            os._exit(1)
    os.waitpid(child, 0)


def run_queue(queue: Path, monkeypatch) -> list[tuple[str, Path]]:
    """Run every task of every array until none asks for another turn; the finalizers that are left."""
    left = []
    for path in sorted(queue.glob("*.json")):
        told = json.loads(path.read_text())
        folder = Path(told["folder"].strip("'"))
        if ".finalizer." in told["name"] or ".watchdog." in told["name"]:
            left += [(path, folder)] if ".finalizer." in told["name"] else []
            continue
        for index in told["tasks"]:
            again = queue / f"again-{path.stem}_{index}"
            for restarts in range(99):
                again.unlink(missing_ok=True)
                run_task(path.stem, index, folder, restarts, monkeypatch)
                if not again.exists():
                    break
        path.rename(path.with_suffix(".json.over"))
    return left


def chain_of(tmp_path, queue, monkeypatch, pairs) -> int:
    """The number of finalizers until the chain ends by itself; the table is made by finalizers, so that its stage has
    no tasks.
    """
    workspace = workspace_of(
        tmp_path, sorted({("judge" if stage == "aggregate" else stage, fault) for stage, fault in pairs})
    )
    cluster = read_cluster(layout.STAGES, tmp_path / "c.yaml", workspace.need.stages)
    use(monkeypatch, checkout(tmp_path / "code"))
    warm.import_for(*warm.SLOW)  # once, and not in each child
    reconcile.reconcile(workspace, cluster)
    for number in range(1, 20):  # noqa: B007  # it is returned
        finalizers = run_queue(queue, monkeypatch)
        if not finalizers:
            break
        path, folder = finalizers[0]
        told = json.loads((folder / FINALIZER_FILE).read_bytes())
        path.rename(path.with_suffix(".json.over"))
        reconcile.reconcile(workspace, cluster, own_job=path.stem, before=ChainProgress(**told["chain_progress"]))
    check(workspace, most=10)
    return number


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_fault_ends_the_chain_with_its_reason(tmp_path, queue, monkeypatch):
    assert chain_of(tmp_path, queue, monkeypatch, rotated()) <= 4


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_every_fault_at_every_stage_ends_the_chain_with_its_reason(tmp_path, queue, monkeypatch):
    assert chain_of(tmp_path, queue, monkeypatch, every()) <= 4


def leave_queue(queue: Path) -> tuple[str, Path]:
    """All jobs end without having done anything; the finalizer and its folder."""
    finalizers = []
    for path in queue.glob("*.json"):
        told = json.loads(path.read_text())
        path.rename(path.with_suffix(".json.over"))
        finalizers += [(path.stem, Path(told["folder"].strip("'")))] if ".finalizer." in told["name"] else []
    return finalizers[0]


def test_a_chain_that_gets_nowhere_ends_although_nothing_has_failed(tmp_path, queue, monkeypatch):
    """Tasks leave the queue without a trace, and each failure is forgiven before the finalizer looks."""
    workspace = workspace_of(tmp_path, [("prepare", "key")])
    cluster = read_cluster(layout.STAGES, tmp_path / "c.yaml", workspace.need.stages)
    reconcile.reconcile(workspace, cluster)
    sent = []
    while not sent or sent[-1]:
        job, folder = leave_queue(queue)
        history.forgive(workspace.store, [workspace.order[0].key])
        told = json.loads((folder / FINALIZER_FILE).read_bytes())
        seen = reconcile.reconcile(workspace, cluster, own_job=job, before=ChainProgress(**told["chain_progress"]))
        sent.append(len(seen.submitted))
    assert sent == [2, 2, 0] and "nothing was finished or got further" in halt.reason(workspace.store, "faulty")
    reconcile.reconcile(workspace, cluster)  # a person asks
    assert halt.reason(workspace.store, "faulty") == "" and len(list(queue.glob("*.json"))) == 3  # with the watchdog


def test_a_finalizer_leaves_word_when_its_study_is_gone_or_asks_for_something_else(tmp_path, queue, monkeypatch):
    (tmp_path / "study.yaml").write_text(STUDY)
    workspace = open_workspace(tmp_path / "study.yaml", tmp_path / "runs")
    cluster = read_cluster(layout.STAGES, tmp_path / "c.yaml", workspace.need.stages)
    reconcile.reconcile(workspace, cluster)
    job, folder = leave_queue(queue)
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", job)
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "0")
    (tmp_path / "study.yaml").write_text(STUDY.replace("examples: 24", "examples: 25"))
    assert finalizer.main(folder) == 0 and not list(queue.glob("*.json"))
    assert "was edited after it was submitted (a.ins.s1)" in halt.reason(workspace.store, "faulty")
    (tmp_path / "study.yaml").unlink()
    with pytest.raises(Exception, match=r"study.yaml"):
        finalizer.main(folder)
    assert "the finalizer could not go on" in halt.reason(workspace.store, "faulty")


def test_what_a_person_cancels_does_not_count_as_tried(tmp_path, queue):
    """Whether it had begun or not; what ended before somebody cancelled it does."""
    workspace = workspace_of(tmp_path, [("prepare", "key")])
    cluster, store, key = (
        read_cluster(layout.STAGES, tmp_path / "c.yaml", workspace.need.stages),
        workspace.store,
        workspace.order[0].key,
    )

    def begin(turn: int) -> Claim:
        job = next(p.stem for p in queue.glob("*.json") if ".prepare." in p.read_text())
        return store.claim(key, f"n1@1@0.00@slurm-{job}_0.{turn}", lambda name: False)

    for end in ("it never began", "killed", "preempted"):
        reconcile.reconcile(workspace, cluster)
        claim = begin(0) if end != "it never began" else None
        cancel.cancel(workspace, "")
        assert not list(queue.glob("*.json"))
        if end == "preempted":
            claim.end({"kind": end, "reason": "asked to end", "progress": 0})
        assert reconcile.look(workspace).items[0].state == "ready"
        assert history.over(store, key) == [] and history.so_far(store, key) == ""
    reconcile.reconcile(workspace, cluster)
    begin(0).end({"kind": "killed", "reason": "by its node", "progress": 0})
    begin(1)
    cancel.cancel(workspace, "")
    assert [e.reason for e in history.over(store, key)] == ["by its node"]
    reconcile.reconcile(workspace, cluster)
    begin(0)
    leave_queue(queue)
    assert [e.kind for e in history.over(store, key)] == ["killed", "killed"]


def test_an_analysis_that_was_left_alone_is_no_edit_of_the_study(tmp_path, queue, monkeypatch):
    """What a launcher leaves out, as its package is not there, its finalizer leaves out, too; one that is asked for
    more sees to both.
    """
    (tmp_path / "study.yaml").write_text(STUDY + "analyses: {rank: {data: ins, arms: [ins]}}\n")
    workspace = open_workspace(tmp_path / "study.yaml", tmp_path / "runs")
    cluster = read_cluster(layout.STAGES, tmp_path / "c.yaml", workspace.need.stages)
    reconcile.reconcile(replace(workspace, analyses={}), cluster)
    job, folder = leave_queue(queue)
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", job)
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "0")
    assert finalizer.main(folder) == 0 and list(queue.glob("*.json"))
    assert halt.reason(workspace.store, "faulty") == ""
    assert told(queue)["analyses"] == {}
    reconcile.reconcile(workspace, cluster)
    assert told(queue)["analyses"] == {name: a.key for name, a in workspace.analyses.items()} and workspace.analyses


def told(queue: Path) -> dict:
    """What the newest finalizer in the queue knows."""
    waiting = [json.loads(path.read_text()) for path in sorted(queue.glob("*.json"))]
    folder = [j["folder"].strip("'") for j in waiting if ".finalizer." in j["name"]][-1]
    return json.loads((Path(folder) / FINALIZER_FILE).read_bytes())
