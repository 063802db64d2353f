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
        from winsweep.judge import batches, client
        from winsweep.judge.judging import judge_all

        asked, limits = judge(options), options.limits
        in_batches = limits.batch or (ledger is not None and batches.is_on_way(ledger))
        ask = (batches if in_batches else client).asker(asked, limits, ledger)
        judge_all(pairs, asked, keep, ledger, ask)

    return identity, workload, annotate
