"""An open-weights judge on this machine, on its GPUs or its CPU: AlpacaEval 2's prompt and order rule, through the
model's chat template.

In a study: `judge: {from: local, path: DIR}` or `{from: local, hf_id: NAME, revision: COMMIT}`, and `judge:
{gpus_per_rank: 1}` under stages: of the cluster file. Its weights are known by content or by revision, and part of the
key.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from winsweep.errors import BadStudy
from winsweep.judge import configuration
from winsweep.judge.chat import ChatJudge
from winsweep.judge.ledger import Ledger
from winsweep.judge.prices import Workload
from winsweep.keys import added, name_only
from winsweep.store.fingerprint import fingerprint
from winsweep.strict import number
from winsweep.study.cell import HubModel, LocalFile

VERSION = 1


@dataclass(frozen=True)
class Options:
    #: the model that judges; not typed: in a study it is `path`, or `hf_id` and `revision`
    weights: HubModel | LocalFile | None = None
    path: str = name_only(default="")  #: directory of the model that judges, where it has no `hf_id`
    config: str = configuration.OFFICIAL  #: an AlpacaEval configuration that weighs two names at its first token
    precision: Literal["fp32", "bf16"] = "bf16"  #: arithmetic of the forward passes
    #: prompts in one forward pass; in bf16 its composition can change a last digit [prompts]
    batch: int = number(8, 1)
    both_orders: bool = added(False)  #: ask each pair twice, either output first once, and take the mean


def in_both_orders(options: Options) -> bool:
    """Whether a study that does not say asks each pair in both orders: nothing shows that one suffices."""
    return True


def judge(options: Options) -> ChatJudge:
    theirs = configuration.read(options.config, _title(options), options.both_orders)
    if not theirs.names:
        raise BadStudy(
            f"judge local: config {options.config!r} does not weigh two names at the first token; legal is one that "
            f"does, such as "
            f"{configuration.OFFICIAL}"
        )
    return configuration.renamed(theirs, "local", precision=options.precision)


def identity(options: Options) -> dict[str, str]:
    return dict(judge(options).identity)


def workload(options: Options) -> Workload:
    return judge(options).workload


def annotate(
    pairs: list[dict], options: Options, keep: Callable[[list[dict]], None], ledger: Ledger | None = None
) -> None:
    """Give every pair its preference, handed to `keep` as it comes; see winsweep.judge.judging.judge_all."""
    from winsweep.judge.local import judge_here

    weights = _plain(options.weights)
    base, revision = (weights["hf_id"], weights["revision"]) if "hf_id" in weights else (options.path, None)
    judge_here(pairs, judge(options), base, revision, options.precision, options.batch, keep, ledger)


def _title(options: Options) -> str:
    weights = _plain(options.weights)
    if "hf_id" in weights:
        return f"{weights['hf_id']}@{weights['revision']}"
    if not weights and not options.path:
        raise BadStudy("judge local: no model; exactly one of path: and hf_id: with revision: is legal; add path: DIR")
    return f"sha256:{weights.get('sha256') or fingerprint(Path(options.path))}"


def _plain(weights: Any) -> dict[str, str]:
    """As a study gives weights, or as a job's parameters have them."""
    return dict(weights if isinstance(weights, dict) else vars(weights) if weights else {})
