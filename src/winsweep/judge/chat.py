"""A judge that is asked in a chat: who it is, its prompt put together without any text leaving its place, and how its
reply is read.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from winsweep.judge.prices import Workload
from winsweep.judge.questions import Order, Question

PLACE = re.compile(r"\{(instruction|output_1|output_2)\}")


@dataclass(frozen=True)
class ChatJudge:
    """`read` gives the preference in a reply (1: the output shown first … 2: the second), or raises Unreadable."""

    identity: Mapping[str, str]  # has `annotator` and `model`; stands in every row
    messages: tuple[tuple[str, str], ...]  # (role, text with {instruction}, {output_1}, {output_2})
    request: Mapping[str, Any]  # sampling fields of a chat completion, without model and messages
    order: Order
    read: Callable[[dict[str, Any]], float]
    names: tuple[str, str] | None = None  # of first and second output, where the first token of the reply is weighed
    samples: int = 1  # verdicts for each order of a pair

    @property
    def workload(self) -> Workload:
        most = self.request.get("max_completion_tokens", self.request.get("max_tokens", 0))
        orders, chars = 2 if self.order == "both" else 1, sum(len(text) for _, text in self.messages)
        return Workload(self.identity["model"], chars, most, orders * self.samples, self.samples)


def messages_for(judge: ChatJudge, question: Question) -> list[dict[str, str]]:
    """The prompt, by one pass over its template and never over what was put in, so that no output can fill another's
    place.
    """
    values = {"instruction": question.instruction, "output_1": question.first, "output_2": question.second}
    return [{"role": role, "content": PLACE.sub(lambda m: values[m[1]], text).strip()} for role, text in judge.messages]


def request_for(judge: ChatJudge, question: Question) -> dict[str, Any]:
    return {**judge.request, "model": judge.identity["model"], "messages": messages_for(judge, question)}
