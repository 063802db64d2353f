"""What large inputs cost: python tests/benchmarks/bench_sizes.py [rows] [training] [store] [ledger]

Each line is a process of its own: wall and CPU seconds, peak of resident and of anonymous memory, and what it says of
itself. `--code DIR DIR` measures the versions of several checkouts in turn, on the same inputs.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "src"))
from tests.benchmarks import large_inputs, large_ledger  # noqa: E402
from winsweep.store import manifest  # noqa: E402

PARTS = ("rows", "training", "store", "ledger")


class Desk:
    """A folder for what is made, the checkout that is measured, and one line of figures for each process."""

    def __init__(self, folder: Path, code: Path) -> None:
        self.folder, self.code = folder, code
        folder.mkdir(parents=True, exist_ok=True)
        self.env = os.environ | {
            "PYTHONPATH": str(code / "src"),
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }

    def child(self, what: str, part: str, *words: object) -> str:
        """A part of large_inputs, in the checkout's version."""
        script = HERE.with_name("large_ledger.py" if part == "ledger" else "large_inputs.py")
        return self.run(what, sys.executable, str(script), part, *map(str, words))

    def command(self, what: str, name: str, *words: object, codes: tuple[int, ...] = (0,)) -> str:
        """A command of launch/."""
        return self.run(what, sys.executable, str(self.code / f"launch/{name}.py"), *map(str, words), codes=codes)

    def run(self, what: str, *words: str, codes: tuple[int, ...] = (0,)) -> str:
        begun, anonymous = time.perf_counter(), [0]
        with tempfile.TemporaryFile() as out:
            process = subprocess.Popen(
                words, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=self.env
            )
            watcher = threading.Thread(target=watch, args=(process.pid, anonymous))
            watcher.start()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            wall_s = time.perf_counter() - begun
            watcher.join()
            out.seek(0)
            said = out.read().decode()
        assert process.returncode in codes, said[-3000:]
        last = said.strip().splitlines()[-1][:60] if said.strip() else ""
        cpu_s = used.ru_utime + used.ru_stime
        memory = f"{used.ru_maxrss * 1024 / 1e6:6.0f} MB ({anonymous[0] / 1e6:.0f} anonymous)"
        print(f"| {what} | {self.folder.name} | {wall_s:.1f} s | {cpu_s:.1f} s | {memory} | {last} |", flush=True)
        return said


def watch(pid: int, anonymous: list[int]) -> None:
    """Keep the most anonymous memory that a process had, until it is gone."""
    try:
        while True:
            told = Path(f"/proc/{pid}/status").read_text()
            if "RssAnon:" not in told:
                return
            anonymous[0] = max(anonymous[0], int(told.partition("RssAnon:")[2].split()[0]) * 1024)
            time.sleep(0.05)
    except OSError:
        return


def rows(desks: list[Desk], a: argparse.Namespace) -> None:
    """A file of rows, prepared, and to the first step of training."""
    source = a.folder / "rows.jsonl"
    large_inputs.write_rows(source, a.rows)
    print(f"{a.rows:,} rows, {source.stat().st_size / 1e6:.0f} MB", flush=True)
    for desk in desks:
        made = desk.folder
        desk.child("imports of prepare alone", "imports", "prepare")
        desk.child("prepare", "prepare", source, made / "prepared")
        desk.child("prepare, sample of a tenth", "prepare", source, made / "sampled", a.rows // 10)
        desk.child("prepare, mix of both", "mix", made / "mixed", made / "prepared", made / "sampled")
    names = ("prepared", "sampled", "mixed")
    same = {name: len({manifest.sha256_file(d.folder / name / "examples.jsonl") for d in desks}) == 1 for name in names}
    print(f"the same bytes of every version: {same}")


def training(desks: list[Desk], a: argparse.Namespace) -> None:
    """To the first step of training, on rows that are prepared already, alone and in two ranks."""
    large_inputs.write_prepared(a.folder / "examples.jsonl", a.training_rows)
    print(f"{a.training_rows:,} rows", flush=True)
    for desk in desks:
        desk.child("imports of finetune alone", "imports", "finetune")
        desk.child("finetune to its first step", "finetune", a.folder, desk.folder / "trained")
        desk.child("the same, a later attempt", "finetune", a.folder, desk.folder / "trained")
        desk.child("2 ranks to their first step", "finetune", a.folder, desk.folder / "trained2", 2)


def store(desks: list[Desk], a: argparse.Namespace) -> None:
    """A store of many results, and a small study in it."""
    at, study = a.folder / "store", large_inputs.write_study(a.folder, "small", seeds=2)
    if not at.exists():
        large_inputs.fill_store(at, a.artifacts)
    print(f"a store of {a.artifacts:,} results", flush=True)
    for when in ("nothing made", "made"):
        for desk in desks:
            desk.command(f"{when}: sweep --dry-run", "sweep", study, "--store", at, "--dry-run")
            desk.command(f"{when}: status", "status", study, "--store", at)
            desk.command(
                f"{when}: status --why", "status", study, "--store", at, "--why", "m.chess.s0", codes=(0, 1, 2)
            )
            desk.command(f"{when}: prune", "prune", study, "--store", at)
        if when == "nothing made":
            desks[-1].child("publish what the study asks for", "publish", study, at)


def ledger(desks: list[Desk], a: argparse.Namespace) -> None:
    """A ledger of many judgements."""
    at = a.folder / "ledger"
    if not at.exists():
        large_ledger.write_ledger(at, a.judgements)
    size = sum(p.stat().st_size for p in at.rglob("*.jsonl"))
    print(f"a ledger of {a.judgements:,} judgements, {size / 1e6:.0f} MB", flush=True)
    for desk in desks:
        desk.child("imports alone", "imports", "ledger")
        desk.child("find 805 of them, add one", "ledger", at, a.judgements)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("parts", nargs="*", choices=[*PARTS, []], help="what to measure (default: all)")
    p.add_argument("--rows", type=int, default=1_000_000)
    p.add_argument("--artifacts", type=int, default=100_000)
    p.add_argument("--judgements", type=int, default=1_000_000)
    p.add_argument("--training-rows", type=int, default=100_000)
    p.add_argument("--code", type=Path, nargs="+", default=[ROOT], help="the checkouts that are measured")
    p.add_argument("--keep", type=Path, help="a folder for what is made, which stays, and is taken from there again")
    a = p.parse_args()
    a.folder = a.keep or Path(tempfile.mkdtemp(prefix="sizes-"))
    try:
        desks = [Desk(a.folder / f"version{n}", code.resolve()) for n, code in enumerate(a.code, 1)]
        for part in a.parts or PARTS:
            print(f"## {part}\n\n| what | version | wall | CPU | peak | said |\n|---|---|---|---|---|---|", flush=True)
            globals()[part](desks, a)
    finally:
        if not a.keep:
            shutil.rmtree(a.folder)


if __name__ == "__main__":
    main()
