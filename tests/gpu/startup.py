"""How long commands and ranks take to start: startup.py [--rows FILE]"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks import rows  # noqa: E402

IMPORTS = "from winsweep.attempt import warm; warm.import_for('finetune', 'collect', 'generate')"
GPU = "import torch; torch.cuda.is_available() and torch.zeros(1, device='cuda').item()"
COMMANDS = {
    "sweep.py --help": ((str(ROOT / "launch/sweep.py"), "--help"), 3),
    "what a rank imports": (("-c", IMPORTS), 1),
    "what a rank imports, again": (("-c", IMPORTS), 1),
    "torch and a first tensor on the GPU": (("-c", GPU), 1),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=Path)
    a = parser.parse_args()
    for what, (command, times) in COMMANDS.items():
        taken = []
        for _ in range(times):
            begun = time.perf_counter()
            subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
            taken.append(time.perf_counter() - begun)
        rows.append(a.rows, "start-up", {"of": what, "seconds": round(median(taken), 2)})
        print(f"{what}: {median(taken):.2f} s", flush=True)


if __name__ == "__main__":
    main()
