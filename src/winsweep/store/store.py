"""The directory of finished artifacts: what is published is whole; who may build what, and how attempts ended."""

import errno
import os
import shlex
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from winsweep import paths, screen
from winsweep.artifact import Artifact
from winsweep.errors import BadStudy, Busy, MissingInput, NotFound
from winsweep.store import disk, links, manifest, small_files, store_format
from winsweep.store.claim import Claim, leave_end, link, make_folder, newest, numbers, owner_of, read_end
from winsweep.store.lookup import FOLDERS, LABEL, STAYS, Begun, Published

RECORD = "record.json"


class Store:
    """A root directory: STAGE/LABEL-DIGEST are published; .work/STAGE/DIGEST belongs to whoever holds its highest
    claim.
    """

    def __init__(self, root: Path) -> None:
        """BadStudy for a root with a character that no path may have (see winsweep.paths)."""
        self.root = paths.real(paths.checked(root, "the store"))
        self.called: dict[str, str] = {}  # key to STAGE/LABEL-DIGEST of what is likely to be looked for

    def expect(self, artifacts: Iterable[Artifact]) -> None:
        """From now on these are looked for by the names that a study gives them."""
        self.called |= {a.key: a.name for a in artifacts}

    def refuse_absent(self, how: str = "--store DIR") -> None:
        """NotFound where nothing was ever made: a name that is mistyped makes no store. `how`: what names another."""
        if not (self.root / store_format.NAME).is_file() and not (self.root / ".work").is_dir():
            named = how.removesuffix(" DIR")
            if self.root.is_file():
                raise NotFound(
                    f"{named}: {self.root} is a file; the directory of a store is legal; name another by {how}"
                )
            if around := next((p for p in self.root.parents if (p / store_format.NAME).is_file()), None):
                raise NotFound(
                    f"{named}: {self.root} lies within the store {around} and is none itself; type {named} "
                    f"{shlex.quote(str(around))}"
                )
            if inside := _stores(self.root):
                typed = screen.few([f"{named} {shlex.quote(str(path))}" for path in inside])
                raise NotFound(f"{named}: {self.root} is no store, but has {len(inside)} in it; type {typed}")
            names = [path.name for path in _stores(self.root.parent)]
            there = f"; {self.root.parent} has {', '.join(names)}" if names else ""
            raise NotFound(
                f"{named}: no store in {self.root}, so nothing was run there yet{there}; name another by {how}, or run "
                f"the study first"
            )

    def open(self, is_made: bool = False) -> "Store":
        """Create the root if need be, unless it `is_made` (see disk.refuse_gone); NewerStore if a later winsweep wrote
        it, Damaged where its store.json is none, LinkInStore if a folder of ours in it is a link.
        """
        if is_made:
            disk.refuse_gone(self.root / "store.json")
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            said = (
                f"cannot be made: {e.strerror or e}; a directory is legal that you can write; name one by --store DIR"
            )
            raise BadStudy(f"{self.root}: {said}") from None
        store_format.mark(self.root)
        return self.refuse_unreadable()

    def refuse_unreadable(self) -> "Store":
        """The errors of `open` for a root that is there; nothing is written."""
        for name in FOLDERS:
            links.refuse(self.root / name)
        store_format.agree(self.root)
        return self

    # -- published artifacts

    def published(self, asked: Collection[str] = ()) -> Published:
        """Key to directory of what is published, looked up as it is asked for; of the keys `asked` many may be."""
        return Published(self.root, self.called, [*asked, *self.called])

    def find(self, key: str) -> Path:
        """The published directory of `key`, or MissingInput."""
        if found := self._published(key):
            return found
        raise MissingInput(f"{key}: not in {self.root}; the stage {key.partition('/')[0]} has not finished it", key)

    def has(self, key: str, name: str = "") -> bool:
        """Whether `key` is published; `name` is where it lies, unless a study called it something else."""
        return (bool(name) and links.inside(self.root, self.root / name).is_dir()) or self._published(key) is not None

    def _published(self, key: str) -> Path | None:
        links.inside(self.root, self.root / key.partition("/")[0])
        return self.published().find(key)

    def publish(self, name: str, claim: "Claim", known: Mapping[str, dict] = MappingProxyType({})) -> Path:
        """Seal `claim.out` (see manifest.seal for `known`) and move it into place whole; Busy if the claim was taken
        over or another was first.
        """
        dest = links.inside(self.root, self.root / name)
        manifest.seal(links.refuse(claim.out), known)
        if not claim.still_held():
            raise Busy(f"{name}: attempt {claim.number} was taken over, so its result is dropped")
        dest.parent.mkdir(exist_ok=True)
        label = dest.name.rpartition("-")[0]
        manifest.write_atomic(claim.root / LABEL, label.encode(), durable=False)  # first, so that it can be found
        try:
            os.rename(claim.out, dest)
        except OSError as e:
            if e.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                raise
            made_by = (small_files.mapping(dest / RECORD) or {}).get("owner")
            if made_by != claim.owner:  # ours after all if a lost reply hid a success
                raise Busy(f"{name}: published by {made_by} already") from e
        manifest.sync_directory(dest.parent)
        return dest

    def retire(self, artifact: Artifact, seen: str) -> None:
        """Take a stale published directory away, unless it changed since `seen` (the stamp of its manifest)."""
        dest = links.inside(self.root, self._published(artifact.key) or self.root / artifact.name)
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

    def begun(self) -> Begun:
        """Keys that an attempt was ever made at, looked up as they are asked for."""
        return Begun(self.root, self.called)

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
        disk.refuse_gone(self.root / "store.json")  # a store that was moved is not made anew
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
        """Whether an attempt on `key` had this token, or one that is `token`, a dot, and anything."""
        claims = self.work(key) / "claims"
        return any(f"{owner_of(claims, n).rpartition('@')[2]}.".startswith(f"{token}.") for n in numbers(claims))

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

    def ended(self, key: str) -> bool:
        """Whether the latest attempt on `key` left its end record."""
        last = newest(self.work(key) / "claims")
        return bool(last) and self.end_of(key, last) is not None

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
            # a task that was submitted twice writes its spec before it claims, and then finds the result
            if child.name not in STAYS and not child.name.startswith(".spec.json."):
                shutil.rmtree(child, ignore_errors=True) if child.is_dir() and not child.is_symlink() else child.unlink(
                    missing_ok=True
                )


def _stores(folder: Path) -> list[Path]:
    """The stores right below `folder`."""
    return sorted(path.parent for path in folder.glob(f"*/{store_format.NAME}")) if folder.is_dir() else []
