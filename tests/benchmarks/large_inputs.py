"""Inputs of large sizes made by rule, and the parts of winsweep that read them, one in each process: for bench_sizes.py
and tests of what memory and paths they take.

  python tests/benchmarks/large_inputs.py PART ARGUMENTS
"""

import json
import os
import random
import sys
import time
from pathlib import Path

import yaml

NAMES = "Natalia Weng Betty Julie James Albert Ken Alexis Tina Toula Mark Randy Jasper Joy Lisa Maila".split()
THINGS = "clips apples pages letters flowers boxes coins tickets eggs candles marbles cookies pencils stamps".split()
ROLES = {"user": "instruction", "assistant": "output"}
RECIPE = {
    "lr": 3e-4,
    "epochs": 1,
    "global_batch": 16,
    "max_tokens": 256,
    "beta2": 0.99,
    "precision": "fp32",
    "schedule_ticks": 1,
}


def row(n: int) -> dict:
    """A word problem and its solution, of about 500 bytes; another for each number."""
    rng = random.Random(n)
    who, what, (a, b, c) = rng.choice(NAMES), rng.choice(THINGS), (rng.randrange(2, 900) for _ in range(3))
    day = rng.choice(["on Monday", "in April", "before lunch", "at the market", "over the weekend"])
    asked = (
        f"{who} sold {a} {what} {day}, and then she sold {b} more to each of her {c} friends, who had all been told of "
        f"them at school. How many {what} did {who} sell altogether, if none came back and number {n} was the last?"
    )
    answer = (
        f"Each of {c} friends took {b} {what}, so her friends took {b} * {c} = <<{b}*{c}={b * c}>>{b * c} {what}.\n"
        f"{who} sold {a} + {b * c} = <<{a}+{b * c}={a + b * c}>>{a + b * c} {what} altogether.\n#### {a + b * c}"
    )
    return {"instruction": asked, "output": answer}


def write_rows(path: Path, num: int) -> None:
    if not path.exists():
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(json.dumps(row(n)) + "\n" for n in range(num))


def write_prepared(path: Path, num: int) -> None:
    """The same rows as the stage prepare leaves them."""
    if not path.exists():
        with open(path, "w", encoding="utf-8") as f:
            for told in map(row, range(num)):
                turns = [{"role": role, "content": told[name]} for role, name in ROLES.items()]
                f.write(json.dumps({"messages": turns}) + "\n")


def write_study(folder: Path, name: str, seeds: int = 1, **task: object) -> Path:
    """A study of one task (chess of the toy's, or as told) that runs on this machine."""
    path = folder / f"{name}.yaml"
    told = {
        "name": name,
        "models": {"m": {"pretrain": {"corpus": "toy", "seed": 0}}},
        "tasks": {"chess": task or {"from": "toy", "kinds": ["chess"], "num_examples": 16}},
        "seeds": list(range(seeds)),
        "recipe": RECIPE | {"schedule_ticks": 1},
        "instructions": {"from": "toy", "part": "dev"},
        "compare": {"judge": "reference_overlap", "reference": {"task": "chess"}},
    }
    path.write_text(yaml.safe_dump(told))
    return path


# -- what a child does


def imports(what: str) -> None:
    """What a part imports, and nothing else."""
    from winsweep.attempt import warm

    if what == "finetune":
        warm.import_for("finetune")
    elif what == "prepare":
        import winsweep.text.prepare
        import winsweep.workspace
    else:
        import winsweep.judge.ledger  # noqa: F401


def _job(study: Path, stage: str, out: Path, **more: object):
    from winsweep.attempt.job import Job
    from winsweep.placement import Placement
    from winsweep.workspace import open_workspace

    workspace = open_workspace(study, study.parent / "asked")
    a = next(a for a in workspace.order if a.stage == stage and a.plain_params.get("purpose", "examples") == "examples")
    work = out.with_name(f"{out.name}-work")
    for folder in (out, work):
        folder.mkdir(parents=True, exist_ok=True)
    files = {sha256: str(path) for sha256, path in workspace.study.files.items()}
    placement = Placement(micro_tokens=4096, ranks=int(str(more.get("num_ranks", 1))), zero="zero2")
    return Job(a.name.partition("/")[2], a.plain_params, more.pop("inputs", {}), out, work, placement, files, **more), a


def _stage(name: str):
    from winsweep import layout
    from winsweep.graph import load

    return load(layout.JOBS / f"{name}.py", "winsweep.jobs")


