"""A store as a finished study leaves it, made in a moment through the doors that attempts use: claims, end records,
specs, manifests, a ledger, a batch, a table. Nothing of it was trained.
"""

import json
import shutil
from pathlib import Path

from winsweep import results
from winsweep.artifact import Artifact
from winsweep.attempt import spec
from winsweep.judge import batch_records, ledger
from winsweep.judge.batch_records import Record
from winsweep.judge.questions import Judgement, Question
from winsweep.placement import Placement
from winsweep.store import liveness, provenance
from winsweep.workspace import Workspace, open_workspace

TEXT = """\
name: kept
models:
  a: {pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}
tasks:
  ins: {from: toy, num_examples: 24}
  own: {path: rows.jsonl}
seeds: [1, 2]
recipe: {lr: 1.0e-3, epochs: 2, global_batch: 8, max_tokens: 128, precision: fp32}
instructions: {from: toy, part: dev}
compare: {judge: reference_overlap, reference: {task: ins}}
"""
ROWS = '{"instruction": "Say hi.", "response": "Hi."}\n'
JUDGE = ("alpaca", 1, {"model": "m", "orders": 2})
BATCH = "0123456789abcdef" * 2


def make(folder: Path, text: str = TEXT) -> Workspace:
    """The study and its finished store in `folder`."""
    (folder / "rows.jsonl").write_text(ROWS)
    (folder / "study.yaml").write_text(text)
    workspace = open_workspace(folder / "study.yaml", folder / "runs")
    for a in workspace.order:
        publish(workspace, a)
    results.publish_table(workspace.store, workspace.study.name, workspace.table(set(workspace.judged)).key)
    judgements(workspace.store.root)
    return workspace


def publish(workspace: Workspace, a: Artifact) -> Path:
    """What an attempt would have left that failed once, and then made `a`."""
    store = workspace.store
    placed = Placement(scratch="/home/someone/scratch", account="someone")
    told = spec.make(a, store.root, workspace.study.path, workspace.study.files, placed)
    spec.write(told, store.work(a.key) / "spec.json")
    first = store.claim(a.key, liveness.owner("first"), lambda _: False)
    first.end({"attempt": 1, "owner": first.owner, "kind": "application", "reason": "no", "begun": 1.0, "progress": 0})
    claim = store.claim(a.key, liveness.owner("second"), lambda _: False)
    for name, data in files_of(a).items():
        (claim.out / name).write_bytes(data)
    record = {"attempt": claim.number, "owner": claim.owner, "begun": 1.7e9, "node": liveness.node(), "pid": 4711}
    made = {**record, "name": a.name, "version": a.version, "params": a.plain_params, "notes": {"num_rows": 3}}
    made |= {"inputs": {n: i.key for n, i in a.inputs.items()}, "placement": spec.placement.plain(placed)}
    made |= {**provenance.circumstances(), "seconds": 1.5, "peak_memory_mb": 10}
    (claim.out / "record.json").write_text(json.dumps(made, indent=1, sort_keys=True))
    path = store.publish(a.name, claim)
    claim.end(record | {"kind": "done", "seconds": 1.5})
    store.tidy(a.key)
    return path


def files_of(a: Artifact) -> dict[str, bytes]:
    if a.stage == "aggregate":
        row = "a,ins,1,50.0,0123456789ab\n"
        return {"results.csv": f"model,task,seed,win_rate,judge_key\n{row}".encode(), "differences.csv": b"x\n1\n"}
    if a.stage == "judge":
        rows = [{"instruction": "Say hi.", "output_1": "Hi.", "output_2": a.label, "preference": 1.5}]
        return {"annotations.json": json.dumps(rows).encode()}
    if a.stage == "generate":
        return {"outputs.json": json.dumps([{"instruction": "Say hi.", "output": a.label}]).encode()}
    if a.stage in ("pretrain", "finetune", "collect"):
        return {"model.safetensors": a.label.encode() * 50, "config.json": b'{"hidden_size": 16}'}
    if a.stage == "prepare":
        return {f"{a.plain_params['purpose']}.jsonl": f"{ROWS}{a.label}\n".encode()}
    return {"findings.json": b'{"facts": {}, "findings": []}'}


def judgements(store: Path) -> None:
    """A ledger of two writers, a batch that is over and one that is not."""
    kept = ledger.Ledger(*ledger.place(store, *JUDGE))
    for n in range(6):
        judgement = Judgement(1.0 + n / 6, {"a": n}, "m", "2026-11-01", (100, 10))
        kept.add(Question(f"what {n}", "x", "y"), judgement)
        if n == 3:
            kept.close()
    kept.close()
    folder = batch_records.folder_of(kept.folder)
    batch_records.begin(folder, Record(BATCH, "h/v1", "file-1", 2, (100, 10), 1.7e9), ["0" * 64, "1" * 64])


def copied(workspace: Workspace, folder: Path) -> Path:
    """The store once more."""
    return Path(shutil.copytree(workspace.store.root, folder, symlinks=True))
