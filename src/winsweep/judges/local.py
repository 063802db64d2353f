"""An open-weights judge on this machine, on its GPUs or its CPU: AlpacaEval 2's prompt and order rule, through the
model's chat template.

In a study: `judge: {from: local, path: DIR}` or `{from: local, hf_id: NAME, revision: COMMIT}`, and `judge:
{gpus_per_rank: 1}` under stages: of the cluster file. Its weights are known by content or by revision, and part of the
key.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from winsweep.errors import BadStudy
from winsweep.judge import configuration, own_weights, rubric
from winsweep.judge.chat import ChatJudge
from winsweep.judge.ledger import Ledger
from winsweep.judge.prices import Workload
from winsweep.keys import added, name_only
from winsweep.strict import number
from winsweep.study.cell import HubModel, LocalFile
from winsweep.study.judges import text_of_file

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
    #: file with your own prompt, as for `rubric`, in place of `config`; its text is part of the key
    prompt: str | None = text_of_file(default=None, absent=None)
    names: tuple[str, ...] = added(("A", "B"))  #: what your own prompt calls the answers at {a} and {b}
    both_orders: bool = added(False)  #: ask each pair twice, either output first once, and take the mean

    def __post_init__(self) -> None:
        if self.prompt is not None:
            rubric.refuse(self.prompt, self.names, "logprobs")


def judge(options: Options) -> ChatJudge:
    title = own_weights.title("local", options.weights, options.path)
    if options.prompt is not None:
        known = {"annotator": "local", "model": title, "precision": options.precision}
        found = rubric.weighed(options.prompt, options.names, known, {"max_tokens": 1})
        return configuration.in_both_orders(found) if options.both_orders else found
    theirs = configuration.read(options.config, title, options.both_orders)
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

    base, revision = own_weights.base(options.weights, options.path)
    judge_here(pairs, judge(options), base, revision, options.precision, options.batch, keep, ledger)
