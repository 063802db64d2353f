"""A first cluster file, asked of a real SLURM: the doctor accepts it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def launch(testbed, at: Path, name: str, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(ROOT / f"launch/{name}.py"), *words],
        cwd=at,
        env=testbed.env,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_first_cluster_file_passes_the_doctor(testbed, tmp_path):
    done = launch(testbed, tmp_path, "init", "--cluster", "mine")
    assert done.returncode == 0 and "python launch/doctor.py clusters/mine.yaml" in done.stdout, done.stderr
    assert "partition: main" in (tmp_path / "clusters/mine.yaml").read_text()
    told = launch(testbed, tmp_path, "doctor", "mine")
    assert told.returncode == 0 and " 0 problem" in told.stdout, told.stdout + told.stderr
    again = launch(testbed, tmp_path, "init", "--cluster", "mine")
    assert again.returncode == 2 and "is there already" in again.stderr
