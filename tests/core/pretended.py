"""A cluster that is pretended: its commands are scripts that answer as those of one that takes few jobs."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STUDY = """\
name: few
models: {a: {pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}}
tasks: {ins: {from: toy, num_examples: 24}, sum: {from: toy, kinds: [sum], num_examples: 24}}
seeds: [1, 2, 3]
instructions: {from: toy}
compare: {judge: reference_overlap, reference: {task: ins}}
"""
PRETENDED = r'''#!/usr/bin/env python3
"""The queue is $HERE/queue.json: what was accepted. A file $HERE/limit says how many tasks it takes, $HERE/refuse what
sbatch says to all else.
"""
import json, os, pathlib, re, sys
here = pathlib.Path(os.environ["HERE"])
name, words, path = pathlib.Path(sys.argv[0]).name, sys.argv[1:], here / "queue.json"
queue = json.loads(path.read_text()) if path.exists() else {}


def keep(queue):  # whole or not at all, also where the launcher is killed
    (here / "queue.new").write_text(json.dumps(queue))
    (here / "queue.new").replace(path)


with open(here / "calls", "a") as calls:
    print(name, *words, file=calls)
if (name, words[0]) == ("scontrol", "update") and os.environ.get("KILL") == "before the update":
    os.kill(os.getppid(), 9)
    sys.exit(1)
if name == "sbatch" and "--test-only" not in words:
    text = pathlib.Path(words[-1]).read_text()
    said = dict(re.findall(r"^#SBATCH --([a-z-]+)=(.*)$", text, re.MULTILINE))
    parts = [part.partition("-") for part in said["array"].partition("%")[0].split(",")]
    tasks = [n for first, _, last in parts for n in range(int(first), int(last or first) + 1)]
    refused = (here / "refuse").read_text() if (here / "refuse").exists() and len(queue) else ""
    if not refused and sum(len(j["tasks"]) for j in queue.values()) + len(tasks) > int((here / "limit").read_text()):
        refused = os.environ.get("WORDS", "sbatch: error: QOSMaxSubmitJobPerUserLimit\n"
            "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy "
            "(job submit limit, user's size and/or time limits)")
    if refused:
        sys.exit(refused)
    job = str(100 + len(queue))
    after, begin = said.get("dependency", ""), said.get("begin", "")
    queue[job] = {"tasks": tasks, "name": said["job-name"], "after": after, "begin": begin}
    if os.environ.get("KILL") == str(len(queue)):
        keep(queue)
        os.kill(os.getppid(), 9)
    print(os.environ.get("BANNER", "") + job + os.environ.get("SUFFIX", ""))
elif name == "squeue":
    for job, j in queue.items():
        for n in j["tasks"]:
            print(f"{job}_{n}" if "%i" == words[-1] else f"{job}_{n}|{j['name']}|PENDING|Priority||0:00|1:00:00")
elif name == "scontrol" and words[0] == "update":
    said = dict(w.partition("=")[::2] for w in words[1:])
    queue[said["JobId"]] |= {"after": said.get("Dependency", ""), "begin": said["StartTime"]}
    if os.environ.get("KILL") == "after the update":
        keep(queue)
        os.kill(os.getppid(), 9)
elif name == "scontrol":
    print("MaxArraySize = 1001")
elif name == "scancel":
    for word in words:
        queue.pop(word.partition("_")[0], None)
elif name == "sinfo":
    print("n1")
keep(queue)
'''


class Pretended:
    """A cluster whose queue only fills; `limit` is how many tasks it takes."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        for name in ("sbatch", "squeue", "scontrol", "scancel", "sinfo"):
            (folder / name).write_text(PRETENDED)
            (folder / name).chmod(0o755)
        self.takes(limit)
        (folder / "study.yaml").write_text(STUDY)
        (folder / "c.yaml").write_text("kind: slurm\n")

    def takes(self, limit: int) -> None:
        (self.folder / "limit").write_text(str(limit))

    def sweep(self, code: int = 0, **env: str) -> str:
        command = [
            sys.executable,
            str(ROOT / "launch/sweep.py"),
            str(self.folder / "study.yaml"),
            "--store",
            str(self.folder / "runs"),
            "--cluster",
            str(self.folder / "c.yaml"),
        ]
        env = os.environ | {"PATH": f"{self.folder}:{os.environ['PATH']}", "HERE": str(self.folder)} | env
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    @property
    def queue(self) -> dict[str, dict]:
        return json.loads((self.folder / "queue.json").read_text())

    @property
    def work(self) -> dict[str, dict]:
        """The queue without the watchdog."""
        return {job: j for job, j in self.queue.items() if ".watchdog." not in j["name"]}

    def jobs(self) -> list[tuple[str, int]]:
        """How many tasks of each stage, whatever arrays they are in."""
        num: dict[str, int] = {}
        for j in self.work.values():
            num[j["name"].split(".")[1]] = num.get(j["name"].split(".")[1], 0) + len(j["tasks"])
        return list(num.items())

    def open_folders(self) -> set[str]:
        return {
            p.parent.name
            for p in (self.folder / "runs/.work/arrays").glob("*/map.json")
            if not (p.parent / "over").exists()
        }
