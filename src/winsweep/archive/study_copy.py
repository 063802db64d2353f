"""A study as one YAML file that names nothing of this machine: what it extends is merged in, local files and readers of
the user's own have a place beside it.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from winsweep import plugins
from winsweep.errors import BadStudy
from winsweep.report.provenance import SECRET, USER_OF_URL
from winsweep.strict import Node
from winsweep.study.inheritance import read_extended
from winsweep.workspace import Workspace, open_workspace

FILE, FILES = "study.yaml", "files"


@dataclass(frozen=True)
class StudyCopy:
    """The text of the file, and what lies beside it: place to (path on this machine, sha256)."""

    text: str
    code: Mapping[str, tuple[Path, str]]  # tasks/NAME.py, judges/NAME.py
    local: Mapping[str, tuple[Path, str]]  # files/NAME: data and models
    typed: Mapping[str, str]  # paths as the study names them, to their place


def copy_of(workspace: Workspace) -> StudyCopy:
    """The copy of a study; it asks for exactly the same keys. BadStudy where it would not, or where something in it
    looks like a key of a service.
    """
    study = workspace.study
    web = set(study.urls)
    code, local = {}, {}
    for sha256, path in sorted(study.files.items(), key=lambda item: str(item[1])):
        if path in web:
            continue
        if _is_code(path):
            code[f"{path.parent.name}/{path.name}"] = path, sha256
        else:
            place = f"{FILES}/{path.name}"
            local[f"{FILES}/{sha256[:8]}-{path.name}" if place in local else place] = path, sha256
    places = {path: place for place, (path, _) in local.items()}
    typed: dict[str, str] = {}
    values = _values(read_extended(study.path), places, typed)
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)
    if found := SECRET.search(text) or USER_OF_URL.search(text):
        raise BadStudy(
            f"{study.path}: found what looks like a key of a service, {found[0][:6]}…; an archive is for others; keys "
            f"belong into the environment: take it out"
        )
    copy = StudyCopy(text, code, local, typed)
    _refuse_unlike(workspace, copy)
    return copy


def _is_code(path: Path) -> bool:
    return path.suffix == ".py" and path.parent.name in (plugins.TASKS.folder.name, plugins.JUDGES.folder.name)


def _values(node: Node, places: Mapping[Path, str], typed: dict[str, str]) -> Any:
    """Plain values of a study, each path of a local file as its place in the archive; `typed` gets what they were."""
    if isinstance(node.value, dict):
        return {name: _values(value, places, typed) for name, value in node.value.items()}
    if isinstance(node.value, list):
        return [_values(value, places, typed) for value in node.value]
    if isinstance(node.value, str) and places and "\0" not in node.value:
        told = os.path.realpath(Path(node.file).parent / os.path.expanduser(node.value))
        if place := places.get(Path(told)):
            typed[node.value] = place
            return place
    return node.value


def _refuse_unlike(workspace: Workspace, copy: StudyCopy) -> None:
    """BadStudy where the copy asks for other results than the study."""
    with tempfile.TemporaryDirectory() as folder:
        study, store = Path(folder) / "study", Path(folder) / "store"
        for place, (path, _) in {**copy.code, **copy.local}.items():
            (study / place).parent.mkdir(parents=True, exist_ok=True)
            (study / place).symlink_to(path) if place in copy.local else shutil.copyfile(path, study / place)
        study.mkdir(exist_ok=True)
        (study / FILE).write_text(copy.text, encoding="utf-8")
        _lend_digests(workspace, store)
        cards = workspace.study.table.calibration
        there = {a.key for a in open_workspace(study / FILE, store).order}
    lost = [a for a in workspace.order if a.key not in there and not (cards and a.stage == "aggregate")]
    if lost:
        raise BadStudy(
            f"{workspace.study.path}: written as one file it asks for other results, such as {lost[0].name}; a study "
            f"whose files lie in one folder is legal; move them together"
        )


def _lend_digests(workspace: Workspace, store: Path) -> None:
    """What is known of large local files, so that they are not read again."""
    known = workspace.store.root / ".cache" / "digests.json"
    if known.is_file():
        (store / ".cache").mkdir(parents=True)
        shutil.copyfile(known, store / ".cache" / known.name)
