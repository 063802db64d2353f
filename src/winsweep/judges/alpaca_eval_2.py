"""AlpacaEval 2's own judge, as the paper used it: gpt-4-1106-preview, which OpenAI shut down in March 2026.

It is here for outputs that were judged by it and for endpoints that still serve it (OPENAI_BASE_URL); OpenAI's own is
not asked.
"""

from dataclasses import dataclass

from winsweep.judge import configuration
from winsweep.judge.chat import ChatJudge
from winsweep.judge.limits import Limits
from winsweep.judge.paid import over_http
from winsweep.judge.sampling import sampled
from winsweep.keys import added, name_only

VERSION = 1


@dataclass(frozen=True)
class Options:
    both_orders: bool = added(False)  #: ask each pair twice, either output first once, and take the mean
    #: verdicts for each order of a pair, whose mean counts; needs no log-probabilities [verdicts]
    samples: int | None = added(None, low=1, high=100)
    #: bounds on the use of the endpoint; no part of any key
    limits: Limits = name_only(default=Limits())


def judge(options: Options) -> ChatJudge:
    return sampled(configuration.read(configuration.OFFICIAL, None, options.both_orders), options.samples)


identity, workload, annotate = over_http(judge)
