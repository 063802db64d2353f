"""The script of a rank when setup lines, variables or the store's name get in its way."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.test_node_environment import run_task
from winsweep.attempt import arrays
from winsweep.errors import BadStudy
from winsweep.node_environment import Container
from winsweep.placement import Cluster, Placement, Placements
from winsweep.slurm.code_snapshot import take_snapshot
from winsweep.slurm.containers import resolved


@pytest.mark.parametrize("line", ["unset PATH", "export PATH=/nowhere", "set -u; unset PATH", "set -C"])
@pytest.mark.parametrize("names", [(), (("folder", "/no"), ("id", "9"), ("said", "/no/x"), ("at", ""))])
def test_no_setup_line_and_no_variable_hides_why_a_rank_did_not_begin(line, names, tmp_path):
    placed = Placement(
        env=names, setup=(line, "at= id=5 folder=/no said=/no/x", "note() { :; }"), python="/no/such/python"
    )
    code, said = run_task(placed, tmp_path)
    assert code == 127 and "/no/such/python -m " in (arrays.failure(tmp_path, 3) or ""), said


@pytest.mark.parametrize(
    "line", ["module load \\", "cat <<EOF", "# a comment", "#SBATCH --nodes=5", "}; {", "true; }; { true"]
)
def test_a_setup_line_that_takes_in_what_follows_is_refused_before_it_is_submitted(line, tmp_path):
    with pytest.raises(BadStudy, match="each line must be a whole command of bash"):
        run_task(Placement(setup=(line,)), tmp_path)


def test_the_code_that_jobs_run_is_compiled_for_them(tmp_path):
    code = take_snapshot(tmp_path)
    words = [sys.executable, "-v", "-c", "import winsweep.errors; print(winsweep.errors.__cached__)"]
    done = subprocess.run(words, env={"PYTHONPATH": str(code / "src")}, capture_output=True, text=True, timeout=60)
    cached = Path(done.stdout.strip())
    assert cached.is_file() and cached.is_relative_to(code)
    assert f"matches {cached.parents[1]}/errors.py" in done.stderr, "it is read, not made again"


def test_a_store_that_jobs_could_not_read_their_code_from_is_refused(tmp_path):
    with pytest.raises(BadStudy, match="found a colon"):
        take_snapshot(tmp_path / "a:b")
    placed = Placement(container=Container("apptainer", "x"))
    with pytest.raises(BadStudy, match="paths without commas and colons"):
        resolved(Cluster("slurm", tmp_path / "c.yaml", Placements({"judge": placed})), tmp_path / "a,b", [])
