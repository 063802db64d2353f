"""tests/gpu/run.sh in small on whatever is there, and what it keeps when a step is cut."""

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from tests.benchmarks import rows
from tests.gpu import steps, unpack

HERE = Path(__file__).parent
STEPS = ("machine", "7b none", "decode")


@pytest.mark.slow
@pytest.mark.parametrize("names", [STEPS, pytest.param(("tests", *STEPS), marks=pytest.mark.long)], ids=len)
def test_all_of_it_runs_in_small(tmp_path: Path, names: tuple[str, ...]) -> None:
    command = [
        str(HERE / "run.sh"),
        "--toy",
        "--seconds=560",
        "--out",
        str(tmp_path),
        *(f"--only={name}" for name in names),
    ]
    env = os.environ | {"PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=580)
    assert done.returncode == 0, done.stdout + done.stderr
    found = rows.read(tmp_path / "rows.jsonl")
    assert {row["step"]: row["ended"] for row in found if row["what"] == "steps"} == dict.fromkeys(names, 0)
    by_kind = {row["what"]: row for row in found}
    assert by_kind["machine"]["torch"] and by_kind["speeds reached"]["copy TB/s"] > 0
    assert by_kind["finetune"]["packed"] == "yes" and by_kind["finetune"]["useful slots %"] > 95
    assert by_kind["decoding"]["tokens/s"] > 0
    assert "| 7b none |" in (tmp_path / "table.md").read_text()
    assert "tests" not in names or "passed" in (tmp_path / "log.txt").read_text()


def test_what_was_measured_before_a_cut_is_there_and_nothing_runs_on(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time; sys.path.insert(0, '.'); from pathlib import Path\n"
        "from tests.benchmarks import rows\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "rows.append(Path(sys.argv[-1]), 'some', {'child': child.pid, 'share': 12.345678})\n"
        "time.sleep(60)\n"
    )
    step = steps.Step("slow", 60, 1, ("-c", code))
    ended, seconds = steps.run(step, 3.0, tmp_path, steps.environment(False))
    assert ended == "killed after 3 s" and seconds < 20
    [row] = rows.read(tmp_path / "rows.jsonl")
    for _ in range(100):
        stat = Path(f"/proc/{row['child']}/stat")
        if not stat.exists() or ") Z " in stat.read_text():
            break
        time.sleep(0.05)
    else:
        raise AssertionError("what the step started still runs")
    assert rows.markdown([row]).splitlines()[-1] == f"| {row['child']} | 12.35 |"


def test_a_row_that_was_cut_is_left_out(tmp_path: Path) -> None:
    rows.append(tmp_path / "rows", "a", {"x": 1})
    with open(tmp_path / "rows", "a") as file:
        file.write('{"what": "a", "x"')
    assert rows.read(tmp_path / "rows") == [{"what": "a", "x": 1}]
    assert rows.read(tmp_path / "none") == []


def test_what_this_python_lacks_is_unpacked_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("pytest-9-py3-none-any", "winsweep_lacks-1-py3-none-any", "winsweep_lacks-1-cp27-cp27mu-win32"):
        with zipfile.ZipFile(tmp_path / f"{name}.whl", "w") as file:
            file.writestr(f"{name.partition('-')[0]}/of.json", json.dumps(name))
    unpack.main(tmp_path, tmp_path / "site")
    [found] = [path for path in (tmp_path / "site").rglob("*") if path.is_file()]
    assert json.loads(found.read_text()) == "winsweep_lacks-1-py3-none-any"
    assert capsys.readouterr().out == "unpacked: winsweep-lacks 1\n"


def test_the_time_of_all_steps_is_what_a_lease_has() -> None:
    found = steps.steps(toy=False)
    assert [step.name for step in found][:4] == ["machine", "tests", "7b none", "decode"]
    assert all(step.least < step.seconds for step in found)
    # those of most worth fit even where each takes all that it may
    assert sum(step.seconds for step in found[:5]) <= 460


def test_wheels_are_listed_once_and_the_script_says_how_it_is_called() -> None:
    names = [line for line in (HERE / "wheels.txt").read_text().splitlines() if not line.startswith("#")]
    assert len(names) == len(set(names)) and "deepspeed" in names
    done = subprocess.run([str(HERE / "wheels.sh")], capture_output=True, text=True)
    assert done.returncode == 2 and "tests/gpu/wheels.sh FOLDER" in done.stdout
