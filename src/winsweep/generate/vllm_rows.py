"""Which request of vLLM's batch is in which row, and which of its tokens are new, for what changes its logits.

Written to the interface vllm.v1.sample.logits_processor (vLLM 0.11 and later; those whose default is another model
runner want VLLM_USE_V2_MODEL_RUNNER=0).
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from vllm.v1.sample.logits_processor import BatchUpdate, MoveDirectionality

if TYPE_CHECKING:
    from vllm import SamplingParams


class Seen(Protocol):
    """A request, and how much of what it has written was seen."""

    output: Sequence[int]  # the engine's own list, which grows
    num_seen: int


Some = TypeVar("Some", bound=Seen)
Begin = Callable[["SamplingParams", list[int] | None, list[int]], Some | None]


def follow(requests: dict[int, Some], update: BatchUpdate | None, begin: Begin[Some]) -> None:
    """Bring `requests`, by row, to where `update` says; `begin` makes one of its parameters, prompt and output so far,
    or none where it asks for nothing.
    """
    if update is None:
        return
    for row in update.removed:
        requests.pop(row, None)
    for row, params, prompt, output in update.added:
        requests.pop(row, None)
        if (made := begin(params, prompt, output)) is not None:
            requests[row] = made
    for row, other, direction in update.moved:
        here, there = requests.pop(row, None), requests.pop(other, None)
        back = there if direction == MoveDirectionality.SWAP else None
        requests |= {at: request for at, request in ((other, here), (row, back)) if request is not None}


def next_token(request: Seen, argument: str) -> int:
    """The first token that was not seen, which then was; ValueError where vLLM does not know it yet."""
    token = request.output[request.num_seen]
    if token < 0:
        raise ValueError(
            f"{argument}: found a token that is not known yet; every one is needed; type async_scheduling=False"
        )
    request.num_seen += 1
    return token
