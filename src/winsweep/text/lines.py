"""Lines of a text file, gzip-ed or not, with their numbers; what is no such file is named by what it is."""

import gzip
import io
import re
import shlex
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from winsweep import paths
from winsweep.errors import BadData

LEGAL = ".jsonl, .json, .csv, .tsv, .parquet, .txt and .pgn are legal, each also with .gz"
MOST_BYTES = 1 << 28  # of a line
MAGIC = {
    b"PK\x03\x04": "a zip file (as .xlsx is)",
    b"\x28\xb5\x2f\xfd": "a zstd file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"ARROW1": "an Arrow file",
    b"PAR1": "a parquet file, but not its suffix",
    b"\x89HDF": "an HDF5 file",
    b"%PDF": "a PDF file",
    b"SQLite format 3": "an SQLite file",
    b"\x80\x04\x95": "a pickle",
    b"\x1f\x8b": "a gzip file within a gzip file",
}
BOMS = {b"\xff\xfe\0\0": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
# What a file is likely in that shows no encoding and is not UTF-8: all of latin1 that occurs, and Windows' quotes and
# dashes, which as latin1 would become characters that nobody sees.
LIKELY = "windows-1252"


def kind_of(path: Path) -> str:
    """The suffix that says how a file is read, without .gz."""
    suffixes = path.suffixes
    return (suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else path.suffix).lower()


@contextmanager
def opened(path: Path) -> Iterator[io.BufferedIOBase]:
    """The bytes of a file, unpacked if they are gzip, whatever it is called; BadData for a damaged archive or another
    kind of file.
    """
    try:
        with paths.opened(path, LEGAL) as raw:
            begins = raw.read(16)
            raw.seek(0)
            if begins[:2] == b"\x1f\x8b":
                with gzip.open(raw) as unpacked:
                    yield unpacked
            else:
                yield raw
    except (EOFError, gzip.BadGzipFile, zlib.error) as e:
        raise BadData(f"{path}: a damaged gzip file ({e}); whole ones are legal; copy it anew") from None
    except IsADirectoryError:
        raise BadData(f"{path}: found a directory; a file is legal; name one of its files") from None


def lines(path: Path, keep_ends: bool = False) -> Iterator[tuple[int, str]]:
    """Lines from 1 on, whichever of \\n, \\r\\n and \\r ends them, without a byte order mark and, unless they are kept,
    without their ends.

    BadData names the line that is not UTF-8, and what to type.
    """
    number = 0
    with opened(path) as f:
        for i, raw in enumerate(iter(lambda: f.readline(MOST_BYTES + 1), b"")):
            if len(raw) > MOST_BYTES:  # of an unpacked archive, or of what is no text
                raise BadData(f"{path}:{number + 1}: found a line of more than {MOST_BYTES:,} bytes; {LEGAL}; cut it")
            text = _decoded(raw, i == 0, f"{path}:{number + 1}", path)
            for part in re.findall("[^\r\n]*(?:\r\n?|\n)|[^\r\n]+", text):
                number += 1
                yield number, part if keep_ends else part.rstrip("\r\n")


def _decoded(raw: bytes, is_first: bool, where: str, path: Path) -> str:
    if is_first:
        other = next((what for magic, what in MAGIC.items() if raw.startswith(magic)), None)
        if other:
            raise BadData(f"{path}: found {other}; {LEGAL}; save the rows as one of these")
    known = _other_encoding(raw) if is_first else ""
    try:
        text = raw.decode("utf-8-sig" if is_first else "utf-8")
        wrong = raw.find(0) if known else -1
    except UnicodeDecodeError as e:
        wrong = e.start
    if wrong < 0:
        return text
    new = shlex.quote(str(path.with_name(f"utf8-{path.name.removesuffix('.gz')}")))
    old = f"gzip -dc {shlex.quote(str(path))} | " if path.suffix == ".gz" else f"< {shlex.quote(str(path))} "
    raise BadData(
        f"{where}: not UTF-8 (found the byte 0x{raw[wrong]:02x}); UTF-8 is legal; if the file is {known or LIKELY}, "
        f"type: {old}iconv -f {known or LIKELY} -t utf-8 > {new}, and name that file"
    )


def _other_encoding(begins: bytes) -> str:
    """The encoding that the first bytes of a file show, by its mark or by a zero byte beside the first character."""
    marked = next((name for mark, name in BOMS.items() if begins.startswith(mark)), "")
    zeros = [byte == 0 for byte in begins[:2]]
    return marked or ("utf-16be" if zeros == [True, False] else "utf-16le" if zeros == [False, True] else "")
