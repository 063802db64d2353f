"""A checkout whose stages end as the labels of their artifacts say, and artifacts of every such end."""

import errno
import inspect
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from winsweep import errors, layout
from winsweep.artifact import Artifact
from winsweep.attempt.retry import PASSING
from winsweep.workspace import Workspace, open_workspace

ROOT = Path(__file__).resolve().parents[2]
STAGES = sorted(p.stem for p in (ROOT / "jobs").glob("*.py"))
STUDY = """\
name: faulty
models: {a: {pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}}
tasks: {ins: {from: toy, num_examples: 24}}
seeds: [1]
instructions: {from: toy}
compare: {judge: reference_overlap, reference: {task: ins}}
"""
OURS = [
    name
    for name, c in inspect.getmembers(errors, inspect.isclass)
    if issubclass(c, errors.WinsweepError) and c is not errors.Waiting  # which is no failure
]
OTHERS = {
    "enoent": f"raise OSError({errno.ENOENT}, 'no such file', 'gone.json')",
    "enospc": f"raise OSError({errno.ENOSPC}, 'no space left')",
    "edquot": f"raise OSError({errno.EDQUOT}, 'quota exceeded')",
    "eio": f"raise OSError({errno.EIO}, 'input/output error')",
    "import": "import a_package_that_nobody_has",
    "key": "raise KeyError('field')",
    "memory": "raise MemoryError('none left')",
    "gpu": "import torch; raise torch.OutOfMemoryError('CUDA out of memory')",
    "nccl": "raise RuntimeError('NCCL: peer gone')",
    "exit0": "raise SystemExit(0)",
    "exit3": "raise SystemExit(3)",
    "interrupt": "raise KeyboardInterrupt",
    "hard0": "os._exit(0)",
    "hard3": "os._exit(3)",
    "hard75": "os._exit(75)",
    "hard80": "os._exit(80)",
    "sigkill": "os.kill(os.getpid(), signal.SIGKILL)",
    "sigsegv": "os.kill(os.getpid(), signal.SIGSEGV)",
    "sigterm": "os.kill(os.getpid(), signal.SIGTERM)",
    "stopped": "raise errors.Stopped()",
    "limit": "raise errors.Stopped('time limit')",
    "preempted": "raise errors.Stopped('preempted')",
}
FAULTS = {f"e-{name.lower()}": f"raise errors.{name}('the reason')" for name in OURS} | OTHERS
JOB = '''\
"""A stage that ends as its label says."""
import os
import signal

from winsweep import errors

VERSION = 1
FAULTS = {faults!r}


def want(ask, need):
    raise NotImplementedError


def run(job):
    exec(FAULTS[job.name.rpartition("-")[0]])
'''


def checkout(folder: Path) -> Path:
    """A copy of the code with such stages."""
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("shipped", "__pycache__"))
    for name in ("slurm", "ds_configs"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "jobs").mkdir()
    for stage in STAGES:
        (folder / "jobs" / f"{stage}.py").write_text(JOB.format(faults=FAULTS))
    return folder


def workspace_of(folder: Path, pairs: list[tuple[str, str]]) -> Workspace:
    """A workspace that wants an artifact of each stage and fault, made from nothing."""
    (folder / "study.yaml").write_text(STUDY)
    workspace = open_workspace(folder / "study.yaml", folder / "runs")
    return replace(
        workspace, judged={}, has_table=False, analyses={f"{s}/{f}": Artifact(s, 1, f, {"fault": f}) for s, f in pairs}
    )


def use(monkeypatch, code: Path) -> None:
    """Attempts of this process, and of those that it starts, run the stages of `code`."""
    monkeypatch.setattr(layout, "ROOT", code)
    monkeypatch.setattr(layout, "PACKAGE", code / "src/winsweep")
    monkeypatch.setattr(layout, "JOBS", code / "jobs")
    for stage in STAGES:
        monkeypatch.delitem(sys.modules, f"winsweep.jobs.{stage}", raising=False)


def rotated() -> list[tuple[str, str]]:
    """Each fault at a stage, each stage with several faults."""
    return sorted((STAGES[n % len(STAGES)], fault) for n, fault in enumerate(FAULTS))


def every() -> list[tuple[str, str]]:
    return [(stage, fault) for stage in STAGES for fault in FAULTS]


def check(workspace: Workspace, most: int = 3) -> None:
    """Each artifact failed with a reason, within its budget."""
    failed = workspace.facts().failed
    for a in workspace.order:
        kinds = [workspace.store.end_of(a.key, n) for n in range(1, workspace.store.latest(a.key) + 1)]
        assert 1 <= len(kinds) <= (10 if a.label == "preempted" or (most > 3 and a.label == "sigterm") else 3), (
            a.name,
            kinds,
        )
        assert ": " in failed.get(a.key, ""), (a.name, kinds)
        if a.label.startswith("e-"):
            told = next(getattr(errors, name) for name in OURS if f"e-{name.lower()}" == a.label).kind
            assert "the reason" in failed[a.key] and len(kinds) == (3 if told in PASSING else 1), (a.name, kinds)
