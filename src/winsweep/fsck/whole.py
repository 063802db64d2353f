"""The check of a whole store: everything published, ledgers, attempts and copies, and what is merely left over."""

import json
import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from winsweep import keys
from winsweep.command_names import command
from winsweep.errors import Damaged
from winsweep.fsck import attempts, copies, ledgers, published
from winsweep.fsck.finding import Finding, aside, cut, readable, remake, remove, what
from winsweep.fsck.published import NAME, Looked, worded
from winsweep.store import damage, small_files, store_format
from winsweep.store.folders import PRUNED
from winsweep.store.lookup import is_folder
from winsweep.store.store import FOLDERS, RECORD, Store

STAGE = re.compile(r"[a-z][a-z0-9_]*")
KEY = re.compile(rf"[0-9a-f]{{{keys.KEY_HEX}}}")
SHA256 = re.compile("[0-9a-f]{64}")
AHEAD = 4  # directories that are begun for each thread, and not yet told of
Tell = Callable[[int, int, int], None]  # directories read so far, of how many, and their bytes


@dataclass
class Checked:
    """What was looked at, and everything that is not as it was written."""

    findings: list[Finding] = field(default_factory=list)
    num_artifacts: int = 0
    num_bytes: int = 0
    num_attempted: int = 0

    @property
    def is_sound(self) -> bool:
        return all(found.kind == "left over" for found in self.findings)


def check(store: Store, num_threads: int, tell: Tell = lambda *_: None) -> Checked:
    """Read all of a store that is there; nothing is changed, and no link followed. NewerStore and LinkInStore as of
    Store.refuse_unreadable.
    """
    checked = Checked()
    try:
        store.refuse_unreadable()
    except Damaged as e:
        why = str(e).removeprefix(f"{store.root / store_format.NAME}: ")
        checked.findings.append(Finding("damaged", store_format.NAME, cut(why), _mark(store.root / store_format.NAME)))
    root, paths, odd = store.root, *_listed(store.root)
    checked.findings += [*odd, *_folders(store.root)]
    by_key = {f"{path.parent.name}/{path.name.rpartition('-')[2]}": path for path in paths}
    with ThreadPoolExecutor(num_threads) as pool:
        for path, looked in published.each(root, iter(paths), pool, AHEAD * num_threads):
            checked.num_artifacts += 1
            checked.num_bytes += looked.num_bytes
            checked.findings += _of_artifact(store, path, looked, by_key)
            tell(checked.num_artifacts, len(paths), checked.num_bytes)
        begun = sorted(key for key in store.begun() if STAGE.fullmatch(key.partition("/")[0]))
        told = published.in_threads(
            lambda key: attempts.findings(store, key, by_key.get(key)), iter(begun), pool, AHEAD * num_threads
        )
        for key, found in told:
            checked.num_attempted += 1
            checked.findings += [_named(store, one, by_key.get(key)) for one in found]
    checked.findings += ledgers.findings(root)
    checked.findings += copies.findings(root, by_key, _studies(store, by_key))
    checked.findings += [*_caches(root), *_left_over(store)]
    return checked


def _listed(root: Path) -> tuple[list[Path], list[Finding]]:
    """The published directories, from one listing of each stage, and what lies among them that is none."""
    paths: list[Path] = []
    odd: list[Finding] = []
    for stage in sorted(p for p in root.iterdir() if p.name not in (*FOLDERS, "store.json")):
        inside = sorted(stage.iterdir()) if stage.is_dir() and not stage.is_symlink() else []
        is_stage = STAGE.fullmatch(stage.name) is not None and stage.is_dir() and not stage.is_symlink()
        if is_stage and not inside:
            continue  # as a stage is whose last result was taken away
        if not is_stage or not any(map(_is_ours, inside)):
            odd.append(_foreign(root, stage))
            continue
        for path in inside:
            if path.name.startswith(PRUNED):
                name = path.relative_to(root).as_posix()
                odd.append(Finding("left over", name, "a prune was ended midway", remove(path)))
            elif NAME.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
                paths.append(path)
            else:
                odd.append(_odd(root, path))
    return paths, [one for one in odd if (root / one.place).exists() or (root / one.place).is_symlink()]


def _folders(root: Path) -> Iterator[Finding]:
    """What has the name of one of the store's own folders and is none: nothing can be read or written there."""
    works = [p for p in sorted((root / ".work").glob("*")) if STAGE.fullmatch(p.name)]
    works_of = [p for work in works if is_folder(work) for p in sorted(work.iterdir()) if KEY.fullmatch(p.name)]
    for path in (*(root / name for name in FOLDERS), *works, *works_of):
        if os.path.lexists(path) and not is_folder(path):
            found, act = f"is {what(path)}, and no folder", f"{remove(path)}    # it is made again where it is needed"
            yield Finding("damaged", path.relative_to(root).as_posix(), found, act)


def _mark(path: Path) -> str:
    """The command that writes again of which format the store is."""
    line = f"echo {shlex.quote(json.dumps({'format': store_format.FORMAT}))} > {shlex.quote(str(path))}"
    is_file = path.is_file() and not path.is_symlink() and os.access(path, os.W_OK)
    return line if is_file or not os.path.lexists(path) else f"{remove(path)} && {line}"


