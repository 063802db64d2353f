"""The hub's cache: what lies there, how it comes there, and what to type when the hub refuses. The only file that
downloads from it.
"""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from winsweep.errors import BadData, Unreachable
from winsweep.store.indexes import names_in, refuse_outside
from winsweep.study.cell import HubData, HubModel

SMALL = [
    "config.json",
    "generation_config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "spiece.model",
    "sentencepiece*.model",
    "*.tiktoken",
    "chat_template*",
    # the last of embedders
    "modules.json",
    "*sentence_*.json",
    "[0-9]_*/config.json",
    "[0-9]_*/model.safetensors",
]
# in this order, the first kind that there is
WEIGHTS = {
    "model.safetensors": ["model.safetensors*", "model-*-of-*.safetensors"],
    "pytorch_model.bin": ["pytorch_model.bin*", "pytorch_model-*-of-*.bin"],
}
# Of an error or what it came from, by the name of the class or of one above it: no answer, and one that will not come.
# By name, as the hub's library, transformers and datasets use one HTTP library or another, and change it.
AWAY = {"ConnectionError", "TimeoutError", "TransportError", "Timeout", "gaierror", "ClientConnectionError"}
REFUSED = {"OfflineModeIsEnabled", "SSLCertVerificationError", "UnsupportedProtocol", "InvalidURL"}
PASSING = (408, 425, 429)  # and 500 or above
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json", "vocab.txt", "spiece.model")


def cache() -> Path:
    """Where huggingface_hub keeps what it downloads, by its variables; it is not imported, which would take a
    second.
    """
    given = os.environ.get
    home = given("HF_HOME", os.path.join(given("XDG_CACHE_HOME", "~/.cache"), "huggingface"))
    kept = given("HF_HUB_CACHE", given("HUGGINGFACE_HUB_CACHE", os.path.join(home, "hub")))
    return Path(os.path.expandvars(os.path.expanduser(kept))).absolute()


def is_there(part: HubModel | HubData) -> bool:
    """Whether a look at the names in the cache finds what `part` names; the network is not asked."""
    snapshot = _snapshot(part)
    if isinstance(part, HubData):
        return any(snapshot.glob(part.file))
    files = {p.name for p in snapshot.glob("*")}
    return (
        "config.json" in files
        and not files.isdisjoint(TOKENIZERS)
        and any(_shards(snapshot, name) <= files for name in WEIGHTS)
    )


def fetch(part: HubModel | HubData) -> int:
    """Bring what `part` names into the cache; the number of bytes that came. BadData, or Unreachable, says what to
    type.
    """
    before = _blobs(part)
    fetch_data(part) if isinstance(part, HubData) else _fetch_model(part)
    if not is_there(part):
        raise BadData(
            f"{title(part)}: the hub has no such files; legal are "
            + (
                "names that its page lists"
                if isinstance(part, HubData)
                else f"config.json, a tokenizer and {' or '.join(WEIGHTS)} (whole or in shards); name another model, "
                f"or give path: to a local copy"
            )
        )
    return sum(num for name, num in _blobs(part).items() if name not in before)


def folder_of(model: HubModel) -> Path:
    """Where the files of a model lie, which are fetched if they are not there; BadData says what to type."""
    if not is_there(model):
        fetch(model)
    return _snapshot(model)


def fetch_data(data: HubData) -> Path:
    """A file of a data set; of a pattern, the directory that the files it names are below. From the cache where it is
    complete.
    """
    from huggingface_hub import hf_hub_download

    try:
        if "*" in data.file:
            return _download(data, data.revision, [data.file])
        return Path(hf_hub_download(data.hf_id, data.file, repo_type="dataset", revision=data.revision))
    except Exception as e:
        raise refused(e, data.hf_id, data.revision, data.file) from e


def is_offline() -> bool:
    """Whether the environment says that the hub is not to be asked."""
    from huggingface_hub import constants

    return constants.HF_HUB_OFFLINE


