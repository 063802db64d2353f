"""An open-weights judge that is pinned: Qwen2.5-32B-Instruct (Apache 2.0) with AlpacaEval 2's prompt and order rule, on
your own GPUs.

It answers with a name at its first token, which is weighed; judges that reason first give no such weight. It takes 65
GB of GPU memory: `judge: {gpus_per_rank: 1}` under stages: of the cluster file where a GPU has 80 GB, else 2 or more.
By arXiv 2507.09104 it agrees with 85.6 % of RewardBench and 59.8 % of JudgeBench. Its figures stand beside no other
judge's.
"""

from collections.abc import Callable
from dataclasses import dataclass

from winsweep.errors import BadStudy
from winsweep.judge import configuration, own_weights
from winsweep.judge.chat import ChatJudge
from winsweep.judge.ledger import Ledger
from winsweep.judge.prices import Workload
from winsweep.strict import number
from winsweep.study.cell import HubModel

VERSION = 1
PINNED = HubModel("Qwen/Qwen2.5-32B-Instruct", "5ede1c97bbab6ce5cda5812749b4c0bdf79b18dd")
PRECISION = "bf16"


@dataclass(frozen=True)
class Options:
    #: the model that judges; not typed, as it is this one
    weights: HubModel = PINNED
    #: prompts in one forward pass; its composition can change a last digit [prompts]
    batch: int = number(8, 1)
    both_orders: bool = True  #: ask each pair twice, either output first once, and take the mean

    def __post_init__(self) -> None:
        if own_weights.title("qwen_2_5_32b", self.weights, "") != own_weights.title("qwen_2_5_32b", PINNED, ""):
            raise BadStudy(
                "judge qwen_2_5_32b: found other weights; it is one model at one revision; for another type "
                "judge: {from: local, hf_id: NAME, revision: COMMIT}, or {from: local, path: DIR}"
            )


def judge(options: Options) -> ChatJudge:
    title = own_weights.title("qwen_2_5_32b", options.weights, "")
    theirs = configuration.read(configuration.OFFICIAL, title, options.both_orders)
    return configuration.renamed(theirs, "qwen_2_5_32b", precision=PRECISION)


def identity(options: Options) -> dict[str, str]:
    """What makes two judgements comparable."""
    return dict(judge(options).identity)


def workload(options: Options) -> Workload:
    return judge(options).workload


def annotate(
    pairs: list[dict], options: Options, keep: Callable[[list[dict]], None], ledger: Ledger | None = None
) -> None:
    """Give every pair its preference, handed to `keep` as it comes; see winsweep.judge.judging.judge_all."""
    from winsweep.judge.local import judge_here

    judge_here(pairs, judge(options), *own_weights.base(PINNED, ""), PRECISION, options.batch, keep, ledger)
