"""Verdicts that are sampled, for endpoints that return no log-probabilities: each question asked several times, and the
mean of what was said.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from winsweep.errors import BadStudy
from winsweep.judge.chat import ChatJudge
from winsweep.judge.verdict import Unreadable

OF_WEIGHTS = ("logprobs", "top_logprobs")  # fields of a request whose first token is weighed


def sampled(judge: ChatJudge, num: int | None) -> ChatJudge:
    """`judge` with `num` verdicts for each order of each pair; itself without a number.

    A judge that weighs two names reads the name that was written instead. BadStudy for a request whose replies would
    all be alike.
    """
    if num is None:
        return judge
    alike = "temperature is 0" if judge.request.get("temperature") == 0 else "seed is given"
    if judge.request.get("temperature") == 0 or "seed" in judge.request:
        raise BadStudy(
            f"judge {judge.identity['annotator']}: found samples: {num} of a request whose {alike}, so all would be "
            f"alike; legal is a temperature above 0 and no seed; change its configuration, or take samples: out"
        )
    found = replace(judge, samples=num, identity={**judge.identity, "samples": str(num)})
    if not judge.names:
        return found
    request = {name: value for name, value in judge.request.items() if name not in OF_WEIGHTS}
    identity = {**found.identity, "verdicts": "sampled"}
    return replace(found, request=request, identity=identity, read=named(*judge.names), names=None)


def named(first: str, second: str) -> Callable[[Mapping[str, Any]], float]:
    """Reads a reply that is one of two names: 1 for the first, 2 for the second; Unreadable for any other."""

    def read(choice: Mapping[str, Any]) -> float:
        said = choice["text"].strip()
        if said not in (first, second):
            raise Unreadable(f"another text than {first} or {second} in the reply")
        return 1.0 if said == first else 2.0

    return read
