"""What of a store is there, without listing what others made: a folder is listed as far as that is no more work than to
look for each name in it, and else each name is looked for.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from itertools import islice
from pathlib import Path

from winsweep.store import links, small_files

FOLDERS = (".work", ".cache", ".judged", "results", "studies")  # beside those of the stages
LABEL = "label"  # a file of a work directory: what its result is called
STAYS = ("claims", "ends", "logs", "spec.json", LABEL)  # of the work directory of what was made
FEW, EACH = 250, 16  # as many names are listed, or so many for each that will be looked for


class Folders:
    """Names of the directories in folders of a root, of which some may have very many."""

    def __init__(self, root: Path, asked: Iterable[str]) -> None:
        """`asked`: keys that will be looked for."""
        self.root = root
        self.num_asked = Counter(key.partition("/")[0] for key in asked)
        self._seen: dict[str, list[str] | None] = {}

    def all(self, stage: str) -> list[str]:
        """Every name in the folder of a stage, in no order."""
        return list(names(self.root / stage))

    def few(self, stage: str) -> list[str] | None:
        """The same, as first seen; None where they are too many."""
        if stage not in self._seen:
            most = max(FEW, EACH * self.num_asked[stage])
            found = list(islice(names(self.root / stage), most + 1))
            self._seen[stage] = found if len(found) <= most else None
        return self._seen[stage]


class Begun(Set[str]):
    """Keys that an attempt was ever made at: of the others nothing is known, and nothing need be looked up."""

    def __init__(self, root: Path, asked: Iterable[str]) -> None:
        self.folders = Folders(root / ".work", asked)
        self._few: dict[str, frozenset[str] | None] = {}

    def __contains__(self, key: object) -> bool:
        stage, _, digest = str(key).partition("/")
        if stage not in self._few:
            few = self.folders.few(stage)
            self._few[stage] = None if few is None else frozenset(few)
        known = self._few[stage]
        return digest in known if known is not None else is_folder(f"{self.folders.root}/{key}")

    def __iter__(self) -> Iterator[str]:
        for stage in names(self.folders.root):
            yield from (f"{stage}/{digest}" for digest in names(self.folders.root / stage))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Published(Mapping[str, Path]):
    """Key to directory of what is published, each as it was when it was first asked for. To go through all of it lists
    the store.

    In a folder of very many a result is found under the names by which winsweep knows it: what it is called here, where
    it was published last, what an attempt at it was told.
    """

    def __init__(self, root: Path, called: Mapping[str, str], asked: Iterable[str]) -> None:
        """`called`: key to STAGE/LABEL-DIGEST, where that is known; `asked`: keys that will be looked for."""
        self.root, self.called = root, called
        self.folders = Folders(root, asked)
        self._seen: dict[str, dict[str, Path] | None] = {}
        self._one: dict[str, Path | None] = {}

    def __getitem__(self, key: str) -> Path:
        if (found := self.find(key)) is None:
            raise KeyError(key)
        return found

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.find(key) is not None

    def find(self, key: str) -> Path | None:
        """The directory of `key`, if it is published."""
        stage = key.partition("/")[0]
        if stage not in self._seen:
            self._seen[stage] = self._few(stage)
        known = self._seen[stage]
        if known is not None:
            return known.get(key)
        if key not in self._one:
            self._one[key] = next((p for p in self._likely(key) if is_folder(p)), None)
        return self._one[key]

    def of_stage(self, stage: str) -> dict[str, Path]:
        """Everything of one stage."""
        return self._by_key(stage, self.folders.all(stage))

    def __iter__(self) -> Iterator[str]:
        for stage in names(self.root):
            yield from self.of_stage(stage) if stage not in FOLDERS else ()

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def whole(self) -> dict[str, Path]:
        """Everything, from one listing of each stage."""
        return {key: path for stage in names(self.root) for key, path in self.of_stage(stage).items()}

    def _few(self, stage: str) -> dict[str, Path] | None:
        found = self.folders.few(stage)
        if found is None and not is_folder(self.root / ".work" / stage):  # results without what is known of them
            found = self.folders.all(stage)
        return None if found is None else self._by_key(stage, found)

    def _by_key(self, stage: str, found: list[str]) -> dict[str, Path]:
        if stage in FOLDERS:  # a report's folders are no results
            return {}
        folder = self.root / stage
        return {f"{stage}/{name.rpartition('-')[2]}": folder / name for name in sorted(found, reverse=True)}

    def _likely(self, key: str) -> Iterator[Path]:
        stage, _, digest = key.partition("/")
        if key in self.called:
            yield self.root / self.called[key]
        for label in labels(self.root / ".work" / key):
            yield self.root / stage / f"{label}-{digest}"


def labels(work: Path) -> Iterator[str]:
    """How a result may be called, from its work directory: anybody may have written there."""
    for read in (_label, _told):
        try:
            label = read(work)
        except (OSError, ValueError):
            continue
        if label and "/" not in label and "\0" not in label and not label.startswith("."):
            yield label


def _label(work: Path) -> str:
    return (small_files.content(work / LABEL) or b"").decode()


def _told(work: Path) -> str:
    return str((small_files.mapping(work / "spec.json", small_files.LARGE_BYTES) or {}).get("label", ""))


def untidy(root: Path) -> dict[str, list[str]]:
    """Keys whose attempts left more than what STAYS, of the whole store, with the names of that: also each that a live
    attempt works at. LinkInStore where a work directory is a link.
    """
    found = {f"{stage}/{name}": left for stage in names(root / ".work") for name, left in _left(root / ".work" / stage)}
    return {key: names for key, names in found.items() if names}


def _left(stage: Path) -> Iterator[tuple[str, list[str]]]:
    """Name of each work directory of a stage, and the names in it of what does not stay."""
    with os.scandir(stage) as found:
        for e in found:
            if e.is_symlink():
                links.refuse(Path(e.path))
            yield e.name, [n for n in _listed(e.path) if n not in STAYS]


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def names(folder: Path) -> Iterator[str]:
    """The names of the directories in `folder`, one after the other; none where it is not there, or is a link."""
    if not is_folder(folder):
        return
    try:
        with os.scandir(folder) as found:
            yield from (e.name for e in found if e.is_dir(follow_symlinks=False) and not e.name.startswith("."))
    except FileNotFoundError:
        return


def is_folder(path: Path | str) -> bool:
    """Whether it is a directory, and no link to one."""
    return os.path.isdir(path) and not os.path.islink(path)
