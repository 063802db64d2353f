"""Which paths winsweep takes: those that stand on one line of a script, a log or a table as what they are. Every
command asks here, at its door. And how a file is opened that others may have put there.
"""

import argparse
import os
import re
import stat
from io import BufferedReader
from pathlib import Path

from winsweep.errors import BadData, BadStudy
from winsweep.quoting import quoted

# Control characters, line and paragraph separators, what turns the direction of text, and bytes that are no UTF-8
# (surrogates, PEP 383).
REFUSED = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def checked(path: str | Path, where: str) -> Path:
    """`path`, unchanged; BadStudy, beginning with `where`, if it, or the directory that it is relative to, has a
    character that is REFUSED.
    """
    if fault := _fault(str(path)):
        raise BadStudy(f"{where}: {fault}")
    return Path(path)


def opened(path: Path, legal: str) -> BufferedReader:
    """The regular file at `path`, to be read. BadData for a pipe or a device, which may never end; `legal` says what is
    legal. OSError as of the disk.
    """
    file = open(path, "rb", opener=opener)  # noqa: SIM115  # its reader closes it
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode) or _has_nothing_yet(file.fileno()):
        file.close()
        raise BadData(f"{path}: found a pipe or a device; {legal}; name an ordinary file")
    return file


def _has_nothing_yet(file: int) -> bool:
    """Whether an open file is one of the kernel's that would have been waited for, such as /proc/kmsg; Python reads
    None there, and not the end.
    """
    try:
        os.pread(file, 1, 0)
    except BlockingIOError:
        return True
    except OSError:  # which its reader meets
        return False
    return False


def opener(name: str, flags: int) -> int:
    """For open(): waits for no pipe."""
    return os.open(name, flags | os.O_NONBLOCK | os.O_NOCTTY, 0o666)


def unlinked_opener(name: str, flags: int) -> int:
    """For open(): waits for no pipe, and follows no link, whoever puts one there meanwhile (OSError)."""
    return opener(name, flags | os.O_NOFOLLOW)


def read_text(path: Path, most_bytes: int, legal: str) -> str:
    """The text of the regular file at `path`; BadData as of `opened`, and for more than `most_bytes`.
    UnicodeDecodeError where it is not UTF-8.
    """
    with opened(path, legal) as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise BadData(f"{path}: found more than {most_bytes:,} bytes; {legal}, of at most so many; write less")
    return data.decode()


def real(path: Path) -> Path:
    """Where `path` leads through links, absolute; a circle of links, which leads nowhere, stays as it is."""
    return Path(os.path.realpath(path))


def is_file(path: Path) -> bool:
    """Whether a regular file is there; False also where the name is such that none can be."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, or with a NUL
        return False


def is_dir(path: Path) -> bool:
    """Whether a directory is there; False also where the name is such that none can be."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def folder_made_for(target: Path) -> str:
    """A line for the outermost folder that writing `target` has to make, or no text: a mistyped one is seen by it."""
    missing = [folder for folder in target.absolute().parents if not is_dir(folder)]
    return f"made:     {missing[-1]}, a folder that was not there\n" if missing else ""


def argument(text: str) -> Path:
    """A path of a command line, for argparse, which names the option; an empty one, as of a variable of the shell that
    is not set, would be the current directory.
    """
    if not text:
        raise argparse.ArgumentTypeError("found an empty path; a path is legal; type one (. is the current directory)")
    return Path(word(text))


def page(text: str) -> Path:
    """The same for a page that is written over: a name that ends in .html, so that it is no study and no data."""
    path = argument(text)
    if path.suffix != ".html":
        raise argparse.ArgumentTypeError(
            f"found {quoted(text)}; a name that ends in .html is legal, as what is there is written over; type "
            "--out NAME.html"
        )
    return path


def word(text: str) -> str:
    """The same for an option that takes a name or a path."""
    if fault := _fault(text):
        raise argparse.ArgumentTypeError(fault)
    return text


def _fault(text: str) -> str:
    try:
        absolute = os.path.abspath(text) if "\0" not in text else text
    except FileNotFoundError:
        return "the current directory is not there any more; type cd and a directory that is there"
    for whole in (text, absolute, _resolved(text)):
        if found := REFUSED.search(whole):
            return (
                f"found {quoted(whole)}, with the character U+{ord(found[0]):04X}; legal are paths without line breaks "
                f"and other control "
                f"characters; rename the file or directory, or name another"
            )
    return ""


def _resolved(text: str) -> str:
    """Where `text` leads through links, as scripts and records name it."""
    try:
        return os.path.realpath(text)
    except (OSError, ValueError):  # too long, or not a path: whoever opens it says so
        return text


def at_least_one(text: str) -> int:
    """A whole number from 1 on; ArgumentTypeError for anything else."""
    if not (text.isascii() and text.isdecimal() and len(text) < 10) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {quoted(text)}; a whole number from 1 on is legal")
    return int(text)
