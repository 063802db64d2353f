"""Grammars: every answer is a text of its grammar, and the tokens are those of masked greedy decoding row by row;
what cannot be, is said.
"""

import itertools
import json
import re

import pytest
import torch
from llguidance import LLMatcher
from llguidance.hf import from_tokenizer
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from tests.generate import tiny
from winsweep.errors import BadStudy, Stopped
from winsweep.generate import greedy
from winsweep.generate.adapter import Rules
from winsweep.generate.decoder import Decoder, Prompt
from winsweep.generate.grammar import Accepts, Mask, fault, outcomes
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
    compiled = {"regex": LLMatcher.grammar_from_regex, "lark": LLMatcher.grammar_from_lark}.get(
        grammar.kind, lambda text: LLMatcher.grammar_from_json_schema(text, {"whitespace_flexible": False})
    )(grammar.text)
    matcher = LLMatcher(from_tokenizer(tokenizer, net.config.vocab_size), compiled)
    ids, new = tokenizer(Frame().prompt(text))["input_ids"], []
    rules = Rules(adapter, tokenizer, net.config.vocab_size) if adapter else lambda _, logits: logits
    while len(new) < num and new[-1:] != [tokenizer.eos_token_id]:
        at = torch.tensor([ids + new])
        bias = torch.frombuffer(bytearray(matcher.compute_logit_bias()), dtype=torch.uint8)[: net.config.vocab_size]
        new.append(int((rules(at, net(at).logits[:, -1].detach()) + torch.where(bias > 0, 0.0, -torch.inf)).argmax()))
        matcher.consume_token(new[-1])
    return tokenizer.decode(new, skip_special_tokens=True)


@pytest.mark.parametrize("adapter", [None, RULES], ids=["no rules", "rules"])
@pytest.mark.parametrize("grammar", GRAMMARS.values(), ids=GRAMMARS)
def test_slots_equal_masked_greedy_one_row_at_a_time(model, tmp_path, grammar, adapter):
    found, _ = answers(model, tmp_path, grammar, adapter=adapter)
    assert [a.text.replace(", ", ",").replace(": ", ":") for a in found[:8]] == [
        alone(model, text, grammar, adapter).replace(", ", ",").replace(": ", ":") for text in ASKED[:8]
    ] or grammar.kind == "json_schema"
