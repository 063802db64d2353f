"""A file of the web, known by its content before it is fetched, and where its copy lies."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from winsweep import paths


@dataclass(frozen=True)
class UrlFile:
    """A file of the web whose content is known before it is fetched."""

    url: str  #: address of the file, `http://…` or `https://…`
    sha256: str  #: what `sha256sum` says of the file: 64 digits 0-9 and a-f

    @property
    def path(self) -> Path:
        """Where its copy lies, in a folder that all studies share: under its digest, with the suffix by which rows are
        read.
        """
        suffix = re.search(r"(\.[A-Za-z0-9]+)?(\.gz)?$", re.split("[?#]", self.url)[0])
        return cache() / "files" / f"{self.sha256}{suffix[0] if suffix else ''}"


def cache() -> Path:
    """The folder of fetched files: $WINSWEEP_CACHE, or ~/.cache/winsweep."""
    return paths.checked(
        Path(os.environ.get("WINSWEEP_CACHE") or "~/.cache/winsweep").expanduser().absolute(), "WINSWEEP_CACHE"
    )