def _is_ours(path: Path) -> bool:
    return NAME.fullmatch(path.name) is not None or path.name.startswith(PRUNED) or (path / RECORD).exists()


def _foreign(root: Path, path: Path) -> Finding:
    """What lies beside the stages and is none: a person's own, or a result whose name was lost."""
    found = _odd(root, path)
    if not is_folder(path) and is_folder(root / ".work" / path.name):
        said = "it is made again; put the folder itself back, if it lies elsewhere"
        told = f"is {what(path)}, and no folder of results"
        return replace(found, found=told, act=f"{remove(path)}    # {said}", artifact="", cell="")
    said = "nothing need be done: it is not winsweep's, and nothing reads it"
    return replace(found, kind="left over", act=said) if not found.artifact else found


def _odd(root: Path, path: Path) -> Finding:
    """What lies where only results do: one under a wrong name, by its record, or something else."""
    name = path.relative_to(root).as_posix()
    try:
        belongs = "" if path.is_symlink() else str((small_files.mapping(path / RECORD) or {}).get("name", ""))
    except OSError:
        belongs = ""
    if belongs and STAGE.fullmatch(belongs.partition("/")[0]) and belongs.count("/") == 1:
        return _renamed(root, name, belongs)
    act = f"mv -n {shlex.quote(str(path))} .    # or to any other place: only results lie here"
    return Finding("damaged", name, f"is {what(path)}, and no result", act)


def _renamed(root: Path, name: str, belongs: str) -> Finding:
    there = " (which is there, too)" if (root / belongs).exists() else ""
    made = "" if (root / belongs).parent.is_dir() else f"mkdir {shlex.quote(str((root / belongs).parent))} && "
    moved = f"{made}mv {shlex.quote(str(root / name))} {shlex.quote(str(root / belongs))}"
    act = remove(root / name) if there else moved
    cell = belongs.partition("/")[2].rpartition("-")[0]
    return Finding("damaged", name, cut(f"is the result {belongs} under another name{there}"), act, belongs, cell)


def _of_artifact(store: Store, path: Path, looked: Looked, by_key: Mapping[str, Path]) -> Iterator[Finding]:
    if not looked.faults:
        return
    root, name = store.root, path.relative_to(store.root).as_posix()
    if looked.belongs and looked.belongs != name and len(looked.faults) == 1:
        yield _renamed(root, name, looked.belongs)
        return
    if looked.denied:
        yield Finding("damaged", name, cut(worded(looked.faults)), readable(looked.denied), name)
        return
    told = attempts.spec_of(store, f"{path.parent.name}/{path.name.rpartition('-')[2]}")
    study = str(told.get("study", ""))
    yield Finding(
        "damaged",
        name,
        cut(worded(looked.faults)),
        remove(*looked.strays) if looked.strays else remake(root, name, study),
        name,
        path.name.rpartition("-")[0],
        study,
        "" if looked.strays else aside(root, name, damage.PREFIX),
    )


def _named(store: Store, found: Finding, path: Path | None) -> Finding:
    """With the artifact's name for its key, its cell and its study."""
    told = attempts.spec_of(store, found.artifact)
    name = path.relative_to(store.root).as_posix() if path else ""
    name = name or found.artifact.replace("/", f"/{told['label']}-" if told else "/")
    label = name.partition("/")[2].rpartition("-")[0]
    return replace(found, artifact=name, cell=label, study=str(told.get("study", "")))


def _studies(store: Store, by_key: Mapping[str, Path]) -> dict[str, str]:
    """Name to path of each study that has a table."""
    tables = {key: path.name.rpartition("-")[0] for key, path in by_key.items() if key.startswith("aggregate/")}
    return {name: str(told["study"]) for key, name in tables.items() if (told := attempts.spec_of(store, key))}


def _caches(root: Path) -> Iterator[Finding]:
    """What of .cache is no cache; digests decide what studies ask for, so that each must be one."""
    for path in sorted((root / ".cache").glob("*.json")):
        try:
            told = json.loads(small_files.content(path, small_files.LARGE_BYTES) or b"")
        except (OSError, ValueError, RecursionError):
            told = None
        is_digests = path.name == "digests.json"
        digests = [str(digest) for digest in told.values()] if is_digests and isinstance(told, dict) else []
        if not isinstance(told, dict) or not all(map(SHA256.fullmatch, digests)):
            act = f"{remove(path)}    # nothing but time is lost"
            yield Finding("damaged", path.relative_to(root).as_posix(), "is no cache that winsweep writes", act)


def _left_over(store: Store) -> Iterator[Finding]:
    """What is kept of what was set aside or taken away; what stands for one that is not made again must stay."""
    published = store.published()
    for key, aside_of in sorted(damage.known(store).items()):
        found = f"was set aside once: {damage.found_in(aside_of)}"
        act = (
            f"nothing need be done: it is made again where it is needed; {command('prune')} removes what no study wants"
        )
        act = damage.drop([aside_of]) if key in published else act
        yield Finding("left over", aside_of.relative_to(store.root).as_posix(), cut(found), act)
    for trash in sorted((store.root / ".work").glob("retired-*")):
        found = "its removal was ended midway"
        yield Finding("left over", trash.relative_to(store.root).as_posix(), found, remove(trash))
