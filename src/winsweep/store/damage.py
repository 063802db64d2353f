"""Published artifacts that were found damaged: set aside once each, to be made again by themselves, and kept for
whoever wants to know why.
"""

import contextlib
import json
import os
import shlex
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from winsweep.errors import Damaged, MissingInput
from winsweep.store import links, manifest, small_files
from winsweep.store.store import Store

PREFIX = "damaged-"


def set_aside(store: Store, path: Path, found: str) -> MissingInput:
    """Move the published directory `path` to .work/damaged-STAGE-NAME, where it stays; the error that says so, for what
    needed it.

    Damaged if that was done for its key before: what is damaged twice is a matter for a person.
    """
    name = path.relative_to(store.root).as_posix()
    aside = links.inside(store.root, store.root / ".work" / f"{PREFIX}{name.replace('/', '-')}")
    again = MissingInput(f"{found}. It was set aside ({aside}) and is made again by itself", _key(aside.name))
    if _key(aside.name) in known(store):
        if not path.exists():  # another attempt found the same a moment before
            return again
        raise Damaged(
            f"{found}. It was set aside and made again before ({aside}), so something damages what this disk holds: "
            f"look at the disk, then "
            f"remove that folder to have it made again once more"
        )
    manifest.write_atomic(aside.with_name(f"{aside.name}.json"), json.dumps({"found": found}).encode())
    with contextlib.suppress(FileNotFoundError):  # set aside by another attempt that found the same
        os.rename(path, aside)
    return again


def known(store: Store) -> dict[str, Path]:
    """Key to the folder of everything that was ever set aside and is still kept."""
    try:
        with os.scandir(store.root / ".work") as there:
            aside = [e for e in there if e.name.startswith(PREFIX) and e.is_dir(follow_symlinks=False)]
            return {_key(e.name): Path(e.path) for e in aside}
    except (FileNotFoundError, NotADirectoryError):
        return {}


def lines(store: Store, names: Mapping[str, str], todo: Collection[str]) -> list[str]:
    """For a person, of the results `names` (by key) that were set aside: each that is still `todo`, with what was
    found, and all that are there again, with the command after which nothing more is said of them.
    """
    aside, published = known(store), store.published()
    told = [
        f"set aside {name}: {found_in(aside[key])}; kept in {aside[key]}, and made again"
        for key, name in names.items()
        if key in aside and key in todo
    ]
    again = [key for key in names if key in aside and key not in todo and key in published]
    if again:
        what = f"{names[again[0]]}{f' and {len(again) - 1} more' if again[1:] else ''}"
        told.append(
            f"set aside as damaged, and made again since: {what}; to drop the damaged: {drop([*map(aside.get, again)])}"
        )
    return told


def drop(aside: Iterable[Path | None]) -> str:
    """The command that removes what was set aside, which is made again by now."""
    both = (path for of in aside if of for path in (of, of.with_name(f"{of.name}.json")))
    return f"rm -r {' '.join(shlex.quote(str(path)) for path in both if path.exists())}"


def found_in(aside: Path) -> str:
    """What was wrong with it."""
    with contextlib.suppress(OSError):
        if found := (small_files.mapping(aside.with_name(f"{aside.name}.json")) or {}).get("found"):
            return str(found)
    return "its files differed from its manifest"


def _key(name: str) -> str:
    stage, _, rest = name.removeprefix(PREFIX).partition("-")
    return f"{stage}/{rest.rpartition('-')[2]}"
