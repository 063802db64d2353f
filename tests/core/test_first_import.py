"""A Python without winsweep's packages is told what to type, in the last line of what it prints."""

import subprocess
import sys
import venv

import pytest

from tests.local.conftest import ROOT


@pytest.mark.parametrize("script", sorted(p.name for p in (ROOT / "launch").glob("*.py")))
def test_a_python_without_the_packages_says_what_to_type(script, tmp_path):
    venv.create(tmp_path / "bare", symlinks=True)
    python = tmp_path / "bare/bin/python"
    done = subprocess.run(
        [python, "-I", ROOT / "launch" / script, "--help"], capture_output=True, text=True, timeout=60
    )
    last = done.stderr.splitlines()[-1]
    assert (
        done.returncode == 1 and f"{python} (Python {sys.version.split()[0]}) does not have winsweep's packages" in last
    )
    assert last.endswith("make install && source .venv/bin/activate")
