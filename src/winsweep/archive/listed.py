"""What the lists of an archive may say, whoever wrote them: names of the study's files, sizes and digests, what each
result was asked for, and how much of it.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from winsweep import keys
from winsweep.archive.study_copy import FILE, FILES
from winsweep.attempt.spec import LABEL, STAGE
from winsweep.plugins import JUDGES, TASKS

MOST_VALUES = 3_000_000  # of a file of JSON; each takes some 100 bytes of memory, whatever it takes in the file
SHA256 = re.compile("[0-9a-f]{64}")
WHOLE, RECORDS = "artifacts", "records"


def parsed(data: bytes) -> Any:
    """What JSON says; ValueError or RecursionError where it cannot be read, or says more than memory should hold."""
    refuse_many(data)
    return json.loads(data)


def refuse_many(data: bytes) -> None:
    """ValueError for JSON of too many values."""
    if data.count(b",") + data.count(b"[") + data.count(b"{") > MOST_VALUES:
        raise ValueError(f"more than {MOST_VALUES:,} values")


def is_entry(entry: object) -> bool:
    """Whether this is the size and the sha256 of a file."""
    if not isinstance(entry, dict) or entry.keys() != {"size", "sha256"} or type(entry["size"]) is not int:
        return False
    return entry["size"] >= 0 and isinstance(entry["sha256"], str) and SHA256.fullmatch(entry["sha256"]) is not None


def is_of_study(name: str) -> bool:
    """Whether a file of this name, in the folder of the study, is one that an archive may put there: its text, Python
    files of tasks and judges, local files. Any other would be in a store of the same folder, say, without a check.
    """
    first, *rest = name.split("/")
    if first in (TASKS.folder.name, JUDGES.folder.name):
        return len(rest) == 1 and rest[0].endswith(".py")
    return name == FILE or (first == FILES and bool(rest))


def result(line: bytes) -> Mapping[str, Any]:
    """One result of the study, its key checked against what it was asked for; it raises ValueError, TypeError, KeyError
    or RecursionError where the line is none.
    """
    told = json.loads(line)
    asked = {name: told[name] for name in ("stage", "version", "params", "inputs")}
    inputs = told["inputs"]
    if type(told["version"]) is not int or not isinstance(told["params"], dict) or not isinstance(inputs, dict):
        raise TypeError("fields of other types")
    if not all(isinstance(key, str) for key in inputs.values()):
        raise TypeError("inputs that are no keys")
    key = f"{told['stage']}/{keys.digest(asked)}"
    name = f"{told['stage']}/{told['label']}-{key.partition('/')[2]}"
    is_named = STAGE.fullmatch(told["stage"]) and LABEL.fullmatch(told["label"])
    if not is_named or key != told["key"] or told["folder"] not in ("", f"{WHOLE}/{name}", f"{RECORDS}/{name}"):
        raise ValueError("another key, or another folder")
    return told
