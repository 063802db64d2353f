"""AlpacaEval 2's prompt, order rule and weighting, asked of the model that OpenAI names as the successor of GPT-4.1 and GPT-4o.

It reasons unless told not to, and gives log-probabilities only then. Its figures stand beside no other judge's.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from winsweep.judge import configuration
from winsweep.judge.chat import ChatJudge
from winsweep.judge.ledger import Ledger
from winsweep.judge.limits import Limits
from winsweep.judge.prices import Workload
from winsweep.keys import added, name_only

VERSION = 1
MODEL = "gpt-6-luna"
REQUEST = {"max_completion_tokens": 1, "reasoning_effort": "none", "temperature": 1.0, "logprobs": True, "top_logprobs": 5}


@dataclass(frozen=True)
class Options:
    both_orders: bool = added(False)
    limits: Limits = name_only(default=Limits())


def judge(options: Options) -> ChatJudge:
    theirs = configuration.read(configuration.OFFICIAL, MODEL, options.both_orders)
    return replace(configuration.renamed(theirs, "gpt_6_luna"), request=REQUEST)


def identity(options: Options) -> dict[str, str]:
    return dict(judge(options).identity)


def workload(options: Options) -> Workload:
    return judge(options).workload


def annotate(pairs: list[dict], options: Options, keep: Callable[[list[dict]], None], ledger: Ledger | None = None) -> None:
    from winsweep.judge.client import judge_over_http

    judge_over_http(pairs, judge(options), options.limits, keep, ledger)
