"""Which model a judge on this machine is: its name in an identity, and where it is loaded from."""

from pathlib import Path

from winsweep.errors import BadStudy
from winsweep.store.fingerprint import fingerprint
from winsweep.study.cell import HubModel, LocalFile

Weights = HubModel | LocalFile | dict[str, str] | None  # as a study gives them, or as a job's parameters have them


def title(judge: str, weights: Weights, path: str) -> str:
    """The model by hub id and revision, or by its content; BadStudy where none is named."""
    named = _plain(weights)
    if "hf_id" in named:
        return f"{named['hf_id']}@{named['revision']}"
    if not named and not path:
        raise BadStudy(
            f"judge {judge}: no model; exactly one of path: and hf_id: with revision: is legal; add path: DIR"
        )
    return f"sha256:{named.get('sha256') or fingerprint(Path(path))}"


def base(weights: Weights, path: str) -> tuple[str, str | None]:
    """A hub id with its revision, or a directory with None."""
    named = _plain(weights)
    return (named["hf_id"], named["revision"]) if "hf_id" in named else (path, None)


def _plain(weights: Weights) -> dict[str, str]:
    return dict(weights if isinstance(weights, dict) else vars(weights) if weights else {})