def prepare(source: str, out: str, sample: str = "") -> None:
    """The stage prepare of a file of rows, or of a sample of it."""
    told = {"sample": {"rows": int(sample), "seed": 1}} if sample else {}
    study = write_study(Path(out).parent, Path(out).name, path=source, **told)
    job, _ = _job(study, "prepare", Path(out))
    _stage("prepare").run(job)
    print(f"{job.notes['num_rows']:,} rows")


def mix(out: str, *sources: str) -> None:
    """The stage prepare of a mix of what was prepared."""
    from winsweep.attempt.job import Job
    from winsweep.placement import Placement

    at = Path(out)
    at.mkdir(parents=True, exist_ok=True)
    names = [f"source {n}" for n in range(1, len(sources) + 1)]
    params = {
        "purpose": "examples",
        "mix": [{"input": n, "share": 10.0 if i == 0 else 1.0} for i, n in enumerate(names)],
        "rows": None,
        "seed": 3,
    }
    job = Job("mix-0", params, dict(zip(names, map(Path, sources))), at, at, Placement())
    _stage("prepare").run(job)
    print(f"{job.notes['num_rows']:,} rows")


def finetune(prepared: str, out: str, ranks: str = "1") -> None:
    """The stage finetune up to its first step, after which the process ends."""
    begun, num = time.perf_counter(), int(ranks)
    rank = next((n for n in range(1, num) if os.fork() == 0), 0)
    from winsweep import layout

    def report(told: dict) -> None:
        print(f"rank {rank}: first of {told['total']:,} steps after {time.perf_counter() - begun:.0f} s", flush=True)
        if rank == 0:
            for _ in range(1, num):
                os.wait()
        os._exit(0)

    study = write_study(Path(out).parent, Path(out).name)
    base = next(p for p in layout.SHIPPED.iterdir() if p.is_dir())
    inputs = {"base": base, "examples": Path(prepared)}
    where = {
        "rank": rank,
        "num_ranks": num,
        "meeting": Path(out).with_name(f"meeting-{os.getppid() if rank else os.getpid()}"),
    }
    job, _ = _job(study, "finetune", Path(out), inputs=inputs, report=report, **where)
    _stage("finetune").run(job)


def publish(study: str, store: str) -> None:
    """Make what a study asks for appear in a store as made."""
    from winsweep.workspace import open_workspace

    workspace = open_workspace(Path(study), Path(store))
    for a in workspace.order:
        if a.key not in workspace.store.published():
            write_result(
                Path(store),
                a.stage,
                a.label,
                a.digest,
                a.version,
                a.plain_params,
                {n: i.key for n, i in a.inputs.items()},
            )
    print(f"{len(workspace.order)} results")


def write_result(store: Path, stage: str, label: str, digest: str, version: int, params: dict, inputs: dict) -> None:
    """A published directory with its record, and what its attempt left in .work."""
    from winsweep.store import manifest

    made, work = store / stage / f"{label}-{digest}", store / ".work" / stage / digest
    made.mkdir(parents=True)
    name = f"{stage}/{label}-{digest}"
    told = {"name": name, "version": version, "params": params, "inputs": inputs, "notes": {}, "attempt": 1}
    told |= {"stage": stage, "label": label, "digest": digest, "study": "/gone/study.yaml"}
    text = json.dumps(told)
    (made / "record.json").write_text(text)
    entries = {"record.json": manifest.entry_of(text.encode())}
    for file, content in FILES.get(stage, {}).items():
        (made / file).write_text(content)
        entries[file] = manifest.entry_of(content.encode())
    (made / "manifest.json").write_text(json.dumps(entries))
    for folder, file, content in (("claims", "000001", f"host@1@1.00@{digest}"), ("ends", "000001.json", DONE)):
        (work / folder).mkdir(parents=True)
        (work / folder / file).write_text(content)
    (work / "spec.json").write_text(text)


DONE = json.dumps({"attempt": 1, "kind": "done", "begun": 1.0, "seconds": 1.0})
FILES = {"judge": {"annotations.json": "[]"}, "generate": {"outputs.json": "[]"}}
STAGES = ("prepare", "finetune", "collect", "generate", "judge")


def fill_store(store: Path, num: int) -> None:
    """A store with so many results of studies that are gone: of each cell five, each with the claim that made it."""
    import hashlib

    from winsweep.store.store import Store

    Store(store).open()
    for n in range(num // len(STAGES)):
        key = ""
        for stage in STAGES:
            digest = hashlib.sha256(f"{stage}{n}".encode()).hexdigest()[:12]
            write_result(store, stage, f"m.t{n % 100}.s{n // 100}", digest, 1, {"n": n}, {"input": key} if key else {})
            key = f"{stage}/{digest}"


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
