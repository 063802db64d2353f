"""What a node has: torch and its libraries, GPUs and their driver, scratch, locks on the shared disk, the way to the
hub.

Asked on the node itself; an answer that cannot be had is said as it failed, never guessed.
"""

import fcntl
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

HUB_S = 5.0
HUB = "https://huggingface.co"
ASK_GPUS = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]


def facts(shared: Path, scratch: str | None) -> dict[str, object]:
    """Everything of this node, in JSON types; `shared` is a directory of the store, `scratch` is a placement's."""
    found = gpus()
    mbs = [mb for _, mb, _ in found]
    return {
        "torch": torch_facts(),
        "gpus": [f"{name}, {_memory(mb)}, driver {driver}" for name, mb, driver in found],
        "gpu_gb": [float(mb) * 2**20 / 1e9 for mb in mbs] if all(map(_is_number, mbs)) else [],
        "scratch": scratch_text(scratch),
        "locks": locks_text(shared),
        "hub": hub_text(os.environ),
    }


def torch_facts() -> dict[str, object]:
    """Version, CUDA, NCCL and the devices that torch sees; an `error` where it does not import."""
    try:
        import torch
    except Exception as e:  # whatever a broken installation raises
        return {"error": f"{type(e).__name__}: {e}"[:300]}
    nccl = torch.cuda.nccl.version() if torch.cuda.is_available() else ()
    return {
        "version": str(torch.__version__),
        "cuda": torch.version.cuda,
        "nccl": ".".join(map(str, nccl)),
        "devices": torch.cuda.device_count(),
    }


def gpus() -> list[list[str]]:
    """Of each GPU that the driver shows this job its name, memory in MiB (or [N/A], or that this is not told to all),
    and the driver's version.
    """
    try:
        said = subprocess.run(ASK_GPUS, capture_output=True, text=True, errors="replace", timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return []
    rows = [re.split(r",\s*", line) for line in said.stdout.splitlines()] if said.returncode == 0 else []
    return [row for row in rows if len(row) == 3]


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) is not None


def _memory(mb: str) -> str:
    return f"{float(mb) / 1024:.0f} GB" if _is_number(mb) else f"memory not told ({mb})"


def scratch_text(scratch: str | None) -> str:
    """Where scratch is and how much is free there, or why it does not serve; "" where none is asked for."""
    if not scratch:
        return ""
    path = Path(scratch if "/" in scratch else os.environ.get(scratch, ""))
    if not path.parts:
        return f"problem: the variable {scratch} is not set on the node"
    try:
        probe = path / f".winsweep-{os.getpid()}"
        probe.touch()
        probe.unlink()
        return f"{path}: {shutil.disk_usage(path).free / 1e9:.0f} GB free"
    except OSError as e:
        return f"problem: {path}: {e.strerror or e}"


def locks_text(shared: Path) -> str:
    """Whether a lock on the shared disk keeps a second one out; "problem: …" where it does not."""
    path = shared / "lock"
    try:
        with open(path, "w") as first, open(path, "w") as second:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return "work"
        return "problem: two processes get the same lock"
    except OSError as e:
        return f"problem: {e.strerror or e}"


def hub_text(environment: Mapping[str, str]) -> str:
    """Whether a node reaches the model hub, within a few seconds; nothing is fetched but a header."""
    if environment.get("HF_HUB_OFFLINE") in ("1", "true", "TRUE", "yes", "ON"):
        return "not asked: HF_HUB_OFFLINE is set"
    url = environment.get("HF_ENDPOINT") or HUB
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=HUB_S):
            return f"{url} answers"
    except urllib.error.HTTPError:
        return f"{url} answers"
    except (OSError, ValueError) as e:
        return f"{url} cannot be reached ({type(e).__name__})"
