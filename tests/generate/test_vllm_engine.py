"""vLLM as an engine, where it is installed (`make vllm` has it on the CPU): the tokens of the slots, with and without
rules, grammars and adapters, whole after a stop.
"""

import importlib.util
import shutil
import string
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.decoders import ByteFallback, Decoder, Fuse, Replace, Sequence
from tokenizers.models import BPE
from transformers import (
    AutoConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from winsweep.check.model import packages
from winsweep.errors import BadStudy, Stopped
from winsweep.generate import vllm_engine
from winsweep.generate.greedy import answer_all
from winsweep.study.cell import Decoding
from winsweep.study.frame import Frame
from winsweep.study.lora import Lora
from winsweep.study.rules import Adapter, Grammar
from winsweep.train.lora import WEIGHTS, attach, config_of, file_name, trained, write_config
from winsweep.train.tokenizer import learn

THERE = importlib.util.find_spec("vllm") is not None
ASKED = [f"{word} {n}" for n in range(4) for word in ("Hello", "you you", "What is it?")]
RULES = Adapter(rules=("eos", "uniform", "diversity"), uniform=(("!", 2.0), ("you", -1.0)))
CHARACTERS = dict.fromkeys(string.ascii_letters + string.digits + string.punctuation + " \n")
WORDS = Grammar("regex", r"[A-Za-z]+( [a-z]{1,9}){0,12}[.!?]")


def saved(tokenizer: PreTrainedTokenizerBase, folder: Path) -> str:
    """A small model whose answers end now and then; 64 numbers a head, as vLLM's kernels for a CPU want."""
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
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


def spelled(folder: Path, decoder: Decoder) -> str:
    """Such a model, with a tokenizer of single characters."""
    backend = Tokenizer(BPE({c: n for n, c in enumerate(["</s>", "<unk>", *CHARACTERS])}, [], unk_token="<unk>"))
    backend.decoder = Sequence([decoder, Fuse()])
    return saved(PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>", unk_token="<unk>"), folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    tokenizer = learn(["<|user|>\nHello you! What is it?\n<|assistant|>\n"] * 3, 300)
    return saved(tokenizer, tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def adapters(model, tmp_path_factory):
    """Directories of adapters, as collect makes them: two of one rank, on other modules, and one of another."""
    made = []
    for seed, lora in enumerate(
        (Lora(rank=4), Lora(rank=4, alpha=9.0, targets=("q_proj", "down_proj")), Lora(rank=12))
    ):
        folder = tmp_path_factory.mktemp("adapters")
        shutil.copytree(model, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.safetensors"))
        net = LlamaForCausalLM.from_pretrained(model)
        attach(net, lora, seed)
        torch.manual_seed(seed)
        tensors = {file_name(name): 0.1 * torch.randn(p.shape) for name, p in trained(net).items()}
        save_file(tensors, folder / WEIGHTS)
        modules = {name.removesuffix(".weight").split(".")[-2] for name in tensors}
        write_config(folder, config_of(lora, tuple(sorted(modules)), "its base"))
        made.append(folder)
    return made


@pytest.fixture(autouse=True)
def on_a_small_machine(monkeypatch):
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", "nobind")


def answers(
    model,
    work,
    engine: str,
    adapter: Adapter | None,
    stopping=lambda: None,
    lora=None,
    grammar=None,
    precision="fp32",
    note=lambda _: None,
):
    """Answers, and what is recorded with them."""
    work.mkdir(exist_ok=True)
    decoding = Decoding(max_new_tokens=60, batch=5, engine=engine, precision=precision)
    remarks: dict[str, object] = {}
    made = answer_all(
        ASKED,
        model,
        None,
        decoding,
        Frame(),
        adapter,
        work,
        lambda a, b: None,
        stopping,
        note,
        remark=remarks.update,
        lora=lora,
        grammar=grammar,
    )
    return made, remarks


@pytest.mark.vllm
@pytest.mark.filterwarnings("default")  # vllm's own
@pytest.mark.parametrize("grammar", [None, WORDS], ids=["free", "grammar"])
@pytest.mark.parametrize("adapter", [None, RULES], ids=["greedy", "rules"])
def test_answers_are_those_of_the_slots_and_go_on_after_a_stop(model, tmp_path, adapter, grammar):
    wanted = answers(model, tmp_path / "slots", "slots", adapter, grammar=grammar)

    def written() -> int:
        return sum(len(path.read_bytes().splitlines()) for path in (tmp_path / "vllm").glob("rows-*.jsonl"))

    with pytest.raises(Stopped, match="preempted"):
        answers(
            model, tmp_path / "vllm", "vllm", adapter, lambda: "preempted" if written() > 2 else None, grammar=grammar
        )
    assert 2 < written() < len(ASKED)
    found = answers(model, tmp_path / "vllm", "vllm", adapter, grammar=grammar)
    assert found == wanted
    if grammar:
        assert wanted[1]["grammar"]["whole"] and len({a.text for a in wanted[0]}) > 2
    else:
        assert {a.truncated for a in wanted[0]} == {True, False}


@pytest.mark.vllm
@pytest.mark.filterwarnings("default")
def test_a_dead_end_ends_and_is_counted_as_in_the_slots(tmp_path):
    """The tokenizer has no é."""
    model, dead = spelled(tmp_path / "model", ByteFallback()), Grammar("regex", "[a-m]{2}([a-z]{3}|é)|[n-z]{2,6}é")
    wanted, told = answers(model, tmp_path / "slots", "slots", None, grammar=dead)
    assert answers(model, tmp_path / "vllm", "vllm", None, grammar=dead) == (wanted, told)
    assert told["grammar"]["dead end"]


@pytest.mark.vllm
@pytest.mark.filterwarnings("default")
def test_after_a_tokenizer_that_cannot_write_under_a_grammar_the_next_answers_are_whole(tmp_path):
    model = spelled(tmp_path / "model", Replace("a", "a"))
    wanted = answers(model, tmp_path / "slots", "slots", None)
    with pytest.raises(BadStudy, match="cannot write under one"):
        answers(model, tmp_path / "failed", "vllm", None, grammar=WORDS)
    assert answers(model, tmp_path / "vllm", "vllm", None) == wanted


@pytest.mark.vllm
@pytest.mark.filterwarnings("default")
def test_adapters_answer_as_in_the_slots_and_share_a_load(model, adapters, tmp_path, monkeypatch):
    loads: list[tuple] = []
    real = vllm_engine._load
    monkeypatch.setattr(vllm_engine, "_load", lambda *asked: loads.append(asked) or real(*asked))
    asked = [(adapters[0], None), (adapters[1], None), (adapters[0], WORDS), (adapters[2], None)]
    wanted, found = (
        [answers(model, tmp_path / f"{engine}{n}", engine, None, lora=a, grammar=g) for n, (a, g) in enumerate(asked)]
        for engine in ("slots", "vllm")
    )
    assert found == wanted and len({tuple(a.text for a in made) for made, _ in wanted}) == 4
    assert [rank for *_, rank, _ in loads] == [8, 16]  # room for rank 4, then for 12


@pytest.mark.vllm
@pytest.mark.filterwarnings("default")
def test_adapters_that_vllm_rounds_are_told(model, adapters, tmp_path):
    """Some tokens then differ from those of the slots, whose adapters are in fp32."""
    for engine, told in (("slots", "slots"), ("vllm", "vllm, adapters rounded to bf16")):
        notes: list[str] = []
        answers(model, tmp_path / engine, engine, None, lora=adapters[0], precision="bf16", note=notes.append)
        assert notes == [told]


@pytest.mark.vllm
@pytest.mark.filterwarnings("default")
def test_a_model_that_vllm_puts_no_adapters_on_is_told_so(model, adapters, tmp_path):
    config = GPT2Config(vocab_size=300, n_embd=128, n_layer=1, n_head=2, n_positions=128, eos_token_id=0)
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "gpt2")
    learn(ASKED, 300).save_pretrained(tmp_path / "gpt2")
    said = {"decodings": [{"engine": "vllm"}], "vllm_adapters": True}
    there = {of: AutoConfig.from_pretrained(of) for of in (tmp_path / "gpt2", model)}
    found = {of: [str(finding) for finding in packages(said, config)] for of, config in there.items()}
    assert not found[model] and "puts no adapters on GPT2LMHeadModel" in found[tmp_path / "gpt2"][0]
    assert not [*packages({"decodings": said["decodings"]}, there[tmp_path / "gpt2"])]
    with pytest.raises(BadStudy, match=r"vllm with adapters, and vllm says: .*GPT2.*engine: slots"):
        answers(str(tmp_path / "gpt2"), tmp_path / "work", "vllm", None, lora=adapters[0])


@pytest.mark.vllm
@pytest.mark.filterwarnings("default")
def test_texts_that_end_an_answer_are_refused_beside_a_grammar(model, tmp_path):
    decoding = Decoding(max_new_tokens=60, batch=5, engine="vllm", stop=("!",))
    with pytest.raises(BadStudy, match=r"decoding.stop: found '!' beside a grammar"):
        answer_all(ASKED, model, None, decoding, Frame(), None, tmp_path, lambda a, b: None, grammar=WORDS)


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
