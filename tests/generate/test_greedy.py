"""Greedy decoding: slots equal one at a time, caps and EOS are told, finished rows are not made again."""

import dataclasses
import itertools
import shutil

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from winsweep.errors import BadData, BadStudy, Stopped
from winsweep.generate import model_cache
from winsweep.generate.decoder import Prompt
from winsweep.generate.greedy import Answer, answer_all, told
from winsweep.generate.row_log import RowLog
from winsweep.study.cell import Decoding
from winsweep.study.frame import Frame
from winsweep.study.rules import Adapter
from winsweep.text.encode import prompt_ids
from winsweep.text.ends import Ends
from winsweep.text.model import load_tokenizer
from winsweep.train.tokenizer import learn, load

FRAME = Frame()
ASKED = [f"Say {'the word ' * (i % 5)}number {i}." for i in range(23)]
RULES = Adapter(rules=("eos", "uniform", "diversity"), eos_bonus=3.0, eos_window=8, uniform=(("!", 0.5), ("a", -0.5)))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A random model whose EOS comes up now and then, in a directory, its tokenizer without a pad token."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer = learn(ASKED, 280)
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        # early OLMo's wrong EOS
        max_position_embeddings=96,
        initializer_range=0.3,
        eos_token_id=5,
        bos_token_id=1,
    )
    net = LlamaForCausalLM(config)
    net.generation_config.repetition_penalty = 5.0  # as some chat models ship: it would not be greedy decoding
    net.save_pretrained(folder)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    return str(folder)


def answers(model, work, texts=ASKED, adapter=None, stopping=lambda: None, **decoding):
    work.mkdir(exist_ok=True)
    decoding = Decoding(**{"max_new_tokens": 20, "batch": 7, **decoding})
    return answer_all(list(texts), model, None, decoding, FRAME, adapter, work, lambda a, b: None, stopping)


def test_a_conversation_is_answered_as_its_prompt_and_first_tags_are_refused(model, tmp_path):
    talk = [{"role": r, "content": c} for r, c in (("user", "Hi"), ("assistant", "Ho"), ("user", "And?"))]
    (whole,) = answers(model, tmp_path / "a", [talk])
    text = "Hi\n<|assistant|>\nHo</s>\n<|user|>\nAnd?"  # the same prompt, but that its EOS is spelled
    (spelled,) = answers(model, tmp_path / "b", [text])
    tokenizer = load_tokenizer(model, None)
    assert tokenizer.decode(prompt_ids(talk, tokenizer, FRAME)) == tokenizer.decode(prompt_ids(text, tokenizer, FRAME))
    assert whole.num_tokens and spelled.num_tokens
    first = dataclasses.replace(RULES, tag_match="first")
    assert answers(model, tmp_path / "c", ["Hi"], adapter=first)
    with pytest.raises(BadStudy, match="tag_match: first and instructions of several turns"):
        answers(model, tmp_path / "d", [talk], adapter=first)


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
        said = tokenizer.decode(new, skip_special_tokens=True)
        assert (answer.text, answer.truncated, answer.num_tokens) == (said, not ended, len(new) - ended)


def test_some_end_by_themselves_and_some_hit_the_cap(model, tmp_path):
    found = answers(model, tmp_path, adapter=RULES)
    assert {a.truncated for a in found} == {True, False} and all(a.num_tokens == 20 for a in found if a.truncated)


