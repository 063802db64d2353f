"""The toy judge: prefers the output that shares more character n-grams with a known answer, or likens it to the
reference.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

from winsweep.strict import number

VERSION = 1
CHUNK = 64


@dataclass(frozen=True)
class Options:
    margin: float = number(0.02, 0, 1)  #: chrF difference within which two outputs tie


def identity(options: Options) -> dict[str, str]:
    """What makes two judgements comparable, beside the options: nothing, as the judge is this file."""
    return {}


def annotate(pairs: list[dict], options: Options, keep: Callable[[list[dict]], None], ledger: object = None) -> None:
    """Give every pair its preference, handed over in chunks; nothing is paid for, so no ledger is kept."""
    from winsweep.judge.overlap import prefer

    for start in range(0, len(pairs), CHUNK):
        chunk = pairs[start : start + CHUNK]
        keep(
            [
                p
                | asdict(prefer(p["output_2"], p["output_1"], p.get("answer"), options.margin))
                | {"annotator": "reference_overlap"}
                for p in chunk
            ]
        )
