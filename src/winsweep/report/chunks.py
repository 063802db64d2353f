"""A file of the reader's texts: a small HTML page that hands its compressed JSON to the report beside it.

A page that is opened from a disk may fetch nothing, but it may show another page in a frame. So each file is one, with
a policy under which nothing but its own constant script runs. It answers a page of its own origin alone, or one on the
same disk.
"""

import base64
import gzip
import hashlib
import json
import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from winsweep.keys import digest
from winsweep.paths import unlinked_opener
from winsweep.store import links
from winsweep.store.manifest import write_atomic

FORMAT = 1
LARGE_MB = 100  # of a folder, of which a person is told
SCRIPT = (
    'addEventListener("message",(e)=>{'
    'if(e.source===parent&&(location.protocol==="file:"||e.origin===location.origin))'
    'parent.postMessage({winsweep:document.getElementById("data").textContent},"*")})'
)
POLICY = (
    f"default-src 'none'; script-src 'sha256-{base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'"
)
HEAD = (
    f'<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    "<title>winsweep: texts of a report</title><p>The report beside this folder shows these texts.</p>"
    '<script type="text/plain" id="data">'
)
TAIL = f"</script><script>{SCRIPT}</script>\n"
NAME = re.compile(r"(instructions|answers|judged)-[0-9a-f]{12}\.html")


def chunk(value: object) -> bytes:
    """The file of a JSON value: the same bytes for the same value."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)  # half a pair of surrogates stays an escape
    packed = gzip.compress(text.encode(), 6, mtime=0)
    return f"{HEAD}{base64.b64encode(packed).decode()}{TAIL}".encode()


def read_chunk(path: Path) -> object:
    """The value of a file that `chunk` made."""
    text = path.read_text().removeprefix(HEAD).removesuffix(TAIL)
    return json.loads(gzip.decompress(base64.b64decode(text)))


@dataclass(frozen=True)
class Folder:
    """A folder of such files, and which of them belong to the report that is being made."""

    path: Path
    sizes: dict[str, int] = field(default_factory=dict)  # file name to bytes

    def put(self, kind: str, sources: object, make: Callable[[], object]) -> str:
        """The name of the file whose content follows from `sources` (JSON values); it is made only if it is not there.

        LinkInStore where the folder or the file is a link.
        """
        name = f"{kind}-{digest([FORMAT, kind, sources])}.html"
        if name not in self.sizes:
            target = links.refuse(links.refuse(self.path) / name)
            if not is_whole(target):
                self.path.mkdir(exist_ok=True)
                write_atomic(target, chunk(make()), durable=False)
            self.sizes[name] = target.stat().st_size
        return name


def is_whole(path: Path) -> bool:
    """Whether a file begins and ends as ours do."""
    try:
        with open(path, "rb", opener=unlinked_opener) as f:
            head = f.read(len(HEAD))
            f.seek(-min(len(TAIL), os.fstat(f.fileno()).st_size), os.SEEK_END)
            return head == HEAD.encode() and f.read() == TAIL.encode()
    except FileNotFoundError:
        return False


def files_of(entry: Mapping[str, Any]) -> set[str]:
    """The files that a page with this entry may ask for."""
    named = {c[kind] for c in entry["cells"] for kind in ("answers", "reference", "judged")}
    return {entry["instructions"], *filter(None, named)}


def remove_stale(folder: Path, keep: Collection[str] = ()) -> None:
    """Remove the files of earlier reports, and the folder if nothing is left in it; what is not ours stays."""
    if links.refuse(folder).is_dir():
        for name in os.listdir(folder):
            if NAME.fullmatch(name) and name not in keep:
                (folder / name).unlink()  # of a link the link itself
        if not os.listdir(folder):
            folder.rmdir()
