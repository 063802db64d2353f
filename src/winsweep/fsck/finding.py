"""What a check of a store tells of one thing that is not as it was written, and how it is worded for a person."""

import os
import shlex
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from winsweep import screen
from winsweep.command_names import command

Kind = Literal["damaged", "lost", "left over"]
KINDS: tuple[Kind, ...] = ("damaged", "lost", "left over")  # the last one is no fault
MOST_SHOWN = 300  # characters of what was found


@dataclass(frozen=True)
class Finding:
    """One thing: its place in the store, what was found there, and what to type or do.

    `lost` is what was paid for and cannot be read; `left over` is what nobody needs. The last four are of artifacts.
    """

    kind: Kind
    place: str
    found: str
    act: str
    artifact: str = ""  # STAGE/LABEL-DIGEST
    cell: str = ""  # its label, which is that of a cell where it is made for one
    study: str = ""  # path of the study file that it was last made for, where that is known
    keep_others: str = ""  # a command after which what was made from it stays

    def lines(self) -> list[str]:
        """For a person: what and why, then what to type."""
        of = f", of {self.study}" if self.study else ""
        said = f"{self.kind:9s}  {self.place}: {self.found}{of}"
        return [screen.printable(said), *([f"           {screen.printable(self.act)}"] if self.act else [])]


def cut(text: str) -> str:
    """What was found, on one line and of bounded length."""
    return screen.cut(" ".join(text.split()), MOST_SHOWN)


def remove(*paths: Path) -> str:
    """The command that removes these, and of a link the link."""
    is_deep = any(path.is_dir() and not path.is_symlink() for path in paths)
    return f"rm {'-r ' if is_deep else ''}{' '.join(shlex.quote(str(path)) for path in paths)}"


def what(path: Path) -> str:
    """What lies there, in a word, where it should be something else."""
    if path.is_symlink():
        return "a link"
    return "a folder" if path.is_dir() else "a file" if path.is_file() else "a pipe or a device"


def readable(path: Path) -> str:
    """What to type for what this user may not read; its owner has to, where that is another."""
    if path.lstat().st_uid == os.geteuid():
        return f"chmod -R u+rwX {shlex.quote(str(path))}"
    return f"its owner ({screen.printable(_owner(path))}) types: chmod -R g+rX {shlex.quote(str(path))}"


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except KeyError:
        return f"user {path.lstat().st_uid}"


def remake(root: Path, name: str, study: str) -> str:
    """The command that makes the published artifact `name` again, with all that was made from it."""
    return f"{remove(root / name)} && {run(root, study)}"


def run(root: Path, study: str) -> str:
    """The command that makes what is missing of a study; with words in place of a file that is not known or gone."""
    line = f"{command('run')} {{}} --store {shlex.quote(str(root))}"
    if study and os.path.isfile(study):
        return line.format(shlex.quote(study))
    return (
        f"{line.format('STUDY.yaml')}    # STUDY.yaml: {f'{study} is gone; name' if study else 'name'} the study's file"
    )


def outermost(root: Path, strays: Collection[str], known: Collection[str]) -> list[Path]:
    """What to remove below `root` so that the files `strays` are gone and the files `known` stay: whole folders, where
    nothing known is in them.
    """
    kept = {parent.as_posix() for name in known for parent in PurePosixPath(name).parents}
    found = set()
    for name in strays:
        parts = PurePosixPath(name).parts
        heads = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
        found.add(next(head for head in heads if head not in kept or head == name))
    return [root / name for name in sorted(found)]


def aside(root: Path, name: str, prefix: str) -> str:
    """The command that sets it aside as an attempt does that finds it damaged: what was made from it stays. None where
    one was set aside before.
    """
    target = root / ".work" / f"{prefix}{name.replace('/', '-')}"
    if target.exists():
        return ""
    made = "" if target.parent.is_dir() else f"mkdir {shlex.quote(str(target.parent))} && "
    return f"{made}mv -T {shlex.quote(str(root / name))} {shlex.quote(str(target))}"
