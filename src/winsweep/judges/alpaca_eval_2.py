"""AlpacaEval 2's own judge, as the paper used it: gpt-4-1106-preview, which OpenAI shut down in March 2026.

It is here for outputs that were judged by it and for endpoints that still serve it (OPENAI_BASE_URL); OpenAI's own is not asked.
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
    both_orders: bool = added(False)
    limits: Limits = name_only(default=Limits())


def judge(options: Options) -> ChatJudge:
    return configuration.read(configuration.OFFICIAL, None, options.both_orders)


def identity(options: Options) -> dict[str, str]:
    return dict(judge(options).identity)


def workload(options: Options) -> Workload:
    return judge(options).workload


def annotate(pairs: list[dict], options: Options, keep: Callable[[list[dict]], None], ledger: Ledger | None = None) -> None:
    from winsweep.judge.client import judge_over_http

    judge_over_http(pairs, judge(options), options.limits, keep, ledger)
