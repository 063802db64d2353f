"""An archive brought to this machine: its list checked, the study laid out, its results published in a store once each
is what its list, its manifest and its key say.
"""

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from winsweep import keys
from winsweep.archive import listed, tables
from winsweep.archive.listed import WHOLE
from winsweep.archive.packing import CARDS, FORMAT, KEYS, LIST, OF_A_MACHINE, STUDY
from winsweep.archive.zipped import LEGAL, Reader, opened
from winsweep.errors import BadData, Busy
from winsweep.store import left_out, links, liveness, manifest
from winsweep.store.free_room import refuse_full
from winsweep.store.store import RECORD, Store
from winsweep.study.names import NAME

MOST_LIST, MOST_KEYS, MOST_RECORD = 64 << 20, 128 << 20, 16 << 20  # bytes
CARD = re.compile(rf"{CARDS}/(?P<judge>[A-Za-z0-9][\w.-]*-[0-9a-f]{{12}})/(?P<card>card-[0-9a-f]{{12}}\.json)")
TOKEN = "import"  # of the attempt that publishes what an archive has


@dataclass(frozen=True)
class Archive:
    """An archive whose list is sound: `asked` has of each result what it was asked for and its folder."""

    reader: Reader
    study: str
    told: Mapping[str, Any]
    files: Mapping[str, dict]
    asked: tuple[Mapping[str, Any], ...]

    @property
    def code(self) -> list[str]:
        """Python files that reading the study runs."""
        return sorted(n for n in self.files if n.startswith(f"{STUDY}/") and n.endswith(".py"))


@dataclass
class Brought:
    """What came into a store: results published, there already, left out by the archive, and what was not taken."""

    new: int = 0
    there: int = 0
    left_out: int = 0
    notes: list[str] = field(default_factory=list)


@contextmanager
def read(path: Path) -> Iterator[Archive]:
    """The archive at `path`, each file but those of whole results checked by its digest. BadData for one that no
    winsweep wrote, or a later one; OSError as of the disk.
    """
    with opened(path) as reader:
        told = _json(reader, LIST, MOST_LIST)
        if not isinstance(told, dict) or type(told.get("format")) is not int:
            raise BadData(f"{path}: {LIST}: found no list of an archive; {LEGAL}")
        if told["format"] > FORMAT:
            raise BadData(f"{path}: found format {told['format']}; this winsweep reads up to {FORMAT}; update winsweep")
        files, study = told.get("files"), told.get("study")
        if not isinstance(files, dict) or not all(listed.is_entry(entry) for entry in files.values()):
            raise BadData(f"{path}: {LIST}: found files without size and sha256; {LEGAL}")
        if not isinstance(study, str) or not NAME.fullmatch(study):
            raise BadData(f"{path}: {LIST}: found no name of a study; {LEGAL}")
        if odd := (reader.files.keys() - {LIST}) ^ files.keys():
            raise BadData(f"{path}: {min(odd)!a}: is not both in {LIST} and in the archive; {LEGAL}")
        if wrong := [n for n, entry in files.items() if reader.files[n].file_size != entry["size"]]:
            raise BadData(f"{path}: {wrong[0]!a}: has another size than {LIST} says; {LEGAL}")
        of_study = (n for n in sorted(files) if n.startswith(f"{STUDY}/"))
        if other := [n for n in of_study if not listed.is_of_study(n.removeprefix(f"{STUDY}/"))]:
            raise BadData(f"{path}: {other[0]!a}: found a file that is no part of a study; {LEGAL}")
        for name in (n for n in files if not n.startswith(f"{WHOLE}/")):  # those are checked as they are published
            reader.check(name, files[name])
        yield Archive(reader, study, told, files, tuple(_asked(reader, path)))


