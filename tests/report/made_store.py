"""A store as a finished study would leave it, made in a moment: every artifact of a study, with what a test wants in
its files. Nothing of it was trained or judged.
"""

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from winsweep.artifact import Artifact
from winsweep.store import manifest
from winsweep.workspace import Workspace, open_workspace

HEAD = """\
name: made
models:
  m: {pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}
adapters:
  base: {rules: []}
recipe: {lr: 1.0e-3, epochs: 2, global_batch: 8, max_tokens: 128, precision: fp32}
instructions: {from: toy, part: dev}
compare: {judge: reference_overlap, reference: {task: ins}}
"""
RECORD = {
    "commit": "0" * 40,
    "dirty": False,
    "device": "NVIDIA H100 x1",
    "seconds": 1800.0,
    "python": "3.11.7",
    "system": "Linux",
    "packages": {"torch": "2.13.0"},
    "placement": {"ranks": 2, "gpus_per_rank": 1},
}
Row = dict[str, Any]
Rows = Callable[[Artifact, int], Row]  # the annotation of instruction n in a comparison


def study_text(num_tasks: int, seeds: Sequence[int] = (1, 2), head: str = HEAD) -> str:
    tasks = "".join(f"  t{n}: {{from: toy, num_examples: {8 + n}}}\n" for n in range(num_tasks))
    return f"{head}seeds: {list(seeds)}\ntasks:\n  ins: {{from: toy, num_examples: 2064}}\n{tasks}"


def drawn_row(judged: Artifact, n: int) -> Row:
    """Some arms are better than others, answers have lengths, and instructions kinds."""
    if judged.inputs["candidate"] == judged.inputs.get("reference"):
        return {"output_2": "a" * 40, "output_1": "a" * 40, "preference": 1.5}
    rng = random.Random(f"{judged.label} {n}")
    strength = random.Random(judged.label.split(".")[1]).uniform(0.2, 0.7)
    mine, theirs = rng.randint(10, 90), rng.randint(30, 60)
    return {"output_2": "b" * mine, "output_1": "a" * theirs, "preference": 1.0 + (rng.random() < strength)}


def make(
    folder: Path, text: str, num: int = 60, row: Rows = drawn_row, instruction: Callable[[int], str] | None = None
) -> Workspace:
    """The study `text` and its finished store in `folder`, with `num` instructions."""
    study = folder / "study.yaml"
    study.write_text(text, encoding="utf-8")
    workspace = open_workspace(study, folder / "runs")
    ask = instruction or (lambda n: f"What is thing {n}{'?' * (n % 17)}")
    asked = [{"instruction": ask(n), "dataset": f"kind{n % 3}"} for n in range(num)]
    for a in workspace.order:
        if a.stage != "aggregate":
            publish(workspace, a, files_of(a, asked, row))
    return workspace


def files_of(a: Artifact, asked: Sequence[Row], row: Rows) -> dict[str, str]:
    if a.stage == "judge":
        names = {"generator_1": "ref", "generator_2": a.label, "annotator": "reference_overlap"}
        rows = [{**r, "truncated": False, "num_tokens": 9, **names, **row(a, n)} for n, r in enumerate(asked)]
        return {"annotations.json": json.dumps(rows)}
    if a.stage == "finetune":
        return {"log.jsonl": "".join(f"{json.dumps(line)}\n" for line in log(300))}
    if a.stage == "prepare":
        return {"instructions.jsonl": "".join(f"{json.dumps(r)}\n" for r in asked)}
    return {"value.json": "{}"}


def log(steps: int) -> list[Row]:
    return [
        {"step": n, "loss": 2 / n**0.5, "lr": 1e-3 * (1 - n / steps), "tokens_per_s": 1e4} for n in range(1, steps + 1)
    ]


def publish(workspace: Workspace, a: Artifact, files: dict[str, str]) -> Path:
    made = workspace.store.root / a.name
    made.mkdir(parents=True)
    for name, text in files.items():
        (made / name).write_text(text, encoding="utf-8", errors="surrogatepass")
    (made / "record.json").write_text(json.dumps(RECORD | {"name": a.name}))
    manifest.seal(made)
    return made
