"""AlpacaEval's judges: any configuration of its annotators by name, over any OpenAI-compatible endpoint, with its own model or another.

In a study: `judge: {from: alpaca, model: NAME}`. The endpoint is OPENAI_BASE_URL and the key OPENAI_API_KEY, in the environment
of the job and never in the study.
"""

from collections.abc import Callable
from dataclasses import dataclass

from winsweep.judge import configuration
from winsweep.judge.chat import ChatJudge
from winsweep.judge.ledger import Ledger
from winsweep.judge.limits import Limits
from winsweep.judge.prices import Workload
from winsweep.keys import added, name_only

VERSION = 1


@dataclass(frozen=True)
class Options:
    config: str = configuration.OFFICIAL  # in alpaca_eval's evaluators_configs, or the absolute path of one's own
    model: str | None = None  # replaces the configuration's model, so that another endpoint answers the same prompt
    both_orders: bool = added(False)  # each pair twice, either output first once
    limits: Limits = name_only(default=Limits())


def judge(options: Options) -> ChatJudge:
    return configuration.read(options.config, options.model, options.both_orders)


def identity(options: Options) -> dict[str, str]:
    """What makes two judgements comparable; BadStudy where configuration.read raises it."""
    return dict(judge(options).identity)


def workload(options: Options) -> Workload:
    return judge(options).workload


def annotate(pairs: list[dict], options: Options, keep: Callable[[list[dict]], None], ledger: Ledger | None = None) -> None:
    """Give every pair its preference, handed to `keep` as it comes; see winsweep.judge.judging.judge_all."""
    from winsweep.judge.client import judge_over_http

    judge_over_http(pairs, judge(options), options.limits, keep, ledger)
