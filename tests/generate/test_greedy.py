"""Greedy decoding: a batch equals one at a time, caps and EOS are told, finished batches are not made again."""

import shutil

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from winsweep.cell import Adapter, Decoding
from winsweep.errors import BadData
from winsweep.frame import Frame
from winsweep.generate.greedy import answer_all, batches
from winsweep.train.tokenizer import learn

FRAME = Frame()
ASKED = [f"Say {'the word ' * (i % 5)}number {i}." for i in range(23)]
RULES = Adapter(rules=("eos", "uniform", "diversity"), eos_bonus=3.0, eos_window=8, uniform=(("!", 0.5), ("a", -0.5)))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A random model whose EOS comes up now and then, in a directory, its tokenizer without a pad token."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer = learn(ASKED, 280)
    torch.manual_seed(3)
    config = LlamaConfig(vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
                         max_position_embeddings=96, initializer_range=0.3, eos_token_id=5, bos_token_id=1)  # a wrong EOS, as early OLMo had
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    return str(folder)


def answers(model, work, texts=ASKED, adapter=None, **decoding):
    work.mkdir(exist_ok=True)
    return answer_all(list(texts), model, None, Decoding(**{"max_new_tokens": 20, "batch": 7, **decoding}), FRAME, adapter, work, lambda a, b: None)


@pytest.mark.parametrize("adapter", [None, RULES])
def test_a_batch_equals_one_at_a_time(model, tmp_path, adapter):
    assert answers(model, tmp_path / "a", adapter=adapter) == answers(model, tmp_path / "b", adapter=adapter, batch=1)


def test_greedy_equals_a_plain_loop(model, tmp_path):
    from transformers import AutoTokenizer

    net, tokenizer = LlamaForCausalLM.from_pretrained(model, dtype=torch.float32), AutoTokenizer.from_pretrained(model)
    for text, answer in zip(ASKED[:6], answers(model, tmp_path)):
        ids = tokenizer(FRAME.prompt(text))["input_ids"]
        new = []
        while len(new) < 20 and (not new or new[-1] != tokenizer.eos_token_id):
            new.append(int(net(torch.tensor([ids + new])).logits[0, -1].argmax()))
        ended = new[-1] == tokenizer.eos_token_id
        assert (answer.text, answer.truncated, answer.num_tokens) == (tokenizer.decode(new, skip_special_tokens=True), not ended, len(new) - ended)


def test_some_end_by_themselves_and_some_hit_the_cap(model, tmp_path):
    found = answers(model, tmp_path, adapter=RULES)
    assert {a.truncated for a in found} == {True, False} and all(a.num_tokens == 20 for a in found if a.truncated)


def test_a_finished_batch_is_not_made_again(model, tmp_path):
    first = answers(model, tmp_path)
    kept = sorted(tmp_path.glob("batch-*.json"))
    marked = kept[0].read_text().replace('"text": "', '"text": "kept ', 1)
    kept[0].write_text(marked)
    kept[1].unlink()
    again = answers(model, tmp_path)
    assert sum(a != b for a, b in zip(first, again)) == 1 and sorted(tmp_path.glob("batch-*.json")) == kept


def test_a_prompt_longer_than_the_context_is_named(model, tmp_path):
    with pytest.raises(BadData, match=r"instruction 2 \('x x x .*\): its prompt has \d+ tokens and the model's context holds 96"):
        answers(model, tmp_path, texts=["short", "x " * 200])


def test_a_row_is_cut_where_the_context_ends(model, tmp_path):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    text = next("word " * n for n in range(100) if 88 <= len(tokenizer(FRAME.prompt("word " * n))["input_ids"]) < 96)
    room = 96 - len(tokenizer(FRAME.prompt(text))["input_ids"])
    long, short = answers(model, tmp_path, texts=[text, "a"])
    assert long.num_tokens <= room and short == answers(model, tmp_path / "alone", texts=["a"])[0]


def test_batches_hold_every_row_once_longest_first():
    lengths = [3, 9, 9, 1, 5]
    assert batches(lengths, 2) == [[1, 2], [4, 0], [3]]


def test_a_chat_template_asks_with_its_own_special_tokens_alone(model, tmp_path):
    """No second BOS beside the one that the template writes."""
    from transformers import AutoTokenizer

    folder = shutil.copytree(model, tmp_path / "chat")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = "{{ bos_token }}{% for m in messages %}{{ '[' + m.role + '] ' + m.content }}{% endfor %}[me] "
    tokenizer.save_pretrained(folder)
    net, texts = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32), ASKED[:3]
    found = answer_all(texts, str(folder), None, Decoding(max_new_tokens=5, batch=3), Frame(template="chat"), None, tmp_path, lambda a, b: None)
    for text, answer in zip(texts, found):
        ids = tokenizer.apply_chat_template([{"role": "user", "content": text}], return_dict=False)
        assert tokenizer.decode(ids) == f"<s>[user] {text}[me] "
        new = net.generate(torch.tensor([ids]), max_new_tokens=5, do_sample=False, eos_token_id=tokenizer.eos_token_id, pad_token_id=0)[0, len(ids) :]
        assert answer.text == tokenizer.decode(new, skip_special_tokens=True)
