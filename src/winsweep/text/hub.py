"""What to type when the hub does not hand something out: because it is gated, is not there, or cannot be reached."""

from winsweep.errors import BadData


def refused(error: Exception, hf_id: str, revision: str | None, file: str = "") -> BadData:
    """The error to raise for a model, or with `file` for a file of a data set, that could not be had because of `error`."""
    said = str(error).strip().partition("\n")[0]
    page = f"https://huggingface.co/{'datasets/' if file else ''}{hf_id}"
    given = [*(["--repo-type dataset"] if file else []), *([f"--revision {revision}"] if revision else [])]
    fetch = " ".join(["hf download", hf_id, *([f"--include '{file}'"] if file else []), *given])
    return BadData(f"{hf_id} at {(revision or 'its newest')[:12]}: cannot be loaded ({type(error).__name__}: {said}); "
                   f"if it is gated, accept its terms at {page} and type `hf auth login`; if this machine has no network, type `{fetch}` "
                   f"on one that has, with the same HF_HOME, and set HF_HUB_OFFLINE=1 here; "
                   f"or give the {'task' if file else 'model'} a path: to a local copy")
