"""Runs the steps of tests/gpu/run.sh in the order of their worth, each within its own time and all within one: a step
that fails or takes too long costs the others nothing.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks import rows  # noqa: E402

PYTHON = sys.executable
MFU, DECODE = str(ROOT / "tests/benchmarks/bench_mfu.py"), str(ROOT / "tests/benchmarks/bench_decode_gpu.py")


@dataclass(frozen=True)
class Step:
    """`command` ends in time; it appends rows to the file that follows the word --rows."""

    name: str
    seconds: float  # after which it is killed
    least: float  # it is not begun with less left
    command: tuple[str, ...]


def steps(toy: bool) -> list[Step]:
    small, tiny = (("--toy",), ("--tiny",)) if toy else ((), ())
    tests = ("-m", "pytest", "-m", "gpu", "-p", "no:cacheprovider", "-o", "filterwarnings=")
    tests += ("-o", "addopts=-rs", "--continue-on-collection-errors")
    found = [
        Step("machine", 40, 5, (str(ROOT / "tests/gpu/machine.py"), *small)),
        Step("tests", 150, 30, (*tests, "tests/gpu", "tests/generate/test_attention.py")),
        Step("7b none", 90, 50, (MFU, "--shape=7b", "--recompute=none", "--steps=3", *small)),
        Step("decode", 90, 35, (DECODE, *tiny)),
        Step("1.3b none", 45, 25, (MFU, "--shape=1.3b", "--recompute=none", *small)),
        Step("7b cheap", 80, 45, (MFU, "--shape=7b", "--recompute=cheap", "--steps=3", *small)),
        Step("beside", 70, 30, (str(ROOT / "tests/benchmarks/beside_gpu.py"), *tiny)),
        Step("1.3b cheap", 45, 25, (MFU, "--shape=1.3b", "--recompute=cheap", "--steps=3", *small)),
        Step("start-up", 40, 15, (str(ROOT / "tests/gpu/startup.py"),)),
        Step("1.3b full", 45, 25, (MFU, "--shape=1.3b", "--recompute=full", "--steps=3", *small)),
        Step("7b full", 90, 45, (MFU, "--shape=7b", "--recompute=full", "--steps=2", *small)),
        Step("7b zero2", 80, 45, (MFU, "--shape=7b", "--zero=zero2", "--steps=2", *small)),
    ]
    # in small, one of a kind
    return [step for step in found if not toy or step.name not in ("7b cheap", "1.3b none", "1.3b cheap", "7b full")]


def environment(toy: bool) -> dict[str, str]:
    found = os.environ | {"PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    paths = [str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return found | {"PYTHONPATH": os.pathsep.join(paths)} | ({"WINSWEEP_GPU_REHEARSAL": "1"} if toy else {})


def run(step: Step, limit: float, out: Path, env: dict[str, str]) -> tuple[int | str, float]:
    """Its exit code, or why it has none, and the seconds it took; what it prints goes to the log and to the screen."""
    begun, command = time.monotonic(), [PYTHON, *step.command]
    if step.name != "tests":
        command += ["--rows", str(out / "rows.jsonl")]
    with open(out / "log.txt", "a", encoding="utf-8") as log:
        print(f"\n=== {step.name}: {' '.join(command)}", file=log, flush=True)
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code: int | str = process.wait(limit)
        except subprocess.TimeoutExpired:
            code = f"killed after {limit:.0f} s"
        finally:
            end(process)
    return code, time.monotonic() - begun


def end(process: subprocess.Popen) -> None:
    """Everything of a step: what it forked holds the GPU's memory, which the next one wants."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT") or "gpu-results"))
    parser.add_argument("--seconds", type=float, default=460, help="in all")
    parser.add_argument("--toy", action="store_true", help="in small, with or without a GPU")
    parser.add_argument("--only", action="append", help="a step; may be repeated")
    a, begun = parser.parse_args(), time.monotonic()
    a.out = a.out.resolve()
    a.out.mkdir(parents=True, exist_ok=True)
    found, failed = steps(a.toy), []
    if unknown := set(a.only or ()) - {step.name for step in found}:
        parser.error(f"--only: found {sorted(unknown)}; legal: {', '.join(step.name for step in found)}")
    for step in found if not a.only else [s for s in found if s.name in a.only]:
        left = a.seconds - (time.monotonic() - begun)
        if left < step.least and not a.toy:
            code, seconds = f"not begun: {left:.0f} s left", 0.0
        else:
            limit = step.seconds * (4 if a.toy else 1)  # a CPU may be busy with other things
            code, seconds = run(step, max(1.0, min(limit, left)), a.out, environment(a.toy))
        failed += [step.name] if code else []
        rows.append(a.out / "rows.jsonl", "steps", {"step": step.name, "seconds": round(seconds, 1), "ended": code})
        print(f"{step.name}: {code or 'well'}, {seconds:.1f} s", flush=True)
        (a.out / "table.md").write_text(rows.markdown(rows.read(a.out / "rows.jsonl")), encoding="utf-8")
    print(
        f"\n{(a.out / 'table.md').read_text()}\n{time.monotonic() - begun:.0f} s in all; not well: {failed or 'none'}"
    )
    if failed:
        print("".join((a.out / "log.txt").read_text(errors="replace").splitlines(keepends=True)[-80:]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
