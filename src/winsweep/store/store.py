"""The directory of finished artifacts: what is published is whole; who may build what, and how attempts ended."""

import errno
import json
import os
import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType

from winsweep import paths
from winsweep.artifact import Artifact
from winsweep.errors import BadStudy, Busy, Damaged, MissingInput, NewerStore, NotFound
from winsweep.store import disk, links, manifest, small_files
from winsweep.store.claim import Claim, leave_end, link, make_folder, newest, numbers, owner_of, read_end

FORMAT = 1
RECORD = "record.json"
FOLDERS = (".work", ".cache", ".judged", "results", "studies")  # beside those of the stages


class Store:
    """A root directory: STAGE/LABEL-DIGEST are published; .work/STAGE/DIGEST belongs to whoever holds its highest
    claim.
    """

    def __init__(self, root: Path) -> None:
        """BadStudy for a root with a character that no path may have (see winsweep.paths)."""
        self.root = paths.checked(root, "the store").resolve()

    def refuse_absent(self) -> None:
        """NotFound where nothing was ever made: a name that is mistyped makes no store."""
        if not (self.root / "store.json").is_file():
            beside = self.root.parent
            names = sorted(p.parent.name for p in beside.glob("*/store.json")) if beside.is_dir() else []
            there = f"; {beside} has {', '.join(names)}" if names else ""
            raise NotFound(
                f"--store: no store in {self.root}, so nothing was run there yet{there}; name another by "
                f"--store DIR, or run the study first"
            )

    def open(self, is_made: bool = False) -> "Store":
        """Create the root if need be, unless it `is_made` (see disk.refuse_gone); NewerStore if a later winsweep wrote
        it, LinkInStore if a folder of ours in it is a link.
        """
        mark = self.root / "store.json"
        if is_made:
            disk.refuse_gone(mark)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            said = (
                f"cannot be made: {e.strerror or e}; a directory is legal that you can write; name one by --store DIR"
            )
            raise BadStudy(f"{self.root}: {said}") from None
        for name in FOLDERS:
            links.refuse(self.root / name)
        if not mark.exists():
            manifest.write_atomic(mark, json.dumps({"format": FORMAT}).encode())
        found = (small_files.mapping(mark) or {}).get("format")
        if not isinstance(found, int) or not small_files.is_count(found):
            raise Damaged(
                f"{mark}: found no format in it; legal is what winsweep writes; remove it, and it is written again"
            )
        if found > FORMAT:
            raise NewerStore(
                f"{mark}: found store format {found}; this winsweep reads up to {FORMAT}; update winsweep or name "
                f"another --store"
            )
        return self

    # -- published artifacts

    def published(self, stages: Collection[str] = ()) -> dict[str, Path]:
        """Key to directory of everything published (of some stages), read from one listing per stage."""
        return {
            f"{stage}/{name.rpartition('-')[2]}": folder / name
            for stage in stages or _folders(self.root)
            if stage not in FOLDERS  # a report's folders are no results
            for folder in (self.root / stage,)
            for name in sorted(_folders(folder), reverse=True)
        }

    def find(self, key: str) -> Path:
        """The published directory of `key`, or MissingInput."""
        if found := self._published(key):
            return found
        raise MissingInput(f"{key}: not in {self.root}; the stage {key.partition('/')[0]} has not finished it", key)

    def has(self, key: str, name: str = "") -> bool:
        """Whether `key` is published; `name` is where it lies, unless a study called it something else."""
        return (bool(name) and links.inside(self.root, self.root / name).is_dir()) or self._published(key) is not None

    def _published(self, key: str) -> Path | None:
        stage, _, digest = key.partition("/")
        folder = links.inside(self.root, self.root / stage)
        return min((folder / n for n in _folders(folder) if n.endswith(f"-{digest}")), default=None)

    def publish(self, name: str, claim: "Claim", known: Mapping[str, dict] = MappingProxyType({})) -> Path:
        """Seal `claim.out` (see manifest.seal for `known`) and move it into place whole; Busy if the claim was taken
        over or another was first.
        """
        dest = links.inside(self.root, self.root / name)
        manifest.seal(links.refuse(claim.out), known)
        if not claim.still_held():
            raise Busy(f"{name}: attempt {claim.number} was taken over, so its result is dropped")
        dest.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.rename(claim.out, dest)
        except OSError as e:
            if e.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                raise
            if _record(dest).get("owner") != claim.owner:  # ours after all if a lost reply hid a success
                raise Busy(f"{name}: published by {_record(dest).get('owner')} already") from e
        manifest.sync_directory(dest.parent)
        return dest

    def retire(self, artifact: Artifact, seen: str) -> None:
        """Take a stale published directory away, unless it changed since `seen` (the stamp of its manifest)."""
        dest = links.inside(self.root, self.published().get(artifact.key, self.root / artifact.name))
        trash = self.root / ".work" / f"retired-{artifact.digest}-{os.getpid()}"
        if self.stamp(dest) != seen:
            return
        trash.parent.mkdir(exist_ok=True)
        try:
            os.rename(dest, trash)
        except FileNotFoundError:
            return
        shutil.rmtree(trash, ignore_errors=True)

    @staticmethod
    def stamp(published: Path) -> str:
        """A text that differs between two publications of the same key."""
        try:
            return manifest.sha256_file(published / manifest.NAME)
        except FileNotFoundError:
            return ""

    # -- work in progress

    def begun(self) -> set[str]:
        """Keys that an attempt was ever made at, from one listing per stage: of the others nothing is known, and
        nothing need be looked up.
        """
        work = self.root / ".work"
        return {f"{stage}/{digest}" for stage in _folders(work) for digest in _folders(work / stage)}

    def work(self, key: str) -> Path:
        return self.root / ".work" / key

    def claim(self, key: str, owner: str, alive: Callable[[str], bool]) -> "Claim":
        """Own the work directory of `key`, or raise Busy.

        Claims are numbered files that are never removed: the highest number owns, and taking over is linking the next
        number, which only one can do, after the holder was found dead. There is no unlock, so a kill leaks nothing.
        """
        claims = self.work(key) / "claims"
        for path in (claims, self.work(key) / "heartbeat", self.root / key.partition("/")[0]):
            links.inside(self.root, path)
        make_folder(claims)
        while True:
            last = newest(claims)
            holder = owner_of(claims, last) if last else None
            if holder == owner:
                return Claim(self.work(key), last, owner)
            if holder and not self.is_over(key, last) and alive(holder):
                raise Busy(f"{key}: is being built by {holder}")
            if link(claims, last + 1, owner):
                return Claim(self.work(key), last + 1, owner)

    def held(self, key: str, number: int) -> bool:
        """Whether claim `number` on `key` is the latest."""
        return newest(self.work(key) / "claims") == number

    def holder(self, key: str, alive: Callable[[str], bool]) -> str | None:
        """The live attempt that owns `key`, if there is one."""
        last = newest(self.work(key) / "claims")
        if not last or self.is_over(key, last):
            return None
        holder = owner_of(self.work(key) / "claims", last)
        return holder if alive(holder) else None

    def was_claimed(self, key: str, token: str) -> bool:
        """Whether an attempt on `key` had a token that is `token`, a dot, and anything."""
        claims = self.work(key) / "claims"
        return any(owner_of(claims, n).rpartition("@")[2].startswith(f"{token}.") for n in numbers(claims))

    def claimed(self, key: str) -> list[int]:
        """The numbers of all claims on `key`, in any order."""
        return numbers(self.work(key) / "claims")

    def latest(self, key: str) -> int:
        """The number of the latest claim on `key`; 0 if there was none."""
        return newest(self.work(key) / "claims")

    def number_of(self, key: str, token: str) -> int:
        """The number of the latest claim on `key` if the attempt `token` has it, else 0."""
        last = self.latest(key)
        return last if last and self.token_of(key, last) == token else 0

    def token_of(self, key: str, number: int) -> str:
        """The token of the attempt that made claim `number` on `key`; "" where that cannot be read."""
        return owner_of(self.work(key) / "claims", number).rpartition("@")[2]

    def end_of(self, key: str, number: int) -> dict | None:
        """See claim.read_end."""
        return read_end(self.work(key) / "ends" / f"{number:06d}.json")

    def is_over(self, key: str, number: int) -> bool:
        """Whether attempt `number` on `key` has an end record, also one that is forgiven: its owner may live on, for
        other work.
        """
        return any((self.work(key) / "ends" / f"{number:06d}{suffix}").exists() for suffix in (".json", ".forgiven"))

    def explain(self, key: str, record: dict) -> None:
        """Give the latest attempt on `key` the end record that it could not write."""
        self.end(key, max(1, newest(self.work(key) / "claims")), record)

    def end(self, key: str, number: int, record: dict) -> None:
        """Leave the end record of attempt `number` on `key`."""
        leave_end(links.inside(self.root, self.work(key)), number, record)

    def log(self, key: str) -> Path:
        """The log of rank 0 of the latest attempt on `key`, or where it would be."""
        logs = [p for p in (self.work(key) / "logs").glob("*.log") if ".r" not in p.name]
        return max(logs, key=lambda p: p.stat().st_mtime, default=self.work(key) / "logs" / "attempt.log")

    def tidy(self, key: str) -> None:
        """Drop what only an unfinished attempt needs; claims, end records, logs and the spec stay."""
        # the other ranks may be removing things too
        for child in list(links.inside(self.root, self.work(key)).iterdir()):
            if child.name not in ("claims", "ends", "logs", "spec.json"):
                shutil.rmtree(child, ignore_errors=True) if child.is_dir() and not child.is_symlink() else child.unlink(
                    missing_ok=True
                )


def _folders(path: Path) -> list[str]:
    """The names of the directories in `path`, of which there may be tens of thousands; none where it is not there."""
    try:
        with os.scandir(path) as found:
            return [e.name for e in found if e.is_dir(follow_symlinks=False) and not e.name.startswith(".")]
    except FileNotFoundError:
        return []


def _record(published: Path) -> dict:
    return small_files.mapping(published / RECORD) or {}
