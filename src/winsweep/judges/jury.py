"""A jury: several judges, each as a study names one, whose mean preference counts.

In a study: `judge: {from: jury, judges: [gpt_6_luna, {from: local, path: DIR}]}`. Each of them keeps its judgements
where it keeps them alone, so nothing is asked twice. The table says how far they agree.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from winsweep.judge import asked
from winsweep.judge.ledger import Ledger
from winsweep.study.cell import Judge

VERSION = 1


@dataclass(frozen=True)
class Options:
    judges: tuple[Judge, ...]  #: two judges or more, each a name or `{from: NAME, …}`; no jury, and none twice


def identity(options: Options) -> dict[str, Any]:
    """What makes two judgements comparable: who judges, each by its own identity."""
    each = [{"judge": j.name, "version": j.version, **asked.identity_of(j)} for j in options.judges]
    return {"annotator": "jury", "judges": each}


def annotate(
    pairs: list[dict], options: Options, keep: Callable[[list[dict]], None], ledger: Ledger | None = None
) -> None:
    """Give every pair the mean of its judges' preferences; see winsweep.judge.jury.judge_together."""
    from winsweep.judge.jury import judge_together

    judge_together(pairs, options.judges, keep, ledger)
