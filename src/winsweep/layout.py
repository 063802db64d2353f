"""Where the parts of a checkout lie; a code snapshot has the same shape."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
JOBS = ROOT / "jobs"
TASKS = ROOT / "src/winsweep/tasks"
JUDGES = ROOT / "src/winsweep/judges"
DS_CONFIGS = ROOT / "ds_configs"
CLUSTERS = ROOT / "slurm/clusters"
STAGES = ROOT / "slurm/stages.yaml"
SHIPPED = ROOT / "src/winsweep/shipped"
