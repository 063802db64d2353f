"""vLLM as the engine of a generation, for those who have it: the prompts, caps, rules, grammars and adapters of the
slots, another's arithmetic.

Keys hold the engine, because its numbers can differ where two tokens are nearly equal. vLLM runs in this process, so
that it ends with the attempt, and with the model runner that takes a request's own rules.
"""

import itertools
import json
import os
from collections.abc import Callable, Iterator, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from transformers import AutoConfig, PreTrainedConfig

from winsweep.errors import BadStudy, Stopped
from winsweep.generate.decoder import Prompt
from winsweep.generate.grammar_words import refuse_stops
from winsweep.generate.model_cache import DTYPES, forget, held
from winsweep.study.cell import Decoding, HubModel
from winsweep.study.frame import Frame
from winsweep.study.lora import VLLM_RANKS
from winsweep.study.rules import Adapter, Grammar
from winsweep.text import hub, number_check
from winsweep.text.ends import Ends
from winsweep.text.hub import refuse_outside_weights
from winsweep.text.weights import read_report, refuse, weight_files
from winsweep.train.lora import CONFIG

if TYPE_CHECKING:
    from vllm.v1.engine.llm_engine import LLMEngine

SETTINGS = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_USE_V2_MODEL_RUNNER": "0", "VLLM_NO_USAGE_STATS": "1"}
MISSING = (
    "decoding.engine: found vllm, which is not installed here; legal are slots, which needs nothing, and vllm beside "
    "it; "
    "type engine: slots, or install it as docs/how_to/vllm.md says"
)


NO_ADAPTERS = (
    "decoding.engine: found vllm with adapters, and vllm says: {}; legal are slots, and one model; type engine: slots, "
    "or recipe: {{lora: {{merge: true}}}}"
)
_numbers = itertools.count(1)  # vLLM keeps adapters by number: each generation's has its own


class Engine:
    """One model in vLLM, with the adapters of the directory `lora`: `window` tokens of prompt and answer together.

    BadStudy where vLLM is not installed, or cannot put adapters on this model.
    """

    def __init__(self, base: str, revision: str | None, decoding: Decoding, rank: int, lora: Path | None) -> None:
        asked = (base, revision, decoding.precision, decoding.batch, decoding.tensor_parallel, _room(lora))
        self.llm = held(("vllm", *asked), lambda: _load(*asked, rank))
        self.window, self.lora = self.llm.model_config.max_model_len, _request(lora)

    def answers(
        self,
        order: Sequence[Prompt],
        done: Set[int],
        ends: Ends,
        adapter: Adapter | None,
        frame: Frame,
        stopping: Callable[[], str | None],
        grammar: Grammar | None,
    ) -> Iterator[tuple[int, list[int]]]:
        """Row and tokens (with the token that ended it, where that came before the cap) of each answer but those
        `done`, as they come.

        Stopped within a step once `stopping()` gives a reason. BadStudy where a grammar is not legal here, as of Mask.
        """
        engine, asked = self.llm.llm_engine, [p for p in order if p.row not in done]
        open_rows = {p.row for p in asked}
        try:
            for p in asked:
                params = _params(p, ends, adapter, frame, grammar)
                engine.add_request(str(p.row), {"prompt_token_ids": p.ids}, params, lora_request=self.lora)
            while open_rows:
                if reason := stopping():
                    raise Stopped(reason)
                for said in _step(engine):
                    if said.finished:
                        open_rows.remove(int(said.request_id))
                        yield int(said.request_id), list(said.outputs[0].token_ids)
        finally:
            engine.abort_request([str(row) for row in open_rows])


def _step(engine: "LLMEngine") -> list:
    """A step of all requests. One that fails is left in the middle, so nobody goes on with this engine."""
    try:
        return engine.step()
    except Exception:
        forget()
        raise


def takes_adapters(config: PreTrainedConfig) -> bool | None:
    """Whether vLLM puts adapters on models of this configuration; None where it is not installed or cannot tell."""
    os.environ.update(SETTINGS)
    try:
        from vllm import ModelRegistry
        from vllm.model_executor.models.interfaces import supports_lora

        known = [name for name in config.architectures or () if name in ModelRegistry.models]
        return supports_lora(ModelRegistry.models[known[0]].load_model_cls()) if known else None
    except Exception:  # of a library that may want a GPU for this
        return None


def _params(prompt: Prompt, ends: Ends, adapter: Adapter | None, frame: Frame, grammar: Grammar | None) -> object:
    from vllm import SamplingParams

    from winsweep.generate import vllm_grammar, vllm_rules

    refuse_stops(ends.texts if grammar else ())
    extra_args = vllm_rules.extra_args(adapter, frame) if adapter else {}
    extra_args |= vllm_grammar.extra_args(grammar, ends.ids) if grammar else {}
    return SamplingParams(
        temperature=0,
        max_tokens=prompt.cap,
        detokenize=bool(ends.texts),
        stop=list(ends.texts) or None,
        stop_token_ids=list(ends.ids),
        extra_args=extra_args or None,
    )


def _room(lora: Path | None) -> int | None:
    """The rank that vLLM makes room for, which is one of its own; none without adapters."""
    if lora is None:
        return None
    rank = json.loads((lora / CONFIG).read_bytes())["r"]
    return next(room for room in VLLM_RANKS if room >= rank)


def _request(lora: Path | None) -> object:
    if lora is None:
        return None
    from vllm.lora.request import LoRARequest

    return LoRARequest(str(lora), next(_numbers), str(lora))


def _load(
    base: str,
    revision: str | None,
    precision: str,
    num_rows: int,
    num_gpus: int,
    lora_rank: int | None,
    process_rank: int,
) -> object:
    os.environ.update(SETTINGS)  # read as vllm is imported
    see_gpus(process_rank, num_gpus)
    refuse_outside_weights(base, revision)
    try:
        from vllm import LLM
    except ModuleNotFoundError as e:
        raise BadStudy(MISSING) from e
    from winsweep.generate.vllm_grammar import VllmGrammar
    from winsweep.generate.vllm_rules import VllmRules

    folder = hub.folder_of(HubModel(base, revision)) if revision else Path(base)  # vLLM has a loader of its own
    refuse(
        base,
        (found := read_report(folder, AutoConfig.from_pretrained(folder, trust_remote_code=False))).missing,
        found.wrong,
    )
    number_check.refuse_files(base, weight_files(folder))
    lora = {"enable_lora": True, "max_lora_rank": lora_rank, "max_loras": 1} if lora_rank else {}
    try:
        return LLM(
            base,
            revision=revision,
            tokenizer_revision=revision,
            dtype=DTYPES[precision],
            max_num_seqs=num_rows,
            tensor_parallel_size=num_gpus,
            seed=0,
            logits_processors=[VllmRules, VllmGrammar],  # in this order, as in the slots
            async_scheduling=False,
            generation_config="vllm",  # which is: none of the model's own settings
            **lora,
        )
    except ValueError as e:
        if "not support LoRA" in str(e):
            raise BadStudy(NO_ADAPTERS.format(str(e).strip().splitlines()[0])) from e
        raise


def see_gpus(rank: int, num_own: int) -> None:
    """Of several GPUs, this rank's alone, unless CUDA runs already: vLLM takes the first that it sees."""
    num = torch.cuda.device_count()
    if num > num_own and not torch.cuda.is_initialized():
        seen = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(num)))).split(",")
        first = rank * num_own % (num - num % num_own)
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(seen[first : first + num_own])
