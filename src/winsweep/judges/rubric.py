"""A prompt of your own, asked of a model behind any OpenAI-compatible endpoint.

The file of the prompt holds {instruction}, {a} for the answer that is shown first, and {b} for the other. It asks for
one of two names, which are weighed at the first token, or for reasons that end with [[A]], [[B]] or, for a tie,
[[C]].
"""

from dataclasses import dataclass
from typing import Literal

from winsweep.judge import rubric
from winsweep.judge.chat import ChatJudge
from winsweep.judge.configuration import in_both_orders
from winsweep.judge.limits import Limits
from winsweep.judge.paid import over_http
from winsweep.judge.sampling import sampled
from winsweep.keys import name_only
from winsweep.strict import number
from winsweep.study.judges import text_of_file

VERSION = 1


@dataclass(frozen=True)
class Options:
    model: str  #: the model that judges, as your endpoint calls it
    prompt: str = text_of_file()  #: file with your prompt; its text is part of the key
    #: logprobs weighs the two names at the first token of the reply; text takes the last [[A]], [[B]] or [[C]] of it
    verdict: Literal["logprobs", "text"] = "logprobs"
    names: tuple[str, ...] = ("A", "B")  #: what the prompt calls the answers at {a} and {b}; each is one token
    max_tokens: int = number(1024, 1)  #: longest reply where the verdict is in its text [tokens]
    #: what the request asks of a model that reasons; without it, nothing
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high"] | None = None
    both_orders: bool = False  #: ask each pair twice, either output first once, and take the mean
    #: verdicts for each order of a pair, whose mean counts; needs no log-probabilities [verdicts]
    samples: int | None = number(None, 1, 100)
    #: bounds on the use of the endpoint; no part of any key
    limits: Limits = name_only(default=Limits())

    def __post_init__(self) -> None:
        rubric.refuse(self.prompt, self.names, self.verdict)


def asks_in_both_orders(options: Options) -> bool:
    """Whether a study that does not say asks each pair in both orders: nothing shows that one suffices."""
    return True


def judge(options: Options) -> ChatJudge:
    effort = {"reasoning_effort": options.reasoning_effort} if options.reasoning_effort else {}
    known = {"annotator": "rubric", "model": options.model}
    if options.verdict == "logprobs":
        found = rubric.weighed(options.prompt, options.names, known, rubric.ONE_TOKEN | effort)
    else:
        found = rubric.written(options.prompt, known, {"max_completion_tokens": options.max_tokens} | effort)
    return sampled(in_both_orders(found) if options.both_orders else found, options.samples)


identity, workload, annotate = over_http(judge)
