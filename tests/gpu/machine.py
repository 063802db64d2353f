"""What machine this is, and the speeds that its GPU reaches at all: machine.py [--toy] [--rows FILE]"""

import argparse
import importlib.metadata
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from tests.benchmarks import rows

LIBRARIES = ("torch", "transformers", "deepspeed", "accelerate", "huggingface-hub", "tokenizers", "numpy")


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "none"
    return found


def seconds(do: Callable[[], object], device: torch.device) -> float:
    """Of one call, mean of ten after two."""
    for i in range(12):
        if i == 2:
            wait(device)
            begun = time.perf_counter()
        do()
    wait(device)
    return (time.perf_counter() - begun) / 10


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--toy", action="store_true")
    parser.add_argument("--rows", type=Path)
    a = parser.parse_args()
    if not (a.toy or torch.cuda.is_available()):
        sys.exit(f"torch {torch.__version__} finds no GPU; --toy does without")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cuda":
        about = torch.cuda.get_device_properties(0)
        free, whole = torch.cuda.mem_get_info()
        gpu = {"GPU": about.name, "GiB": round(whole / 2**30, 1), "free GiB": round(free / 2**30, 1)}
        gpu |= {"CUDA": torch.version.cuda, "NCCL": ".".join(map(str, torch.cuda.nccl.version()))}
    else:
        gpu = {"GPU": "none", "cores": torch.get_num_threads()}
    rows.append(a.rows, "machine", gpu | versions())
    size, num_bytes = (256, 2**20) if a.toy else (8192, 2**32)
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    here = torch.zeros(num_bytes, dtype=torch.uint8, device=device)
    there = torch.empty_like(here)
    product, copy = seconds(lambda: left @ right, device), seconds(lambda: there.copy_(here), device)
    reached = {"bf16 product TFLOP/s": 2 * size**3 / product / 1e12, "copy TB/s": 2 * num_bytes / copy / 1e12}
    rows.append(a.rows, "speeds reached", reached)
    print(gpu, versions(), reached)


if __name__ == "__main__":
    main()
