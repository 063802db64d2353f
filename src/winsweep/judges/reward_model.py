"""A reward model on this machine, on its GPUs or its CPU: a number for each answer, and the difference of two as a
preference (Bradley-Terry).

In a study: `judge: {from: reward_model, path: DIR}` or `{from: reward_model, hf_id: NAME, revision: COMMIT}`, and
`judge: {gpus_per_rank: 1}` under stages: of the cluster file. It sees one answer at a time, so no order of answers can
matter. Both rewards stand in each row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from winsweep.judge import own_weights
from winsweep.judge.ledger import Ledger
from winsweep.judge.prices import Workload
from winsweep.keys import name_only
from winsweep.strict import number
from winsweep.study.cell import HubModel, LocalFile

VERSION = 1


@dataclass(frozen=True)
class Options:
    #: the model that judges; not typed: in a study it is `path`, or `hf_id` and `revision`
    weights: HubModel | LocalFile | None = None
    path: str = name_only(default="")  #: directory of the model that judges, where it has no `hf_id`
    precision: Literal["fp32", "bf16"] = "bf16"  #: arithmetic of the forward passes
    #: answers in one forward pass; in bf16 its composition can change a last digit [answers]
    batch: int = number(8, 1)


def identity(options: Options) -> dict[str, str]:
    """What makes two judgements comparable: the weights, and the arithmetic."""
    model = own_weights.title("reward_model", options.weights, options.path)
    return {"annotator": "reward_model", "model": model, "precision": options.precision}


def workload(options: Options) -> Workload:
    return Workload(identity(options)["model"], 0, 0, 1)


def annotate(
    pairs: list[dict], options: Options, keep: Callable[[list[dict]], None], ledger: Ledger | None = None
) -> None:
    """Give every pair its preference, handed to `keep` as it comes; see winsweep.judge.judging.judge_all."""
    from winsweep.judge.reward import RewardJudge, judge_here

    base, revision = own_weights.base(options.weights, options.path)
    judge_here(pairs, RewardJudge(identity(options)), base, revision, options.precision, options.batch, keep, ledger)


def faults(options: Options) -> list[str]:
    """What is wrong with the model, by its configuration, tokenizer and headers of weights."""
    from winsweep.judge.reward import faults

    return faults(*own_weights.base(options.weights, options.path))
