"""AlpacaEval 2's prompt, order rule and weighting, asked of the model that OpenAI names as the successor of GPT-4.1 and
GPT-4o.

It reasons unless told not to, and gives log-probabilities only then. Its figures stand beside no other judge's.
"""

from dataclasses import dataclass, replace

from winsweep.judge import configuration
from winsweep.judge.chat import ChatJudge
from winsweep.judge.limits import Limits
from winsweep.judge.paid import over_http
from winsweep.judge.sampling import sampled
from winsweep.keys import added, name_only

VERSION = 1
MODEL = "gpt-6-luna"
REQUEST = {
    "max_completion_tokens": 1,
    "reasoning_effort": "none",
    "temperature": 1.0,
    "logprobs": True,
    "top_logprobs": 5,
}


@dataclass(frozen=True)
class Options:
    both_orders: bool = added(False)  #: ask each pair twice, either output first once, and take the mean
    #: verdicts for each order of a pair, whose mean counts; needs no log-probabilities [verdicts]
    samples: int | None = added(None, low=1, high=100)
    #: bounds on the use of the endpoint; no part of any key
    limits: Limits = name_only(default=Limits())


def asks_in_both_orders(options: Options) -> bool:
    """Whether a study that does not say asks each pair in both orders: nothing shows that one suffices."""
    return True


def judge(options: Options) -> ChatJudge:
    theirs = configuration.read(configuration.OFFICIAL, MODEL, options.both_orders)
    return sampled(replace(configuration.renamed(theirs, "gpt_6_luna"), request=REQUEST), options.samples)


identity, workload, annotate = over_http(judge)
