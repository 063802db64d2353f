"""Where the parts of winsweep lie: in a checkout, in a code snapshot of the same shape, or in an installed package,
whose `bundled` folder (made by setup.py) holds what a checkout has beside src.
"""

import os
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
BUNDLED = PACKAGE / "bundled"
IS_BUNDLED = BUNDLED.is_dir()
ROOT = BUNDLED if IS_BUNDLED else PACKAGE.parents[1]
JOBS = ROOT / "jobs"
LAUNCH = ROOT / "launch"
TASKS = PACKAGE / "tasks"
JUDGES = PACKAGE / "judges"
DS_CONFIGS = ROOT / "ds_configs"
CLUSTERS = ROOT / "slurm/clusters"
STAGES = ROOT / "slurm/stages.yaml"
SHIPPED = PACKAGE / "shipped"
COMMIT = (
    ROOT / "COMMIT"
)  # what code this is, where it is no checkout: a commit, or v and the version that was installed


def snapshot_files() -> dict[Path, Path]:
    """Every file that a job needs, by its place in a code snapshot."""
    parts = {"src/winsweep": PACKAGE} | {name: ROOT / name for name in ("jobs", "ds_configs", "slurm")}
    return {
        Path(name) / file.relative_to(folder): file
        for name, folder in parts.items()
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and (folder != PACKAGE or BUNDLED not in file.parents)
    }


def python_path() -> dict[str, str]:
    """The variable with which another Python finds this code first; none where it is installed in that Python."""
    if IS_BUNDLED:
        return {}
    words = [
        str(PACKAGE.parent),
        *filter(None, [os.environ.get("PYTHONPATH")]),
    ]  # an empty word would be the current folder
    return {"PYTHONPATH": os.pathsep.join(words)}


@cache
def is_installed() -> bool:
    """Whether this is an installed package, or the code snapshot of one."""
    return COMMIT.is_file() and COMMIT.read_text().startswith("v")
