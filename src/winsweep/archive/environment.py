"""What differs between the machine of an archive and this one beside the keys: versions, code, and files that are not
here.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from winsweep import screen
from winsweep.archive import listed
from winsweep.archive.incoming import MOST_RECORD, Archive
from winsweep.store import provenance
from winsweep.store.store import RECORD
from winsweep.workspace import Workspace

DIGITS = 12
MOST_PACKAGES, LONGEST = 1000, 100  # of a record, and characters of a version


def local_files(told: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The local files of the study by their place, as far as the list of the archive says what they are."""
    found = told.get("local")
    local = found if isinstance(found, dict) else {}
    return {n: about for n, about in local.items() if isinstance(about, dict) and isinstance(about.get("sha256"), str)}


def missing(workspace: Workspace, told: Mapping[str, Any], folder: Path) -> list[str]:
    """A line for each local file that the study names and that is not here: where to put which one."""
    known = {folder.resolve() / name: about["sha256"] for name, about in local_files(told).items()}
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
    made_by, versions = Counter[str](), dict[str, Counter[str]]()
    for record in _records(archive):  # one at a time, as they may be large
        made_by[_word(record.get("commit", "")) + ("+changes" if record.get("dirty") else "")] += 1
        for name, version in _packages(record).items():
            versions.setdefault(name, Counter())[_word(version)] += 1
    commits = _most(made_by)
    told = [f"code     {commits} there, {code} here"] if commits and commits != code else []
    for name in sorted(versions):
        theirs = _most(versions[name])
        ours = here["packages"].get(name, "none")
        told += [f"package  {name} {theirs} there, {ours} here"] if theirs and theirs != ours else []
    return [screen.cut(screen.printable(line), 300) for line in told]


def _records(archive: Archive) -> Iterator[Mapping[str, Any]]:
    for asked in archive.asked:
        if asked["folder"]:
            told = listed.parsed(archive.reader.read(f"{asked['folder']}/{RECORD}", MOST_RECORD))
            yield told if isinstance(told, dict) else {}


def _packages(record: Mapping[str, Any]) -> Mapping[str, Any]:
    found = record.get("packages")
    return found if isinstance(found, dict) and len(found) <= MOST_PACKAGES else {}


def _word(said: object) -> str:
    return said[:LONGEST] if isinstance(said, str) else ""


def _most(said: Counter[str]) -> str:
    """The most frequent one that says something."""
    return next((word for word, _ in said.most_common() if word), "")
