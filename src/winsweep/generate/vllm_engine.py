"""vLLM as the engine of a generation, for those who have it: the same prompts, caps and rules as the slots, another's
arithmetic.

Keys hold the engine, because its numbers can differ where two tokens are nearly equal. vLLM runs in this process, so
that it ends with the attempt, and with the model runner that takes a request's own rules.
"""

import os
from collections.abc import Callable, Iterator, Sequence, Set
from pathlib import Path

import torch
from transformers import AutoConfig

from winsweep.errors import BadStudy, Stopped
from winsweep.generate.decoder import Prompt
from winsweep.generate.model_cache import DTYPES, held
from winsweep.study.cell import Decoding, HubModel
from winsweep.study.frame import Frame
from winsweep.study.rules import Adapter
from winsweep.text import hub
from winsweep.text.ends import Ends
from winsweep.text.hub import refuse_outside_weights
from winsweep.text.weights import read_report, refuse

SETTINGS = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_USE_V2_MODEL_RUNNER": "0", "VLLM_NO_USAGE_STATS": "1"}
MISSING = (
    "decoding.engine: found vllm, which is not installed here; legal are slots, which needs nothing, and vllm beside "
    "it; "
    "type engine: slots, or install it as docs/how_to/vllm.md says"
)


class Engine:
    """One model in vLLM: `window` tokens of prompt and answer together. BadStudy where vLLM is not installed."""

    def __init__(self, base: str, revision: str | None, decoding: Decoding, rank: int) -> None:
        asked = (base, revision, decoding.precision, decoding.batch, decoding.tensor_parallel)
        self.llm = held(("vllm", *asked), lambda: _load(*asked, rank))
        self.window = self.llm.model_config.max_model_len

    def answers(
        self,
        order: Sequence[Prompt],
        done: Set[int],
        ends: Ends,
        adapter: Adapter | None,
        frame: Frame,
        stopping: Callable[[], str | None],
    ) -> Iterator[tuple[int, list[int]]]:
        """Row and tokens (with the token that ended it, where that came before the cap) of each answer but those
        `done`, as they come.

        Stopped within a step once `stopping()` gives a reason.
        """
        engine, asked = self.llm.llm_engine, [p for p in order if p.row not in done]
        open_rows = {p.row for p in asked}
        try:
            for p in asked:
                engine.add_request(str(p.row), {"prompt_token_ids": p.ids}, _params(p, ends, adapter, frame))
            while open_rows:
                if reason := stopping():
                    raise Stopped(reason)
                for said in engine.step():
                    if said.finished:
                        open_rows.remove(int(said.request_id))
                        yield int(said.request_id), list(said.outputs[0].token_ids)
        finally:
            engine.abort_request([str(row) for row in open_rows])


def _params(prompt: Prompt, ends: Ends, adapter: Adapter | None, frame: Frame) -> object:
    from vllm import SamplingParams

    from winsweep.generate.vllm_rules import extra_args

    return SamplingParams(
        temperature=0,
        max_tokens=prompt.cap,
        detokenize=bool(ends.texts),
        stop=list(ends.texts) or None,
        stop_token_ids=list(ends.ids),
        extra_args=extra_args(adapter, frame) if adapter else None,
    )


def _load(base: str, revision: str | None, precision: str, num_rows: int, num_gpus: int, rank: int) -> object:
    os.environ.update(SETTINGS)  # read as vllm is imported
    see_gpus(rank, num_gpus)
    refuse_outside_weights(base, revision)
    try:
        from vllm import LLM
    except ModuleNotFoundError as e:
        raise BadStudy(MISSING) from e
    from winsweep.generate.vllm_rules import VllmRules

    folder = hub.folder_of(HubModel(base, revision)) if revision else Path(base)  # vLLM has a loader of its own
    refuse(base, (found := read_report(folder, AutoConfig.from_pretrained(folder))).missing, found.wrong)
    return LLM(
        base,
        revision=revision,
        tokenizer_revision=revision,
        dtype=DTYPES[precision],
        max_num_seqs=num_rows,
        tensor_parallel_size=num_gpus,
        seed=0,
        logits_processors=[VllmRules],
        async_scheduling=False,
        generation_config="vllm",
    )  # which is: none of the model's own settings


def see_gpus(rank: int, num_own: int) -> None:
    """Of several GPUs, this rank's alone, unless CUDA runs already: vLLM takes the first that it sees."""
    num = torch.cuda.device_count()
    if num > num_own and not torch.cuda.is_initialized():
        seen = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(num)))).split(",")
        first = rank * num_own % (num - num % num_own)
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(seen[first : first + num_own])
