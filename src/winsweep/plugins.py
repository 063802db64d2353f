"""The Python file behind the name of a task's reader or of a judge: one of winsweep's, or a person's own beside the
study, which is known by its content.
"""

import dataclasses
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from winsweep import layout, paths
from winsweep.errors import BadStudy
from winsweep.graph import load

File = Callable[[Mapping[str, str]], Path]  # where the local file of a source lies


class Kind(NamedTuple):
    """Readers or judges: winsweep's folder of them, and what a file must define, each name with what it is."""

    folder: Path
    package: str
    needs: Mapping[str, str]


TASKS = Kind(
    layout.TASKS, "winsweep.tasks", {"Options": "a frozen dataclass", "examples or instructions": "a function"}
)
JUDGES = Kind(
    layout.JUDGES,
    "winsweep.judges",
    {"Options": "a frozen dataclass", "identity": "a function", "annotate": "a function"},
)


def names(kind: Kind, beside: Path | None = None) -> list[str]:
    """What may be named, of winsweep and of the folder `beside`, which need not be there."""
    folders = [kind.folder, *([beside / kind.folder.name] if beside else [])]
    return sorted({p.stem for folder in folders for p in folder.glob("*.py") if not p.stem.startswith("_")})


def own(kind: Kind, name: str, beside: Path) -> Path | None:
    """The file of that name in `beside`/tasks or `beside`/judges, if there is one that is not winsweep's own.

    BadStudy if winsweep has one of that name too.
    """
    path = beside / kind.folder.name / f"{name}.py"
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or not paths.is_file(path):
        return None
    ours = kind.folder / path.name
    if ours.is_file() and ours.samefile(path):
        return None
    if ours.is_file():
        raise BadStudy(f"{path}: found a name that winsweep has too; another name is legal; rename the file")
    return path


def ours(kind: Kind, name: str) -> ModuleType:
    """winsweep's file of that name."""
    return load(kind.folder / f"{name}.py", kind.package)


def read_own(kind: Kind, path: Path, sha256: str) -> ModuleType:
    """A person's own file, whose content has this sha256; BadStudy if it lacks what such a file must define.

    Where it does not say them, VERSION is 1, DATA None, and a path is needed.
    """
    module = _loaded(kind, sha256) or load(path, _package(kind, sha256))
    lacking = [f"{name} ({what})" for name, what in kind.needs.items() if not _has(module, name)]
    if lacking:
        raise BadStudy(f"{path}: it does not define {', '.join(lacking)}; docs/how_to/own_task.md has a whole file")
    for name, usual in (("VERSION", 1), ("DATA", None), ("NEEDS_PATH", True)):
        if not hasattr(module, name):
            setattr(module, name, usual)
    return module


def known(kind: Kind, name: str, code: Any) -> ModuleType:
    """The file of a part of a study that this process has read; `code` is the LocalFile of a person's own, or None."""
    module = _loaded(kind, code.sha256) if code else ours(kind, name)
    if module is None:
        raise BadStudy(f"{name}.py of {kind.folder.name}/: its study was not read by this process")
    return module


def of_source(source: Mapping, file: File) -> ModuleType:
    """The reader of a source in plain types."""
    code = source.get("code")
    return read_own(TASKS, file(code), code["sha256"]) if code else ours(TASKS, source["reader"])


def of_judge(judge: Mapping, file: File) -> ModuleType:
    """The file of a judge in plain types."""
    code = judge.get("code")
    return read_own(JUDGES, file(code), code["sha256"]) if code else ours(JUDGES, judge["name"])


def _has(module: ModuleType, name: str) -> bool:
    if name == "Options":
        options = getattr(module, name, None)
        return isinstance(options, type) and dataclasses.is_dataclass(options)
    return any(callable(getattr(module, n, None)) for n in name.split(" or "))


def _package(kind: Kind, sha256: str) -> str:
    return f"{kind.package}.own_{sha256[:16]}"


def _loaded(kind: Kind, sha256: str) -> ModuleType | None:
    start = f"{_package(kind, sha256)}."
    return next((module for name, module in list(sys.modules.items()) if name.startswith(start)), None)
