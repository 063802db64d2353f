"""Whether the files of results/ that are copies of published ones are the same as those."""

import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from winsweep.fsck.finding import Finding, remove, run, what
from winsweep.results import TABLE
from winsweep.store import manifest

NOT_COPIES = ("rank.csv", "containment.csv", "ranking.csv", "plans.json")  # worked out anew from several results


def findings(root: Path, published: Mapping[str, Path], studies: Mapping[str, str]) -> Iterator[Finding]:
    """A finding for each copied file that is unlike every published one of its study; `studies` has paths by name.

    Nothing can be said of a study whose tables are all gone.
    """
    made = _sources(published)
    for path in sorted((root / "results").glob("*")) if not (root / "results").is_symlink() else ():
        name = _source(path.name, made)
        if path.is_symlink():
            yield Finding("damaged", f"results/{path.name}", "is a link", f"rm {shlex.quote(str(path))}")
        elif name and not (path.is_file() and os.access(path, os.R_OK)):
            found = "cannot be read (Permission denied)" if path.is_file() else f"is {what(path)}, and no table"
            study = studies.get(name[0], "")
            act = f"{remove(path)} && {run(root, study)}    # writes it again"
            yield Finding("damaged", f"results/{path.name}", found, act, study=study)
        elif name and not _is_copy(path, made[name]):
            found = "is unlike every table of the store that it could be a copy of"
            act = f"{run(root, studies.get(name[0], ''))}    # writes it again"
            yield Finding("damaged", f"results/{path.name}", found, act, study=studies.get(name[0], ""))


def _sources(published: Mapping[str, Path]) -> dict[tuple[str, str], list[Path]]:
    """(study, file of its aggregate) to the published files of that name."""
    found: dict[tuple[str, str], list[Path]] = {}
    for key, made in published.items():
        if key.startswith("aggregate/"):
            for name in (TABLE, "differences.csv", "choices.csv", "style.csv", "instructions.json"):
                found.setdefault((made.name.rpartition("-")[0], name), []).append(made / name)
    return found


def _source(name: str, made: Mapping[tuple[str, str], list[Path]]) -> tuple[str, str] | None:
    """What a file of results/ is a copy of."""
    if name.endswith(NOT_COPIES):
        return None
    for study, file in made:
        if name == (f"{study}.csv" if file == TABLE else f"{study}.{file}"):
            return study, file
    return None


def _is_copy(path: Path, sources: list[Path]) -> bool:
    size, got = path.stat().st_size, manifest.sha256_file(path)
    return any(
        source.is_file() and source.stat().st_size == size and manifest.sha256_file(source) == got
        for source in sources
        if not os.path.islink(source)
    )
