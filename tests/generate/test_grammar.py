"""Grammars: every answer is a text of its grammar, and the tokens are those of masked greedy decoding row by row;
what cannot be, is said.
"""

import itertools
import json
import re

import jsonschema
import pytest
import torch
from lark import Lark, LarkError
from llguidance import LLMatcher
from llguidance.hf import from_tokenizer
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from winsweep.errors import BadStudy, Stopped
from winsweep.generate import greedy
from winsweep.generate.adapter import Rules
from winsweep.generate.decoder import Decoder, Prompt
from winsweep.generate.grammar import Mask
from winsweep.generate.greedy import answer_all
from winsweep.generate.sharding import Sharding
from winsweep.generate.step import Step
from winsweep.study.cell import Decoding
from winsweep.study.frame import Frame
from winsweep.study.rules import Adapter, Grammar
from winsweep.text.ends import Ends
from winsweep.train.tokenizer import learn

ASKED = [f"Say {'the word ' * (i % 5)}number {i}." for i in range(23)]
RULES = Adapter(rules=("eos", "uniform", "diversity"), eos_bonus=3.0, eos_window=8, uniform=(("!", 0.5), ("a", -0.5)))
WORDS = Grammar("regex", r"([a-z]{1,4} ){1,3}(é|[a-z])[.!]")
MOVES = Grammar("lark", 'start: move ("; " move)*\nmove: /[a-h][1-8]/ "-" /[a-h][1-8]/')
SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "of": {"enum": ["a", "b"]}, "b": {"type": "boolean"}},
    "required": ["n", "of"],
    "additionalProperties": False,
}
JSON = Grammar("json_schema", json.dumps(SCHEMA))
GRAMMARS = {"regex": WORDS, "lark": MOVES, "json": JSON}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A random model and its tokenizer, which has all bytes; fewer tokens than the model has logits."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer = learn(ASKED, 300)
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=len(tokenizer) + 9,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=160,
        initializer_range=0.3,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def answers(model, work, grammar, texts=ASKED, adapter=None, stopping=lambda: None, sharding=None, **decoding):
    work.mkdir(exist_ok=True)
    notes: dict = {}
    found = answer_all(
        list(texts),
        model,
        None,
        Decoding(**{"max_new_tokens": 40, "batch": 7, **decoding}),
        Frame(),
        adapter,
        work,
        lambda a, b: None,
        stopping,
        remark=notes.update,
        sharding=sharding or Sharding(),
        grammar=grammar,
    )
    return found, notes["grammar"]


def alone(model, text, grammar, adapter, num=40):
    """One row at a time, by the library's own mask."""
    net, tokenizer = LlamaForCausalLM.from_pretrained(model, dtype=torch.float32), AutoTokenizer.from_pretrained(model)
    make = {"regex": LLMatcher.grammar_from_regex, "lark": LLMatcher.grammar_from_lark, "json_schema": schema}
    matcher = LLMatcher(from_tokenizer(tokenizer, net.config.vocab_size), make[grammar.kind](grammar.text))
    ids, new = tokenizer(Frame().prompt(text))["input_ids"], []
    rules = Rules(adapter, tokenizer, net.config.vocab_size) if adapter else lambda _, logits: logits
    while len(new) < num and new[-1:] != [tokenizer.eos_token_id]:
        at = torch.tensor([ids + new])
        bias = torch.frombuffer(bytearray(matcher.compute_logit_bias()), dtype=torch.uint8)[: net.config.vocab_size]
        new.append(int((rules(at, net(at).logits[:, -1].detach()) + torch.where(bias > 0, 0.0, -torch.inf)).argmax()))
        matcher.consume_token(new[-1])
    return tokenizer.decode(new, skip_special_tokens=True)


def schema(text):
    layout = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
    return LLMatcher.grammar_from_json_schema(text, layout)


def belongs(grammar, text) -> bool:
    """By other libraries."""
    if grammar.kind == "json_schema":
        try:
            jsonschema.validate(json.loads(text), json.loads(grammar.text))
        except (ValueError, jsonschema.ValidationError):
            return False
        return True
    if grammar.kind == "lark":
        try:
            Lark(grammar.text).parse(text)
        except LarkError:
            return False
        return True
    return re.fullmatch(grammar.text, text) is not None


