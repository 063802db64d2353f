"""A checkout whose stages take a tenth of a second each, studies of thousands of cells for it, and their results made
without a queue: for tests and benchmarks of everything but the stages.

What judges and makes the table is real; of a pretraining, finetune or generation only the files are made that others
read.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STAGE_S = 0.1
STUDY = """\
name: many
models: {m: {pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}}
tasks: {%s}
seeds: [%s]
instructions: {from: toy, part: dev}
compare: {judge: reference_overlap, reference: {task: t0}}
"""
# of a cell there are its answers and its judgement alone, but of one finetune for each model
UNTRAINED = """\
name: untrained
models: {%s}
tasks: {t0: {from: toy}}
adapters: {%s}
seeds: [0]
instructions: {from: toy, part: dev}
compare: {judge: reference_overlap, reference: {task: t0}}
"""
# no cell waits for another
APART = (
    STUDY.replace("name: many", "name: apart")
    .replace("{task: t0}", "{outputs: reference.json}")
    .replace("{from: toy, part: dev}", "{from: jsonl, path: asked.jsonl}")
)
NUM_ROWS = 4  # of instructions and answers
SHORT = {
    "prepare": """
        asked = [{"instruction": f"Which number is {n}?", "dataset": "toy", "answer": str(n)} for n in range(NUM_ROWS)]
        rows = [row | {"messages": []} for row in asked]
        text = "".join(json.dumps(row) + chr(10) for row in rows)
        (job.out / f"{job.params['purpose']}.jsonl").write_text(text)
        job.notes["num_rows"] = NUM_ROWS
    """,
    "finetune": """
        steps = [{"step": n + 1, "loss": 2 - n / 10, "lr": 1e-3, "tokens_per_s": 100.0} for n in range(10)]
        (job.out / "log.jsonl").write_text("".join(json.dumps(step) + chr(10) for step in steps))
    """,
    "generate": """
        asked = map(json.loads, (job.inputs["instructions"] / "instructions.jsonl").read_text().splitlines())
        rows = [
            {
                "instruction": row["instruction"],
                "output": f"{(n * len(job.name) + sum(job.name.encode())) % 5} and {row['answer']}",
                "generator": job.name,
                "dataset": row["dataset"],
                "num_tokens": 3,
                "truncated": False,
            }
            for n, row in enumerate(asked)
        ]
        (job.out / "outputs.json").write_text(json.dumps(rows))
    """,
    "pretrain": "",
    "check": """
        (job.out / "findings.json").write_text(json.dumps({"findings": [], "facts": {}}))
    """,
    "collect": "",
}
RUN = """

def run(job):  # noqa: F811
    import json
    import os
    import time

    NUM_ROWS = {rows}
    time.sleep(float(os.environ.get("STAGE_S", "{seconds}")))
    (job.out / "made.txt").write_text(job.name)
{body}
"""
MAKE = """\
import os, sys, uuid
from pathlib import Path
from winsweep import layout
from winsweep.attempt import warm
from winsweep.attempt.stopflag import StopFlag
from winsweep.cluster_file import read_cluster
from winsweep.slurm.array_folders import spec_of
from winsweep.slurm.node import make
from winsweep.workspace import open_workspace
study, store, cluster, share = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4])
workspace = open_workspace(study, store)
placed = read_cluster(layout.STAGES, cluster, workspace.need.stages).placements
present, said, flag = workspace.store.published(), os.dup(1), StopFlag()
todo = [a for a in workspace.order if a.key not in present and a.stage != "aggregate"]
codes = [
    make(spec_of(workspace, a, placed.of(a.stage, a.label)), 0, 1, f"slurm-1_{n}.0", flag)
    for n, a in enumerate(todo[: int(share * len(todo))])
]
os.write(said, f"{len(codes)} made, {sum(map(bool, codes))} failed\\n".encode())
"""

# Attempts make as many finetunes, models, answers and judgements as serve as patterns; the others are written like one
# of those, with the names that belong to them.
COPY = (
    MAKE.split("present, said, flag")[0].replace("share = ", "num_left = ").replace("float(", "int(")
    + """\
import json
from winsweep.store import manifest
said, flag, there = os.dup(1), StopFlag(), workspace.store.published()
FILES = {"finetune": "log.jsonl", "collect": "made.txt", "generate": "outputs.json", "judge": "annotations.json"}
OUTPUTS = {"generator_1": "reference", "generator_2": "candidate"}
NUM_PATTERNS = 20

def names(a):
    used = {"generator": a.name.partition("/")[2]} if a.stage == "generate" else {}
    return used | {name: a.inputs[i].name.partition("/")[2] for name, i in OUTPUTS.items() if i in a.inputs}

