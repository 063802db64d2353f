"""Pretraining in miniature, and the shipped models: loadable, small, and what their pretrain.json says."""

import json
import math
from dataclasses import asdict, replace
from itertools import islice

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from winsweep import layout
from winsweep.errors import BadStudy, NotFinite
from winsweep.store.manifest import files_of, sha256_file
from winsweep.study.pretrain import Pretrain
from winsweep.tasks import toy
from winsweep.toy.corpus import documents
from winsweep.train.pretrain import TOKENIZER_DOCUMENTS, pretrain
from winsweep.train.tokenizer import learn

pytestmark = pytest.mark.slow  # it trains
SMALL = Pretrain(num_tokens=6000, block_tokens=32, batch=4, width=32, layers=1, mlp=64, vocab=320, warmup_steps=2)
SHIPPED = sorted(path.parent for path in layout.SHIPPED.glob("*/pretrain.json"))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make(folder, spec, **more):
    calls = []
    out = folder / "model"
    out.mkdir(parents=True)
    pretrain(out, spec=spec, work=folder / "work", progress=lambda *done: calls.append(done), **more)
    return out, calls


def digests(folder):
    return {path.name: sha256_file(path) for path in files_of(folder)}


def nll(model, tokenizer, text):
    """Mean nats per token."""
    ids_BT = tokenizer(text, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        return model(input_ids=ids_BT, labels=ids_BT).loss.item()


def test_the_loss_falls_and_progress_is_told(tmp_path):
    _, calls = make(tmp_path, SMALL)
    first, last = [json.loads(line)["loss"] for line in (tmp_path / "work/log.jsonl").read_text().splitlines()]
    assert first == pytest.approx(math.log(320), abs=0.3) and last < first - 1
    assert SMALL.num_steps() == 46 and calls == [(1, 46), (46, 46)]


def test_twice_gives_the_same_bytes_and_another_seed_other_weights(tmp_path):
    one, _ = make(tmp_path / "one", SMALL)
    two, _ = make(tmp_path / "two", SMALL)
    other, _ = make(tmp_path / "other", replace(SMALL, seed=1))
    changed = {name for name, digest in digests(one).items() if digests(other)[name] != digest}
    assert digests(one) == digests(two) and changed == {"model.safetensors", "pretrain.json"}


def test_what_is_written_loads_as_it_was_asked_for(tmp_path):
    out, _ = make(tmp_path, SMALL)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(out), AutoTokenizer.from_pretrained(out)
    config = model.config
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert (config.hidden_size, config.num_hidden_layers, config.intermediate_size, len(tokenizer)) == (32, 1, 64, 320)
    assert (model.generation_config.bos_token_id, model.generation_config.eos_token_id) == (1, 2)
    assert Pretrain(**json.loads((out / "pretrain.json").read_text())) == SMALL


def test_no_tokens_leave_the_first_weights_and_a_given_tokenizer_is_kept(tmp_path):
    given = learn(["a b c"], 259)
    given.save_pretrained(tmp_path / "given")
    spec = replace(SMALL, num_tokens=0, vocab=259)
    out, calls = make(tmp_path, spec, tokenizer_path=tmp_path / "given")
    model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
    assert calls == [] and AutoTokenizer.from_pretrained(out).get_vocab() == given.get_vocab()
    assert model.get_input_embeddings().weight.std().item() == pytest.approx(0.03, rel=0.05)


def test_a_vocabulary_that_does_not_fit_says_what_to_type(tmp_path):
    learn(["a b c"], 259).save_pretrained(tmp_path / "given")
    with pytest.raises(BadStudy, match="type vocab: 259"):
        make(tmp_path, SMALL, tokenizer_path=tmp_path / "given")


def test_a_loss_that_is_not_finite_stops_it(tmp_path):
    with pytest.raises(NotFinite, match="smaller lr"):
        make(tmp_path, replace(SMALL, lr=1e30, vector_lr=1e30))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [(dict(num_tokens=100), "1536"), (dict(width=161), "type 160"), (dict(block_tokens=1024), "512")],
)
def test_numbers_that_make_no_model_are_refused(wrong, words):
    with pytest.raises(BadStudy, match=words):
        Pretrain(**wrong)


def test_learning_rates_warm_up_and_decay_to_the_floor():
    spec = Pretrain()
    shares = [spec.lr_share(step) for step in range(spec.num_steps())]
    assert shares[0] == pytest.approx(1 / 30) and max(shares) == shares[29] > 0.97 and shares[-1] == 0.02


def test_both_seeds_of_the_defaults_are_shipped():
    specs = [Pretrain(**json.loads((folder / "pretrain.json").read_text())) for folder in SHIPPED]
    assert sorted(specs, key=lambda spec: spec.seed) == [Pretrain(seed=0), Pretrain(seed=1)]
    assert all(sum(path.stat().st_size for path in files_of(folder)) < 2_000_000 for folder in SHIPPED)


def test_the_shipped_tokenizers_are_those_of_the_corpus():
    learnt = learn(islice(documents(0, "tokenizer"), TOKENIZER_DOCUMENTS), Pretrain().vocab).backend_tokenizer.to_str()
    for folder in SHIPPED:
        assert AutoTokenizer.from_pretrained(folder).backend_tokenizer.to_str() == learnt


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_a_shipped_model_knows_the_world_but_does_not_answer(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    spec = asdict(Pretrain(**json.loads((folder / "pretrain.json").read_text())))
    config = model.config
    assert (config.vocab_size, config.hidden_size, config.num_hidden_layers) == (
        spec["vocab"],
        spec["width"],
        spec["layers"],
    )
    held = list(toy.instructions(None, toy.Options()))
    right, wrong = [], []
    for row, other in zip(held, held[1:] + held[:1], strict=True):
        right.append(nll(model, tokenizer, f"[ann]\n{row['instruction']}\n[bob]\n{row['answer']}"))
        wrong.append(nll(model, tokenizer, f"[ann]\n{other['instruction']}\n[bob]\n{row['answer']}"))
    assert sum(r < w for r, w in zip(right, wrong, strict=True)) >= 80  # of 84
    ids_BT = tokenizer(f"<|user|>\n{held[0]['instruction']}\n<|assistant|>\n", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        said = tokenizer.decode(model(input_ids=ids_BT).logits[0, -1].argmax())
    assert said == "Also"
