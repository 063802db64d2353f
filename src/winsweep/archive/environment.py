"""What differs between the machine of an archive and this one beside the keys: versions, code, and files that are not
here.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from winsweep import screen
from winsweep.archive.incoming import MOST_RECORD, Archive
from winsweep.store import provenance
from winsweep.store.store import RECORD
from winsweep.workspace import Workspace

DIGITS = 12


def local_files(told: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The local files of the study by their place, as far as the list of the archive says what they are."""
    found = told.get("local")
    local = found if isinstance(found, dict) else {}
    return {name: about for name, about in local.items() if isinstance(about, dict) and "sha256" in about}


def missing(workspace: Workspace, told: Mapping[str, Any], folder: Path) -> list[str]:
    """A line for each local file that the study names and that is not here: where to put which one."""
    known = {(folder / name).resolve(): str(about["sha256"]) for name, about in local_files(told).items()}
    return [
        screen.printable(
            f"missing  {path}: that of the archive has sha256 {known.get(path, '?')[:DIGITS]}…; put it there, or ask "
            f"for an archive that has it"
        )
        for path in workspace.study.missing
    ]


def lines(archive: Archive) -> list[str]:
    """What made the archive's results and is another here; no key differs by it."""
    here, code = provenance.of_process(), provenance.commit_text(provenance.commit())
    records = [*_records(archive)]
    commits = _most([str(r.get("commit", "")) + ("+changes" if r.get("dirty") else "") for r in records])
    told = [f"code     {commits} there, {code} here"] if commits and commits != code else []
    for name in sorted({name for r in records for name in _packages(r)}):
        theirs = _most([str(_packages(r).get(name, "")) for r in records])
        ours = here["packages"].get(name, "none")
        told += [f"package  {name} {theirs} there, {ours} here"] if theirs and theirs != ours else []
    return [screen.cut(screen.printable(line), 300) for line in told]


def _records(archive: Archive) -> Iterator[Mapping[str, Any]]:
    for asked in archive.asked:
        if asked["folder"]:
            told = json.loads(archive.reader.read(f"{asked['folder']}/{RECORD}", MOST_RECORD))
            yield told if isinstance(told, dict) else {}


def _packages(record: Mapping[str, Any]) -> Mapping[str, Any]:
    found = record.get("packages")
    return found if isinstance(found, dict) else {}


def _most(values: list[str]) -> str:
    """The most frequent one that says something."""
    said = Counter(value for value in values if value)
    return said.most_common(1)[0][0] if said else ""
