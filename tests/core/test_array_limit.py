"""A cluster whose arrays may have fewer tasks than SLURM's default: found out by a refusal, and remembered."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STUDY = """\
name: many
models: {a: {pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}}
tasks: {ins: {from: toy, num_examples: 24}}
seeds: [1, 2, 3, 4, 5]
instructions: {from: toy}
compare: {judge: reference_overlap, reference: {task: ins}}
"""
SBATCH = """\
#!/bin/bash
for script; do :; done
last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "$script")
if [ "$last" -ge 3 ]; then
    echo "sbatch: error: Batch job submission failed: Invalid job array specification" >&2
    exit 1
fi
echo "$script" >> "$HERE/accepted"
wc -l < "$HERE/accepted"
"""


@pytest.mark.skipif(shutil.which("srun") is None, reason="submitit wants srun on the PATH to write a script")
def test_an_array_that_is_refused_as_too_large_is_split(tmp_path):
    """The SLURM commands are scripts that answer as those of such a cluster do."""
    for name, text in (
        ("sbatch", SBATCH),
        ("squeue", "#!/bin/bash\n"),
        ("scancel", "#!/bin/bash\n"),
        ("scontrol", "#!/bin/bash\necho 'MaxArraySize = 3'\n"),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "c.yaml").write_text("kind: slurm\n")
    command = [
        sys.executable,
        str(ROOT / "launch/sweep.py"),
        str(tmp_path / "study.yaml"),
        "--store",
        str(tmp_path / "runs"),
        "--cluster",
        str(tmp_path / "c.yaml"),
    ]
    env = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HERE": str(tmp_path)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"(finetune\+collect|judge), (\d) task", done.stdout) == [
        ("finetune+collect", "3"),
        ("finetune+collect", "2"),
        ("judge", "3"),
        ("judge", "2"),
    ]
    assert (tmp_path / "runs/.cache/max_array_tasks").read_text() == "3"
