"""What very long answers cost: python tests/benchmarks/bench_long.py [--rows 805] [--chars 100000] [--judge http|toy]

A study of two tasks whose answers have so many characters, judged by a server on loopback (or the toy's judge), then
every command that reads them. Each line is a process of its own: wall and CPU seconds with its children's, the peak of
resident memory of one process, and what was written. Stages but the judge's are short ones (short_stages.py).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "src"))
from tests.benchmarks import short_stages  # noqa: E402
from winsweep.report.chunks import read_chunk  # noqa: E402

STUDY = """\
name: long
models: {m: {pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}}
tasks: {t0: {from: toy}, t1: {from: toy, num_examples: 2}}
seeds: [1]
instructions: {from: jsonl, path: asked.jsonl}
compare: {judge: %s, reference: {task: t0}}
"""
JUDGES = {"http": "{from: alpaca, model: gpt-4-turbo}", "toy": "reference_overlap"}
ANSWER = """f"{(n * len(job.name) + sum(job.name.encode())) % 5} and {row['answer']}","""
LONG = """long(f"{job.name} {n}"),"""
TEXT = """

def long(name):
    import hashlib
    import random

    rng = random.Random(hashlib.sha256(name.encode()).digest())
    words = ["".join(rng.choices("etaoinshrdlu", k=rng.randrange(2, 9))) for _ in range(2000)]
    return " ".join(rng.choices(words, k=CHARS // 4))[:CHARS]


CHARS = """


def write(folder: Path, rows: int, chars: int, judge: str) -> Path:
    """A checkout whose answers are long, and a study for it; the file of the study."""
    code = short_stages.copy_checkout(folder / "code")
    generate = code / "jobs/generate.py"
    told = generate.read_text()
    assert ANSWER in told
    generate.write_text(told.replace(ANSWER, LONG).replace("\n\n\ndef want(", f"{TEXT}{chars}\n\n\ndef want(", 1))
    prepare = code / "jobs/prepare.py"
    asked = "NUM_ROWS = 4\n"
    assert asked in prepare.read_text()
    prepare.write_text(prepare.read_text().replace(asked, f"NUM_ROWS = {rows}\n"))
    lines = [json.dumps({"instruction": f"Which number is {n}?", "dataset": "toy"}) + "\n" for n in range(rows)]
    (folder / "asked.jsonl").write_text("".join(lines))
    (folder / "study.yaml").write_text(STUDY % JUDGES[judge])
    return folder / "study.yaml"


def run(folder: Path, what: str, name: str, *words: object, codes: tuple[int, ...] = (0,), env: dict) -> str:
    """One command on the study: a line of figures, and what it said."""
    begun, study = time.perf_counter(), str(folder / "study.yaml")
    command = [sys.executable, str(folder / f"code/launch/{name}.py"), study, *map(str, words)]
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            [*command, "--store", str(folder / "runs")],
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=env,
            cwd=folder,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode, size = os.waitstatus_to_exitcode(status), out.tell() or os.fstat(out.fileno()).st_size
        out.seek(0)
        said = out.read().decode()
    assert process.returncode in codes, said[-3000:]
    wall_s, cpu_s = time.perf_counter() - begun, used.ru_utime + used.ru_stime
    print(f"| {what} | {wall_s:.1f} s | {cpu_s:.1f} s | {used.ru_maxrss >> 10} MB | {size / 1e3:,.1f} kB |", flush=True)
    return said


@contextmanager
def server() -> Iterator[str]:
    """The judge's address; it is a process of its own, so that what it keeps is not counted."""
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdin and process.stdout
        yield process.stdout.readline().strip()
        process.stdin.close()


SERVER = """
import sys
from tests.judge.server import JudgeServer
with JudgeServer() as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


def whole(folder: Path, chars: int) -> bool:
    """Whether annotations and the files of the report hold every character."""
    rows = [row for path in folder.glob("runs/judge/*/annotations.json") for row in json.loads(path.read_bytes())]
    texts = {text for path in folder.glob("runs/results/*.texts/answers-*") for text in read_chunk(path)["text"]}  # type: ignore[index]
    judged = {row[side] for row in rows for side in ("output_1", "output_2")}
    return bool(rows) and {*map(len, judged)} == {chars} and judged == texts


def sizes(folder: Path) -> str:
    """How large what was written is, by kind."""
    found: dict[str, float] = {}
    for path in (folder / "runs").rglob("*"):
        if path.is_file() and not path.is_symlink():
            where = path.relative_to(folder / "runs").parts
            name = "/".join((where[0], where[1] if where[0] == ".work" else path.suffix or path.name))
            found[name] = found.get(name, 0) + path.stat().st_size / 1e6
    return ", ".join(f"{name} {size:.1f} MB" for name, size in sorted(found.items()) if size >= 0.1)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rows", type=int, default=805)
    p.add_argument("--chars", type=int, default=100_000)
    p.add_argument("--judge", choices=[*JUDGES], default="http")
    p.add_argument("--keep", type=Path, help="a folder for what is made, which stays")
    a = p.parse_args()
    folder = a.keep or Path(tempfile.mkdtemp(prefix="long-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        write(folder, a.rows, a.chars, a.judge)
        with server() as url:
            env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
            commands(folder, a, env | {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "sk-none"})
    finally:
        if not a.keep:
            shutil.rmtree(folder)


def commands(folder: Path, a: argparse.Namespace, env: dict) -> None:
    """Everything that a person types, in the order in which it is typed."""
    print(f"{a.rows} answers of {a.chars:,} characters\n\n| what | wall | CPU | peak | said |\n|---|---|---|---|---|")
    told = [run(folder, "sweep --dry-run, nothing made", "sweep", "--dry-run", env=env)]
    run(folder, "sweep", "sweep", env=env)
    there = [next((folder / "runs/judge").glob("m.t1.*")), folder / "runs/.judged"]
    for n, path in enumerate(there):
        path.rename(folder / f"aside{n}")
    told.append(run(folder, "sweep --dry-run, a judgement to make", "sweep", "--dry-run", env=env))
    for n, path in enumerate(there):
        (folder / f"aside{n}").rename(path)
    run(folder, "sweep again", "sweep", env=env)
    run(folder, "sweep --dry-run", "sweep", "--dry-run", env=env)
    run(folder, "status", "status", env=env)
    run(folder, "status --json", "status", "--json", env=env)
    run(folder, "logs", "logs", "m.t1.s1", env=env)
    run(folder, "report", "report", env=env)
    run(folder, "archive", "archive", folder / "long.zip", env=env)
    print(f"\nwritten: {sizes(folder)}; every character is there: {whole(folder, a.chars)}")
    print(
        "\n".join(
            line
            for said in told
            for line in said.splitlines()
            if line.startswith("judge alpaca: ") and "judgements" in line
        )
    )


if __name__ == "__main__":
    main()
