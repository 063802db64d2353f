"""The content digest of a file or directory that a study names, remembered by size and time so that large ones are read
once.
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

from winsweep.errors import BadData
from winsweep.store import links, manifest, small_files
from winsweep.store.claim import make_folder
from winsweep.store.indexes import refuse_outside
from winsweep.study.cell import LocalFile

SHA256 = re.compile("[0-9a-f]{64}")


class Fingerprints:
    """Digests, with a memory in `cache` (a JSON file); delete it and nothing but time is lost."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        found = small_files.mapping(cache, small_files.LARGE_BYTES) or {}
        self.known: dict[str, str] = {at: said for at, said in found.items() if SHA256.fullmatch(str(said))}
        self._before = dict(self.known)

    def __call__(self, path: Path) -> LocalFile:
        return LocalFile(fingerprint(path, self._file))

    def save(self) -> None:
        """Write down the digests that were worked out, if any were; OSError as of the disk, BadData where a folder has
        the place.
        """
        if self.known != self._before:
            with contextlib.suppress(PermissionError):  # a store that this user may only read
                self._save()

    def _save(self) -> None:
        make_folder(links.refuse(self.cache.parent), is_deep=False)
        if self.cache.is_dir():
            raise BadData(f"{self.cache}: found a folder; legal is a file that winsweep makes; move it away")
        manifest.write_atomic(self.cache, json.dumps(self.known, indent=1).encode())

    def _file(self, path: Path) -> str:
        stat = path.stat()
        at = f"{path}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ino}"
        if at not in self.known:
            self.known[at] = manifest.sha256_file(path)
        return self.known[at]


def fingerprint(path: Path, sha256_file: Callable[[Path], str] = manifest.sha256_file) -> str:
    """sha256 of a file's bytes; of a directory, that of its sorted file names and their sha256. BadData for a model of
    files outside it.
    """
    if path.is_file():
        return sha256_file(path)
    refuse_outside(path)
    files = manifest.files_of(path)
    digests = manifest.each(sha256_file, files)
    listing = [[p.relative_to(path).as_posix(), digest] for p, digest in zip(files, digests, strict=True)]
    return hashlib.sha256(json.dumps(listing).encode()).hexdigest()