def lay_out(archive: Archive, folder: Path) -> list[str]:
    """Put the study and what lies beside it into `folder`; names of files that are there already and differ, which stay
    as they are. LinkInStore where a link is in the way.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [n for n in archive.files if n.startswith(f"{STUDY}/")]
    refuse_full(folder, sum(archive.files[n]["size"] for n in names), "the study")
    kept = []
    for name in sorted(names):
        target = links.inside(folder, folder / PurePosixPath(name).relative_to(STUDY))
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            _extract(archive, name, target)
        elif manifest.describe(target) != archive.files[name]:
            kept.append(str(target))
    return kept


def bring(archive: Archive, store: Store) -> Brought:
    """Publish every whole result of the archive that the store lacks, and remember those whose files were left out.

    A result that is there stays as it is, also where it differs: then that is noted. BadData where a result is not what
    the archive says of it; what came before stays.
    """
    brought, there = Brought(), store.published()
    _bring_cards(archive, store)
    whole = [a for a in archive.asked if str(a["folder"]).startswith(f"{WHOLE}/")]
    by_folder = _by_folder(archive)
    sizes = (archive.files[n]["size"] for a in whole if a["key"] not in there for n in by_folder.get(a["folder"], ()))
    refuse_full(store.root, sum(sizes), "what the archive has")
    for a in archive.asked:
        key, folder = str(a["key"]), str(a["folder"])
        if not folder:
            continue
        entries = _checked(archive, a, by_folder.get(folder, []))
        if key in there:
            brought.there += 1
            if _differs(archive, folder, there[key], entries):
                brought.notes.append(f"{there[key]}: differs from that of the archive, and stays as it is")
        elif a in whole:
            _publish(archive, store, a, entries, brought)
        else:
            left_out.add(store.root, key, {"name": folder.partition("/")[2], "manifest": entries})
            brought.left_out += 1
    return brought


def _bring_cards(archive: Archive, store: Store) -> None:
    """Cards of judges, which whoever reads one checks; one that is there stays."""
    for name in archive.files:
        if match := CARD.fullmatch(name):
            target = links.inside(store.root, store.root / ".judged" / match["judge"] / match["card"])
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                _extract(archive, name, target)


def _publish(archive: Archive, store: Store, a: Mapping[str, Any], entries: Mapping[str, dict], to: Brought) -> None:
    """One result, by the way that an attempt goes, so that it is there whole or not at all."""
    key, folder = str(a["key"]), str(a["folder"])
    heartbeat = store.work(key) / "heartbeat"
    try:
        claim = store.claim(key, liveness.owner(TOKEN), lambda name: liveness.alive(name, heartbeat))
        for name, entry in entries.items():
            target = links.inside(claim.out, claim.out / name)
            target.parent.mkdir(parents=True, exist_ok=True)
            archive.reader.extract(f"{folder}/{name}", target, entry)
        store.publish(folder.partition("/")[2], claim)
        claim.end({"attempt": claim.number, "owner": claim.owner, "kind": "done"})
        store.tidy(key)
        to.new += 1
    except Busy as e:
        to.notes.append(f"{e}; it was left to that attempt")
    except BaseException:
        shutil.rmtree(store.work(key), ignore_errors=True)  # nobody else holds it
        raise


def _checked(archive: Archive, a: Mapping[str, Any], names: list[str]) -> dict[str, dict]:
    """The manifest of one result; BadData where it, the record and the list do not agree with each other."""
    path, folder, key = archive.reader.path, str(a["folder"]), str(a["key"])
    entries = _json(archive.reader, f"{folder}/{manifest.NAME}", MOST_RECORD)
    record = _json(archive.reader, f"{folder}/{RECORD}", MOST_RECORD)
    if not isinstance(entries, dict) or not all(map(listed.is_entry, entries.values())) or not isinstance(record, dict):
        raise BadData(f"{path}: {folder!a}: found no manifest or no record; {LEGAL}")
    told = {n.removeprefix(f"{folder}/"): archive.files[n] for n in names if not n.endswith(f"/{manifest.NAME}")}
    wanted = entries if folder.startswith(f"{WHOLE}/") else {RECORD: entries.get(RECORD)}
    if told != wanted:
        raise BadData(f"{path}: {folder!a}: its manifest and the list of the archive differ; {LEGAL}")
    stage = key.partition("/")[0]
    asked = {"stage": stage, **{name: record.get(name) for name in ("version", "params", "inputs")}}
    if f"{stage}/{keys.digest(asked)}" != key:
        raise BadData(f"{path}: {folder!a}: its record asks for something else than {key}; {LEGAL}")
    return entries


def _differs(archive: Archive, folder: str, made: Path, entries: Mapping[str, dict]) -> bool:
    """Whether a published result says something else, its record left aside: not when it was made, and where."""
    if made.parent.name in OF_A_MACHINE:
        return False
    with suppress(Exception):  # fsck says what is wrong with it
        mine = manifest.read(made)
        other = [n for n in {*mine, *entries} if n != RECORD and mine.get(n) != entries.get(n)]
        return any(n not in mine or n not in entries or not _is_same(archive, folder, made, n) for n in other)
    return True


def _is_same(archive: Archive, folder: str, made: Path, name: str) -> bool:
    """The same of one file; of a log that the archive has only the digest of, the weights beside it tell."""
    theirs = archive.files.get(f"{folder}/{name}")
    if theirs is None:
        return name == tables.LOG
    if max(theirs["size"], (made / name).stat().st_size) > MOST_LIST:
        return False
    return tables.is_same(name, (made / name).read_bytes(), archive.reader.read(f"{folder}/{name}", MOST_LIST))


def _asked(reader: Reader, path: Path) -> Iterator[Mapping[str, Any]]:
    """Each result of the study once."""
    seen, lines = set[str](), reader.read(KEYS, MOST_KEYS)
    try:
        listed.refuse_many(lines)
    except ValueError as e:
        raise BadData(f"{path}: {KEYS}: found {e}; {LEGAL}") from None
    for num, line in enumerate(lines.splitlines(), 1):
        try:
            told = listed.result(line)
        except (ValueError, TypeError, KeyError, RecursionError):
            raise BadData(f"{path}: {KEYS}: line {num}: found no result with its key; {LEGAL}") from None
        if told["key"] in seen:
            raise BadData(f"{path}: {KEYS}: line {num}: found a result that another line has, too; {LEGAL}")
        seen.add(told["key"])
        yield told


def _by_folder(archive: Archive) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in archive.files:
        found.setdefault("/".join(name.split("/")[:3]), []).append(name)
    return found


def _extract(archive: Archive, name: str, target: Path) -> None:
    """One file, whole or not at all."""
    partial = target.with_name(f".{target.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        archive.reader.extract(name, partial, archive.files[name])
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)


def _json(reader: Reader, name: str, most_bytes: int) -> Any:
    try:
        return listed.parsed(reader.read(name, most_bytes))
    except (ValueError, RecursionError):
        raise BadData(f"{reader.path}: {name!a}: cannot be read as JSON; {LEGAL}") from None
