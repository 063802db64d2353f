"""What a study needs from elsewhere (the hub's models and data sets, files of the web): what of it is not there, and
how it is fetched.
"""

import hashlib
import os
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import BinaryIO

from winsweep.artifact import Artifact
from winsweep.errors import BadData, Unreachable
from winsweep.plan import Item
from winsweep.study import web_file
from winsweep.study.cell import HubData, HubModel
from winsweep.study.web_file import UrlFile
from winsweep.text import hub
from winsweep.workspace import Workspace

PIECE = 1 << 20
TIMEOUT_S = 60.0  # of silence


def not_there(workspace: Workspace, items: Iterable[Item], is_verbose: bool = True) -> str:
    """Lines that name what is missing on this machine of what of `items` is to be made, by a look at files alone;
    no text if nothing is. What --prefetch fetches is only counted unless `is_verbose`.
    """
    study, todo = workspace.study, [i.artifact for i in items if i.state != "done"]
    hub_parts = [p for p in on_hub(todo) if not hub.is_there(p)]
    own = [text for path, text in study.missing.items() if path not in study.urls]
    fetched = [text for path, text in study.missing.items() if path in study.urls]
    fetched += [f"{hub.title(p)}: not in {hub.cache()}" for p in hub_parts]
    if fetched and not is_verbose:
        num = Counter("model" if isinstance(p, HubModel) else "data set" for p in hub_parts)
        num["web file"] = len(fetched) - len(hub_parts)
        counts = ", ".join(f"{n} {kind}{'s'[: n > 1]}" for kind, n in num.items() if n)
        fetched = [f"{counts}: fetched when needed, or now with --prefetch (--verbose names them)"]
    return (
        "".join(f"{line}\n" for line in ["not there yet:", *(f"    {x}" for x in [*own, *fetched])])
        if own or fetched
        else ""
    )


def fetch_urls(workspace: Workspace) -> int:
    """Bring the study's files of the web that are not there into the cache, a line for each; how many came. BadData if
    one does not come.
    """
    lacking = {path: file for path, file in workspace.study.urls.items() if path in workspace.study.missing}
    for file in lacking.values():
        num = download(file)
        print(f"fetched        {file.url}  ({_size(num)})", flush=True)
    return len(lacking)


def fetch(workspace: Workspace) -> int:
    """Bring everything that the study names into caches, a line for each; 0 if all of it is there then, also without a
    network.
    """
    study = workspace.study
    done = [
        _say(file.url, partial(download, file) if path in study.missing else lambda: 0)
        for path, file in study.urls.items()
    ]
    done += [_say(hub.title(part), partial(hub.fetch, part)) for part in on_hub(workspace.order)]
    print(
        f"Nodes without internet need HF_HUB_OFFLINE=1, HF_HUB_CACHE={hub.cache()} (by default $HF_HOME/hub) and "
        f"WINSWEEP_CACHE={web_file.cache()} in their environment, on a disk that they see."
    )
    lost = [text for path, text in study.missing.items() if path not in study.urls]
    print("".join(f"{line}\n" for line in ["not there yet, and no url is known:", *lost]) if lost else "", end="")
    return 0 if all(done) and not lost else 1


def on_hub(artifacts: Iterable[Artifact]) -> list[HubModel | HubData]:
    """Models and files of data sets that parameters name, each once."""
    return list(dict.fromkeys(part for a in artifacts for part in _named(a.plain_params)))


def _named(value: object) -> list[HubModel | HubData]:
    if isinstance(value, dict) and "hf_id" in value:
        return [HubData(**value) if "file" in value else HubModel(**value)]
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [part for v in below for part in _named(v)]


def _say(what: str, get: Callable[[], int]) -> bool:
    """Get something, say how many bytes came, or what is wrong; whether it is there now."""
    try:
        num = get()
    except (BadData, Unreachable, OSError) as e:
        print(f"error: {e}", file=sys.stderr, flush=True)
        return False
    print(f"fetched        {what}  ({_size(num)})" if num else f"there already  {what}", flush=True)
    return True


def _size(num: int) -> str:
    return f"{num / 1e6:,.1f} MB" if num >= 1e5 else f"{num:,} bytes"


def download(file: UrlFile) -> int:
    """Put the file in its place in the cache, whole and with the content that its digest names; the number of its
    bytes.

    BadData otherwise, and nothing is kept.
    """
    path = file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        with open(tmp, "xb") as out:
            found, num = _receive(file.url, out)
            os.fsync(out.fileno())
        if found != file.sha256:
            raise BadData(
                f"{file.url}: found content with sha256 {found}; legal is that of the study, {file.sha256}; nothing is "
                f"kept; "
                f"if the new content is meant, correct sha256:"
            )
        os.replace(tmp, path)
    finally:
        tmp.unlink(missing_ok=True)
    return num


def _receive(url: str, out: BinaryIO) -> tuple[str, int]:
    """Write what the server sends to `out`: its sha256 and its number of bytes. BadData if it does not come, or not to
    its end.
    """
    from http.client import HTTPException  # with the next, a tenth of a second, and most commands fetch nothing
    from urllib.request import urlopen

    digest, num = hashlib.sha256(), 0
    try:
        with urlopen(url, timeout=TIMEOUT_S) as answer:
            while piece := answer.read(PIECE):
                digest.update(piece)
                num += out.write(piece)
            said = answer.headers.get("Content-Length")
    except (OSError, HTTPException, ValueError) as e:
        getattr(e, "close", lambda: None)()  # an HTTPError holds the connection
        raise BadData(
            f"{url}: cannot be fetched ({type(e).__name__}: {e}); try again, correct the url, or give a path to a "
            f"local copy"
        ) from e
    if said is not None and num != int(said):
        raise BadData(f"{url}: cut off after {num} of {said} bytes; nothing is kept; try again")
    return digest.hexdigest(), num
