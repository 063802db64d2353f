"""AlpacaEval's judges: any configuration of its annotators by name, over any OpenAI-compatible endpoint, with its own
model or another.

In a study: `judge: {from: alpaca, model: NAME}`. The endpoint is OPENAI_BASE_URL and the key OPENAI_API_KEY, in the
environment of the job and never in the study.
"""

from dataclasses import dataclass
from pathlib import Path

from winsweep.judge import configuration
from winsweep.judge.chat import ChatJudge
from winsweep.judge.limits import Limits
from winsweep.judge.paid import over_http
from winsweep.judge.sampling import sampled
from winsweep.keys import added, name_only

VERSION = 1


@dataclass(frozen=True)
class Options:
    #: a configuration of alpaca_eval's `evaluators_configs`, by name, or the absolute path of one's own
    config: str = configuration.OFFICIAL
    model: str | None = None  #: replaces the configuration's model, so that another endpoint answers the same prompt
    both_orders: bool = added(False)  #: ask each pair twice, either output first once, and take the mean
    #: verdicts for each order of a pair, whose mean counts; needs no log-probabilities [verdicts]
    samples: int | None = added(None, low=1, high=100)
    #: bounds on the use of the endpoint; no part of any key
    limits: Limits = name_only(default=Limits())


def asks_in_both_orders(options: Options) -> bool:
    """Whether a study that does not say asks each pair in both orders: not of a configuration of AlpacaEval's as it
    is, which one order defines.
    """
    return options.model is not None or Path(options.config).is_absolute()


def judge(options: Options) -> ChatJudge:
    return sampled(configuration.read(options.config, options.model, options.both_orders), options.samples)


identity, workload, annotate = over_http(judge)
