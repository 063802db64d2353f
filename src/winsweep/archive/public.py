"""What of a record is for others: what was asked, the code and the machine's kind; no host, user, account or path.
Pure.
"""

import re
from collections.abc import Mapping
from typing import Any

KEPT = (
    *("name", "version", "params", "inputs", "commit", "dirty", "python", "packages", "system", "cpus", "device"),
    *("attempt", "begun", "seconds", "peak_memory_mb"),
)
CLEANED = ("notes", "replaces_damaged")
PLACEMENT = ("nodes", "ranks", "gpus_per_rank", "threads", "zero", "micro_tokens", "recompute", "mem_gb", "gpu_type")
FOLDERS = re.compile(r"(?<![\w./])~?/(?:[^\s/'\",:;]+/)+")


def record(told: Mapping[str, Any]) -> dict[str, Any]:
    """A record without what is of one machine alone; what was asked for stays as it is, as its key is made of it."""
    found = {name: told[name] for name in KEPT if name in told}
    found |= {name: cleaned(told[name]) for name in CLEANED if name in told}
    placed = told.get("placement")
    if isinstance(placed, Mapping):
        found["placement"] = {name: placed[name] for name in PLACEMENT if name in placed}
    return found


def cleaned(value: Any) -> Any:
    """`value` (JSON types), each folder in its texts as …/."""
    if isinstance(value, Mapping):
        return {str(name): cleaned(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned(inner) for inner in value]
    return FOLDERS.sub("…/", value) if isinstance(value, str) else value


def replaced(value: Any, names: Mapping[str, str]) -> Any:
    """`value` (JSON types) with other names for paths in its texts; one without a folder stays."""
    if isinstance(value, Mapping):
        return {name: replaced(inner, names) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [replaced(inner, names) for inner in value]
    if isinstance(value, str):
        for name in sorted(names, key=len, reverse=True):
            value = value.replace(name, names[name]) if "/" in name else value
    return value