@pytest.mark.parametrize("adapter", [None, RULES], ids=["no rules", "rules"])
@pytest.mark.parametrize("grammar", GRAMMARS.values(), ids=GRAMMARS)
def test_slots_equal_masked_greedy_one_row_at_a_time(model, tmp_path, grammar, adapter):
    found, _ = answers(model, tmp_path, grammar, adapter=adapter)
    assert [a.text for a in found[:8]] == [alone(model, text, grammar, adapter) for text in ASKED[:8]]
    assert len({a.text for a in found}) > 3  # the model still chooses


@pytest.mark.parametrize("grammar", GRAMMARS.values(), ids=GRAMMARS)
def test_an_answer_is_whole_exactly_where_other_libraries_take_it(model, tmp_path, grammar):
    """Caps of all lengths, so that answers are cut anywhere."""
    seen = set()
    for cap in (1, 7, 11, 19, 40):
        found, counts = answers(model, tmp_path / str(cap), grammar, max_new_tokens=cap)
        assert [a.grammar == "whole" for a in found] == [belongs(grammar, a.text) for a in found]
        assert all(a.truncated for a in found if a.grammar == "cut")
        assert counts == {"kind": grammar.kind, "dead end": 0} | {
            end: sum(a.grammar == end for a in found) for end in ("whole", "cut")
        }
        seen |= {a.grammar for a in found}
    assert seen == {"whole", "cut"}


def test_an_answer_that_the_cap_meets_where_it_may_end_is_whole(model, tmp_path):
    found, _ = answers(model, tmp_path, Grammar("regex", "[a-z]+"), max_new_tokens=4)
    assert {(a.grammar, a.truncated) for a in found} >= {("whole", True)} and {a.grammar for a in found} == {"whole"}


def test_batches_of_generate_write_the_same(model, tmp_path, monkeypatch):
    want = answers(model, tmp_path / "slots", WORDS, adapter=RULES)
    monkeypatch.setattr(greedy, "fitting", lambda model: (None, "asked for"))
    assert answers(model, tmp_path / "batches", WORDS, adapter=RULES) == want


@pytest.mark.parametrize("polls", [3, 40])
def test_an_interrupted_attempt_is_gone_on_with_to_the_same_answers(model, tmp_path, polls):
    asked = itertools.count()
    with pytest.raises(Stopped, match="preempted"):
        answers(model, tmp_path / "a", JSON, stopping=lambda: "preempted" if next(asked) >= polls else None)
    assert answers(model, tmp_path / "a", JSON) == answers(model, tmp_path / "b", JSON, batch=5)


def test_ranks_share_the_rows(model, tmp_path):
    want, work = answers(model, tmp_path / "alone", JSON), tmp_path / "ranks"
    work.mkdir()
    notes: dict = {}
    base = (ASKED, model, None, Decoding(max_new_tokens=40, batch=7), Frame(), None, work, lambda a, b: None)
    assert answer_all(*base, sharding=Sharding(1, 2, 60.0), grammar=JSON) == []
    found = answer_all(*base, sharding=Sharding(0, 2, 60.0), remark=notes.update, grammar=JSON)
    assert (found, notes["grammar"]) == want


def test_rows_that_wait_for_memory_go_on_where_they_were(model):
    net, tokenizer = LlamaForCausalLM.from_pretrained(model, dtype=torch.float32), AutoTokenizer.from_pretrained(model)
    mask = Mask(
        Grammar("regex", r"([a-z]{2,3} )+[.]"), tokenizer, net.config.vocab_size, Ends((tokenizer.eos_token_id,))
    )
    asked = [Prompt(i, tokenizer(text)["input_ids"], 90) for i, text in enumerate(ASKED[:6])]

    def written(**limits):
        step = Step(net)
        return dict(
            Decoder(step, 4, Ends((tokenizer.eos_token_id,)), None, mask=mask, **limits).answer(asked, lambda: None)
        )

    free = written()
    each = Step(net).cache.bytes_per_position
    assert written(max_bytes=each * 128 * 2) == free and max(map(len, free.values())) > 64


def test_texts_that_end_an_answer_have_no_place_beside_a_grammar(model, tmp_path):
    with pytest.raises(BadStudy, match=r"decoding\.stop: found '\.' beside a grammar.*type decoding: {stop: \[\]}"):
        answers(model, tmp_path / "a", WORDS, stop=(".",))
    found, _ = answers(model, tmp_path / "b", WORDS, stop=("<s>",))  # a token: legal where the grammar accepts
    assert {a.grammar for a in found} == {"whole"}