def title(part: HubModel | HubData) -> str:
    kind, file = ("data set", f", {part.file}") if isinstance(part, HubData) else ("model", "")
    return f"{kind} {part.hf_id} at {part.revision[:12]}{file}"


def is_away(error: BaseException) -> bool:
    """Whether `error` comes from a hub that did not answer, or said that it cannot just now: the same request may be
    answered later.
    """
    chain: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in chain:
        chain.append(at)
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    names = {c.__name__ for e in chain for c in type(e).__mro__}
    statuses = [s for e in chain if isinstance(s := getattr(getattr(e, "response", None), "status_code", None), int)]
    if is_offline() or names & REFUSED:
        return False
    return statuses[0] in PASSING or statuses[0] >= 500 if statuses else bool(names & AWAY)


def refused(error: Exception, hf_id: str, revision: str | None, file: str = "") -> BadData | Unreachable:
    """The error to raise for a model, or with `file` for a file of a data set, that could not be had because of
    `error`: Unreachable where the hub may have it later. A full disk is raised as it is.
    """
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise error
    said = str(error).strip().partition("\n")[0]
    page = f"https://huggingface.co/{'datasets/' if file else ''}{hf_id}"
    given = [*(["--repo-type dataset"] if file else []), *([f"--revision {revision}"] if revision else [])]
    fetch = " ".join(["hf download", hf_id, *([f"--include '{file}'"] if file else []), *given])
    return (Unreachable if is_away(error) else BadData)(
        f"{hf_id} at {(revision or 'its newest')[:12]}: cannot be loaded ({type(error).__name__}: {said}); "
        f"if it is gated, accept its terms at {page} and type `hf auth login`; if this machine has no network, type "
        f"`{fetch}` "
        f"on one that has, with the same HF_HOME, and set HF_HUB_OFFLINE=1 here; "
        f"or give the {'task' if file else 'model'} a path: to a local copy"
    )


def _fetch_model(model: HubModel) -> None:
    """What transformers loads, without copies of the weights in other formats."""
    try:
        commit = model.revision
        for name, patterns in WEIGHTS.items():
            found = _download(model, commit, [*SMALL, *patterns])
            commit = found.name  # of a branch, which may move
            if _shards(found, name) <= {p.name for p in found.glob("*")}:
                return
    except Exception as e:
        raise refused(e, model.hf_id, model.revision) from e


def _download(part: HubModel | HubData, revision: str, patterns: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download

    kind = "dataset" if isinstance(part, HubData) else "model"
    asked = {"repo_type": kind, "revision": revision, "allow_patterns": list(patterns)}
    # said, as version 1 of the hub's library asks for a listing offline too where its cache has none
    return Path(snapshot_download(part.hf_id, **asked, local_files_only=is_offline()))


def _shards(snapshot: Path, name: str) -> set[str]:
    """The files of weights that belong to the file `name`: those of its index, or itself."""
    index = snapshot / f"{name}.index.json"
    if not index.exists():
        return {name}
    refuse_outside(snapshot)
    return {str(name) for name in names_in(index)}


def refuse_outside_weights(base: str, revision: str | None) -> None:
    """BadData for a model, in a directory or in the cache, whose index of weights names a file that is not in it;
    before it is loaded.
    """
    refuse_outside(Path(base) if Path(base).is_dir() else _snapshot(HubModel(base, revision or "main")))


def _folder(part: HubModel | HubData) -> Path:
    return cache() / f"{'datasets' if isinstance(part, HubData) else 'models'}--{part.hf_id.replace('/', '--')}"


def _snapshot(part: HubModel | HubData) -> Path:
    """Where a revision lies: below its commit, which the cache remembers of branches and short names."""
    ref = _folder(part) / "refs" / part.revision
    return _folder(part) / "snapshots" / (ref.read_text().strip() if ref.is_file() else part.revision)


def _blobs(part: HubModel | HubData) -> dict[str, int]:
    """Contents in the cache, each with its number of bytes."""
    return {p.name: p.stat().st_size for p in (_folder(part) / "blobs").glob("*") if p.suffix != ".incomplete"}
