"""vLLM as an engine, where it is installed (`make vllm` has it on the CPU): the tokens of the slots, with and without
rules, whole after a stop.
"""

import importlib.util

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from winsweep.errors import BadStudy, Stopped
from winsweep.generate import vllm_engine
from winsweep.generate.greedy import answer_all
from winsweep.study.cell import Decoding
from winsweep.study.frame import Frame
from winsweep.study.rules import Adapter
from winsweep.train.tokenizer import learn

THERE = importlib.util.find_spec("vllm") is not None
ASKED = [f"{word} {n}" for n in range(4) for word in ("Hello", "you you", "What is it?")]
RULES = Adapter(rules=("eos", "uniform", "diversity"), uniform=(("!", 2.0), ("you", -1.0)))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small model whose answers end now and then; 64 numbers a head, as vLLM's kernels for a CPU want."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer = learn(["<|user|>\nHello you! What is it?\n<|assistant|>\n"] * 3, 300)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=300,
        hidden_size=128,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=2,
        head_dim=64,
        initializer_range=0.3,
        max_position_embeddings=128,
        eos_token_id=tokenizer.eos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def answers(model, work, engine: str, adapter: Adapter | None, stopping=lambda: None):
    work.mkdir(exist_ok=True)
    decoding = Decoding(max_new_tokens=60, batch=5, engine=engine)
    return answer_all(ASKED, model, None, decoding, Frame(), adapter, work, lambda a, b: None, stopping)


@pytest.mark.vllm
@pytest.mark.filterwarnings("default")  # vllm's own
@pytest.mark.parametrize("adapter", [None, RULES], ids=["greedy", "rules"])
def test_answers_are_those_of_the_slots_and_go_on_after_a_stop(model, tmp_path, adapter, monkeypatch):
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    wanted = answers(model, tmp_path / "slots", "slots", adapter)

    def written() -> int:
        return sum(len(path.read_bytes().splitlines()) for path in (tmp_path / "vllm").glob("rows-*.jsonl"))

    with pytest.raises(Stopped, match="preempted"):
        answers(model, tmp_path / "vllm", "vllm", adapter, lambda: "preempted" if written() > 2 else None)
    assert 2 < written() < len(ASKED)
    assert answers(model, tmp_path / "vllm", "vllm", adapter) == wanted and {a.truncated for a in wanted} == {
        True,
        False,
    }


@pytest.mark.skipif(THERE, reason="vllm is installed")
def test_without_vllm_the_study_is_told_so(model, tmp_path):
    with pytest.raises(BadStudy, match=r"decoding.engine: found vllm, which is not installed here"):
        answers(model, tmp_path, "vllm", None)


@pytest.mark.parametrize(
    ("rank", "num_own", "seen"), [(0, 1, "a"), (3, 1, "d"), (0, 2, "a,b"), (1, 2, "c,d"), (0, 4, None)]
)
def test_a_rank_sees_as_many_gpus_as_hold_its_model(monkeypatch, rank, num_own, seen):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "a,b,c,d")
    vllm_engine.see_gpus(rank, num_own)
    assert vllm_engine.os.environ["CUDA_VISIBLE_DEVICES"] == (seen or "a,b,c,d")
