"""Zip files: written so that the same content gives the same bytes, and read so that no hostile one does harm."""

import hashlib
import os
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from winsweep.errors import BadData
from winsweep.paths import REFUSED, opener, unlinked_opener

MOST_FILES, MOST_LIST_BYTES = 1_000_000, 48 << 20  # of a zip; each file takes some 600 bytes of memory
MOST_NAME = 240  # bytes of a part of a name
MOST_TIMES, WORTH_A_LOOK = 200, 64 << 20  # a file of so many bytes may be so many times what it is packed as
STORED = (".safetensors", ".bin", ".gz", ".zip")  # nothing is gained by packing these
PIECE = 1 << 20
FAR, NEAR = 76, 22  # bytes of the end of a large zip, and of any
LEGAL = "an archive that winsweep wrote is legal; fetch it again"


class Writer:
    """A zip file whose bytes are those of what is added, in its order; `entries` has size and sha256 of each."""

    def __init__(self, file: IO[bytes]) -> None:
        self.zip, self.entries = zipfile.ZipFile(file, "w", allowZip64=True), dict[str, dict]()

    def add(self, name: str, source: Path | bytes) -> dict:
        """Put a file in; what a manifest says of it. OSError as of the disk; a link is not followed."""
        info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
        info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16
        info.compress_type = zipfile.ZIP_STORED if name.endswith(STORED) else zipfile.ZIP_DEFLATED
        size, digest = 0, hashlib.sha256()
        with self.zip.open(info, "w", force_zip64=True) as out:
            for piece in _pieces(source):
                size += len(piece)
                digest.update(piece)
                out.write(piece)
        self.entries[name] = {"size": size, "sha256": digest.hexdigest()}
        return self.entries[name]

    def close(self) -> None:
        self.zip.close()


def _pieces(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with open(source, "rb", opener=unlinked_opener) as file:
        while piece := file.read(PIECE):
            yield piece


class Reader:
    """The files of an archive by name; nothing is written anywhere but by `extract`."""

    def __init__(self, path: Path, opened: zipfile.ZipFile) -> None:
        self.path, self.zip = path, opened
        self.files = {info.filename: info for info in opened.infolist()}

    def read(self, name: str, most_bytes: int) -> bytes:
        """The bytes of a small file; BadData where it is not there, too large, or not whole."""
        info = self._info(name)
        if info.file_size > most_bytes:
            raise self._error(name, f"{info.file_size:,} bytes; at most {most_bytes:,} are legal")
        return b"".join(self.pieces(name))

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes of a file, never more than its list says; BadData where it is not whole."""
        left = self._info(name).file_size
        try:
            with self.zip.open(name) as file:
                while piece := file.read(min(PIECE, left + 1)):
                    left -= len(piece)
                    if left < 0:
                        raise self._error(name, "more bytes than its list says")
                    yield piece
        except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError, struct.error) as e:
            raise self._error(name, f"what cannot be unpacked ({e})") from None
        except Exception as e:
            if type(e).__module__ in ("zlib", "_lzma"):
                raise self._error(name, f"what cannot be unpacked ({e})") from None
            raise

    def extract(self, name: str, to: Path, want: dict) -> None:
        """Put a file at `to`, which must not be there; BadData unless size and sha256 are those of `want`."""
        with open(to, "xb") as out:
            self._take(name, want, out.write)

    def check(self, name: str, want: dict) -> None:
        """BadData unless size and sha256 of a file are those of `want`."""
        self._take(name, want, lambda piece: None)

    def _take(self, name: str, want: dict, use: Callable[[bytes], object]) -> None:
        digest, size = hashlib.sha256(), 0
        for piece in self.pieces(name):
            size += len(piece)
            digest.update(piece)
            use(piece)
        if {"size": size, "sha256": digest.hexdigest()} != want:
            raise self._error(name, "another size or sha256 than its list says")

    def _info(self, name: str) -> zipfile.ZipInfo:
        if name not in self.files:
            raise BadData(f"{self.path}: has no {name!a}; {LEGAL}")
        return self.files[name]

    def _error(self, name: str, found: str) -> BadData:
        return BadData(f"{self.path}: {name!a}: found {found}; {LEGAL}")


@contextmanager
def opened(path: Path) -> Iterator[Reader]:
    """An archive, of whose list nothing is hostile. BadData for any that is none; OSError as of the disk."""
    with open(path, "rb", opener=opener) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise BadData(f"{path}: found no ordinary file; {LEGAL}")
        _refuse_long_list(path, file)
        try:
            archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error, UnicodeError) as e:
            raise BadData(f"{path}: found no zip file ({e}); {LEGAL}") from None
        with archive:
            _refuse_hostile(path, archive.infolist())
            yield Reader(path, archive)


def _refuse_long_list(path: Path, file: IO[bytes]) -> None:
    """BadData before a list of millions of files is read, by what the end of the file says of it: without a comment
    behind it, so that there is one place for it. Its length counts, as the number of files in it may be a lie.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - FAR - NEAR))
    tail = file.read().rjust(FAR + NEAR, b"\0")
    file.seek(0)
    if tail[FAR : FAR + 4] != b"PK\5\6" or tail[-2:] != b"\0\0":
        raise BadData(f"{path}: found no zip file, or more behind its end; {LEGAL}")
    num, num_bytes = struct.unpack_from("<HI", tail, FAR + 10)
    if tail[FAR - 20 : FAR - 16] == b"PK\6\7":
        (at,) = struct.unpack_from("<Q", tail, FAR - 12)
        if at != size - FAR - NEAR or tail[:4] != b"PK\6\6":
            raise BadData(f"{path}: found no zip file, or more before its list; {LEGAL}")
        num, num_bytes = struct.unpack_from("<QQ", tail, 32)
    if num > MOST_FILES or num_bytes > MOST_LIST_BYTES:
        raise BadData(f"{path}: found a list of {num:,} files in {num_bytes:,} bytes; at most {MOST_FILES:,} are legal")


def _refuse_hostile(path: Path, infos: list[zipfile.ZipInfo]) -> None:
    seen: set[str] = set()
    for info in infos:
        if why := _hostile(info, seen):
            raise BadData(f"{path}: {info.filename[:200]!a}: found {why}; {LEGAL}")
        seen.add(info.filename.casefold())


def _hostile(info: zipfile.ZipInfo, seen: set[str]) -> str:
    """What is wrong with an entry, or no text."""
    name, kind = info.filename, stat.S_IFMT(info.external_attr >> 16)
    parts = name.split("/")
    if REFUSED.search(name) or "\\" in name or ":" in parts[0] or info.orig_filename != name:
        return "a character that no name may have"
    if PurePosixPath(name).is_absolute() or {"", ".", ".."} & {*parts}:
        return "a way out of the archive"
    if any(len(part.encode()) > MOST_NAME for part in parts):
        return "a name that no file can have"
    if kind not in (0, stat.S_IFREG):
        return "a link or a device"
    if name.casefold() in seen:
        return "the same name twice"
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "a way of packing that winsweep does not use"
    is_dense = info.file_size > WORTH_A_LOOK and info.file_size > MOST_TIMES * max(1, info.compress_size)
    return f"{info.file_size:,} bytes packed as {info.compress_size:,}" if is_dense else ""