def test_a_finished_row_is_not_made_again(model, tmp_path):
    """A line that was changed is not believed; one that is whole is, whoever wrote it."""
    first = answers(model, tmp_path)
    (path,) = tmp_path.glob("rows-*.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    # a flipped byte, a power cut
    path.write_bytes(lines[0].replace(b",[", b",[7,") + b"".join(lines[1:5]) + lines[5][:-9])
    with RowLog(tmp_path) as other:
        other.add(int(lines[7].partition(b"[")[2].partition(b",")[0]), [5, 6, 7])
    again = answers(model, tmp_path)
    assert sum(a != b for a, b in zip(first, again)) == 1
    made = max(tmp_path.glob("rows-*.jsonl"), key=lambda p: len(p.read_bytes())).read_bytes().splitlines()
    assert len(made) == len(ASKED) - 4 - 1


@pytest.mark.parametrize("polls", [0, 3, 25, 50])
def test_an_interrupted_attempt_is_gone_on_with_to_the_same_answers(model, tmp_path, polls):
    asked = itertools.count()
    with pytest.raises(Stopped, match="preempted"):
        answers(model, tmp_path, stopping=lambda: "preempted" if next(asked) >= polls else None)
    before = [p.read_bytes() for p in tmp_path.glob("rows-*.jsonl")]
    assert answers(model, tmp_path) == answers(model, tmp_path / "whole")
    assert set(before) <= {p.read_bytes() for p in tmp_path.glob("rows-*.jsonl")} and (polls < 25 or before)


def test_an_answer_keeps_its_leading_space_and_loses_its_special_tokens(data):
    tokenizer = load(data / "llama2_tokenizer.model")
    ids, response = tokenizer(FRAME.prompt("Hi"))["input_ids"], tokenizer("Sure, two ")["input_ids"][1:]
    assert told(Prompt(0, ids, 10), [*response, 2], tokenizer, Ends((2,))) == Answer(
        " Sure, two ", len(response), False
    )
    assert told(Prompt(0, ids, 2), [13, response[0]], tokenizer, Ends((2,))) == Answer("\n Sure", 2, True)


def test_a_prompt_longer_than_the_context_is_named(model, tmp_path):
    with pytest.raises(
        BadData, match=r"instruction 2 \('x x x .*\): its prompt has \d+ tokens and the model's context holds 96"
    ):
        answers(model, tmp_path, texts=["short", "x " * 200])


def test_a_row_is_cut_where_the_context_ends(model, tmp_path):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    text = next("word " * n for n in range(100) if 88 <= len(tokenizer(FRAME.prompt("word " * n))["input_ids"]) < 96)
    room = 96 - len(tokenizer(FRAME.prompt(text))["input_ids"])
    long, short = answers(model, tmp_path, texts=[text, "a"])
    assert long.num_tokens <= room and short == answers(model, tmp_path / "alone", texts=["a"])[0]


def test_a_chat_template_asks_with_its_own_special_tokens_alone(model, tmp_path):
    """No second BOS beside the one that the template writes."""
    from transformers import AutoTokenizer

    folder = shutil.copytree(model, tmp_path / "chat")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = (
        "{{ bos_token }}{% for m in messages %}{{ '[' + m.role + '] ' + m.content }}{% endfor %}[me] "
    )
    tokenizer.save_pretrained(folder)
    net, texts = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32), ASKED[:3]
    found = answer_all(
        texts,
        str(folder),
        None,
        Decoding(max_new_tokens=5, batch=3),
        Frame(template="chat"),
        None,
        tmp_path,
        lambda a, b: None,
    )
    for text, answer in zip(texts, found):
        ids = tokenizer.apply_chat_template([{"role": "user", "content": text}], return_dict=False)
        assert tokenizer.decode(ids) == f"<s>[user] {text}[me] "
        new = net.generate(
            torch.tensor([ids]),
            max_new_tokens=5,
            do_sample=False,
            repetition_penalty=1.0,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=0,
        )[0, len(ids) :]
        assert answer.text == tokenizer.decode(new, skip_special_tokens=True)


def test_a_model_is_loaded_once_for_generations_that_follow_each_other(model, tmp_path):
    first = model_cache.load(model, None, "fp32")
    assert answers(model, tmp_path / "a") and answers(model, tmp_path / "b", adapter=RULES)
    assert model_cache.load(model, None, "fp32")[0] is first[0] and first[0].config._attn_implementation == "sdpa"
    other = model_cache.load(model, None, "bf16")
    # one at a time: there may be no room for two
    assert other[0].dtype == torch.bfloat16 and model_cache.load(model, None, "fp32")[0] is not first[0]
