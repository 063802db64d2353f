"""The three names that every judge behind an endpoint has (see README.md of judges/), made from what it asks."""

from collections.abc import Callable
from typing import Any

from winsweep.judge.chat import ChatJudge
from winsweep.judge.ledger import Ledger
from winsweep.judge.prices import Workload

Identity = Callable[[Any], dict[str, str]]
Annotate = Callable[..., None]


def over_http(judge: Callable[[Any], ChatJudge]) -> tuple[Identity, Callable[[Any], Workload], Annotate]:
    """`identity`, `workload` and `annotate` of a file of judges/ whose Options have `limits`; BadStudy from each where
    `judge` raises it.
    """

    def identity(options: Any) -> dict[str, str]:
        """What makes two judgements comparable."""
        return dict(judge(options).identity)

    def workload(options: Any) -> Workload:
        """What a pair costs to judge."""
        return judge(options).workload

    def annotate(
        pairs: list[dict], options: Any, keep: Callable[[list[dict]], None], ledger: Ledger | None = None
    ) -> None:
        """Give every pair its preference, handed to `keep` as it comes; see winsweep.judge.judging.judge_all."""
        from winsweep.judge.client import judge_over_http

        judge_over_http(pairs, judge(options), options.limits, keep, ledger)

    return identity, workload, annotate
