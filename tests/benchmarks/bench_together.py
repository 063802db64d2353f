"""Many studies at once in one store: python tests/benchmarks/bench_together.py [--studies 50] [--at-once 8]

Each has four arms and two seeds and shares most of its cells with its neighbours. So many launchers run at once until
every study has run; each study runs in a store of its own, too. What is counted: attempts that made each result, CSVs
that differ from those of the own store; then what commands take in the store of all. Stages are short ones
(short_stages.py).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from tests.benchmarks import short_stages  # noqa: E402

ARMS = 3  # beside the reference, which all studies share
SEEDS = 2
FILES = ("csv", "differences.csv", "style.csv")


def write(folder: Path, num: int) -> list[Path]:
    """A checkout of short stages in `folder`/code, and so many studies beside it."""
    short_stages.copy_checkout(folder / "code")
    found = []
    for n in range(num):
        arms = [f"t{k}: {{from: toy, num_examples: {k + 1}}}" for k in (0, *range(n + 1, n + 1 + ARMS))]
        text = short_stages.STUDY.replace("name: many", f"name: study{n}")
        found.append(folder / f"study{n}.yaml")
        found[-1].write_text(text % (", ".join(arms), ", ".join(map(str, range(SEEDS)))))
    return found


def command(name: str, studies: Sequence[Path], store: Path, *words: str) -> tuple[str, float, float, int]:
    """What a command of that checkout says, its wall and CPU seconds with its children's, and its peak in MB."""
    code, begun = studies[0].parent / "code", time.perf_counter()
    asked = [sys.executable, str(code / f"launch/{name}.py"), *map(str, studies), "--store", str(store), *words]
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(asked, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=env)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read().decode(errors="replace")
    assert process.returncode == 0, said[-3000:]
    return said, time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss >> 10


def run_all(studies: Sequence[Path], stores: Sequence[Path], at_once: int) -> tuple[float, float]:
    """Run every study in its store, so many at once; wall and CPU seconds."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        ran = list(pool.map(lambda study, store: command("sweep", [study], store), studies, stores))
    return time.perf_counter() - begun, sum(cpu_s for _, _, cpu_s, _ in ran)


def ends(store: Path) -> Counter[tuple[str, str]]:
    """How many attempts at each key ended how: (key, kind) to their number."""
    found: Counter[tuple[str, str]] = Counter()
    for path in store.glob(".work/*/*/ends/*"):
        key = path.parents[1].relative_to(store / ".work").as_posix()
        found[key, json.loads(path.read_bytes())["kind"]] += 1
    return found


def made_twice(store: Path) -> list[str]:
    """Keys that not exactly one attempt made."""
    made = {f"{p.parent.name}/{p.name.rpartition('-')[2]}" for p in store.glob("[a-z]*/*-????????????")}
    done = ends(store)
    return sorted(key for key in made if done[key, "done"] != 1)


def different(studies: Sequence[Path], store: Path, own: Sequence[Path]) -> list[str]:
    """Files of results that are not those of the study's own store, or are in one of both alone."""
    names = [(study.stem, of, f"{study.stem}.{kind}") for study, of in zip(studies, own) for kind in FILES]
    pairs = [(name, store / "results" / name, of / "results" / name) for _, of, name in names]
    return [
        name for name, a, b in pairs if a.exists() != b.exists() or (a.exists() and a.read_bytes() != b.read_bytes())
    ]


def look(studies: Sequence[Path], store: Path) -> None:
    """What a person asks when all is done."""
    print("\n| in the store of all | wall | CPU | peak |\n|---|---|---|---|")
    one = [studies[len(studies) // 2]]
    asked = {
        "sweep --dry-run of one": ("sweep", one, "--dry-run"),
        "sweep of one again": ("sweep", one),
        "status of one": ("status", one),
        "prune, one named, the others kept for their tables": ("prune", one),
        "prune, all named": ("prune", studies),
    }
    for what, (name, of, *words) in asked.items():
        said, wall_s, cpu_s, peak = command(name, of, store, *words)
        last = said.strip().splitlines()[-2][:80] if name == "prune" else ""
        print(f"| {what} | {wall_s:.1f} s | {cpu_s:.1f} s | {peak} MB | {last}", flush=True)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--studies", type=int, default=50)
    p.add_argument("--at-once", type=int, default=8)
    p.add_argument("--keep", type=Path, help="a folder for what is made, which stays")
    a = p.parse_args()
    folder = a.keep or Path(tempfile.mkdtemp(prefix="together-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        studies = write(folder, a.studies)
        store, own = folder / "runs", [folder / f"own/{study.stem}" for study in studies]
        print(f"{a.studies} studies of {(ARMS + 1) * SEEDS - SEEDS} cells, {a.at_once} at once\n")
        print("| stores | wall | CPU | results | attempts that made one | other ends |\n|---|---|---|---|---|---|")
        for what, stores in (("one for all", [store] * a.studies), ("one for each", own)):
            wall_s, cpu_s = run_all(studies, stores, a.at_once if what == "one for all" else 2)
            told = sum((ends(s) for s in dict.fromkeys(stores)), Counter())
            num = len([p for s in dict.fromkeys(stores) for p in s.glob("[a-z]*/*-????????????")])
            done = sum(n for (_, kind), n in told.items() if kind == "done")
            others = Counter({kind: n for (_, kind), n in told.items() if kind != "done"})
            print(f"| {what} | {wall_s:.0f} s | {cpu_s:.0f} s | {num} | {done} | {dict(others)} |", flush=True)
        print(f"\nnot made by exactly one attempt: {made_twice(store)}")
        print(f"files of results that differ from those of a store of its own: {different(studies, store, own)}")
        look(studies, store)
    finally:
        if not a.keep:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