def write(a, record, text):
    inputs = {name: i.key for name, i in a.inputs.items()}
    if a.stage in ("generate", "judge"):
        text = json.dumps([row | names(a) for row in json.loads(text)]).encode()
    texts = {
        FILES[a.stage]: text,
        "record.json": json.dumps(record | {"name": a.name, "params": a.plain_params, "inputs": inputs}).encode(),
    }
    texts["manifest.json"] = json.dumps({name: manifest.entry_of(text) for name, text in texts.items()}).encode()
    for folder in (store / a.name, store / ".work" / a.key):
        folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (store / a.name / name).write_bytes(text)

cells = [a for a in workspace.order if a.stage == "judge" and ".t0" not in a.label]
left = {key for a in cells[len(cells) - num_left :] for key in (a.key, a.inputs["candidate"].key)}
todo = [a for a in workspace.order if a.key not in there and a.key not in left and a.stage != "aggregate"]
patterns, num_made = {stage: [] for stage in FILES}, 0
for n, a in enumerate(todo):
    own = patterns.get(a.stage)
    if own is not None and len(own) >= NUM_PATTERNS and ".t0" not in a.label:
        write(a, *own[n % NUM_PATTERNS])
    else:
        num_made += not make(spec_of(workspace, a, placed.of(a.stage, a.label)), 0, 1, f"slurm-1_{n}.0", flag)
        if own is not None and ".t0" not in a.label:
            record, text = [(store / a.name / name).read_bytes() for name in ("record.json", FILES[a.stage])]
            own.append((json.loads(record), text))
os.write(said, f"{num_made} made, {len(todo) - num_made} written, {len(left)} left\\n".encode())
"""
)


def copy_checkout(folder: Path) -> Path:
    """The code of this checkout in `folder`, its stages short."""
    for name in ("src", "jobs", "launch", "slurm", "ds_configs"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "web.zip")
        )
    (folder / "COMMIT").write_text("0000000\n")
    warm = folder / "src/winsweep/attempt/warm.py"
    warm.write_text(re.sub(r"(?s)SLOW = \{.*?\n\}", 'SLOW = {"aggregate": "winsweep.stats.table"}', warm.read_text()))
    for stage, body in SHORT.items():
        path = folder / "jobs" / f"{stage}.py"
        head, _, tail = path.read_text().partition('\n\nif __name__ == "__main__":')
        told = textwrap.indent(textwrap.dedent(body), "    ")
        path.write_text(
            head + RUN.format(rows=NUM_ROWS, seconds=STAGE_S, body=told) + f'\n\nif __name__ == "__main__":{tail}'
        )
    return folder


def study_text(num_tasks: int, num_seeds: int, text: str = STUDY) -> str:
    """A study of so many tasks, and as many cells as that times its seeds."""
    tasks = ", ".join(f"t{n}: {{from: toy, num_examples: {n + 1}}}" for n in range(num_tasks))
    return text % (tasks, ", ".join(map(str, range(num_seeds))))


def write_apart(folder: Path, num_tasks: int, num_seeds: int) -> Path:
    """The file of such a study whose cells are compared with a file of outputs, so that none waits for another."""
    rows = [{"instruction": f"Which number is {n}?", "dataset": "toy"} for n in range(NUM_ROWS)]
    (folder / "asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "reference.json").write_text(json.dumps([row | {"output": "1 it is"} for row in rows]))
    (folder / "study.yaml").write_text(study_text(num_tasks, num_seeds, APART))
    return folder / "study.yaml"


def untrained_text(num_models: int, num_arms: int) -> str:
    """A study of so many models with so many arms each, of which only the first is trained."""
    models = ", ".join(
        f"m{n}: {{pretrain: {{num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: {n + 8}}}}}"
        for n in range(num_models)
    )
    arms = ", ".join(f"a{n}: {{rules: [eos], eos_window: {n}}}" for n in range(1, num_arms))
    return UNTRAINED % (models, arms)


def make_results(checkout: Path, study: Path, store: Path, cluster: Path, share: float = 1.0) -> str:
    """Make the first `share` of what is missing (inputs before users) but the table, by the same attempts as a task of
    SLURM makes, one after the other in one process.
    """
    env = os.environ | {"PYTHONPATH": str(checkout / "src"), "STAGE_S": "0", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", MAKE, str(study), str(store), str(cluster), str(share)]
    return subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout


def copy_results(checkout: Path, study: Path, store: Path, cluster: Path, num_left: int) -> str:
    """Make what is missing of a study but answers and judgements of its last `num_left` cells. Most of it is written
    like some that attempts made: to every command that is the same, and thousands take seconds.
    """
    env = os.environ | {"PYTHONPATH": str(checkout / "src"), "STAGE_S": "0", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", COPY, str(study), str(store), str(cluster), str(num_left)]
    return subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
