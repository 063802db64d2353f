"""The mask of a grammar: which tokens are legal, where it ends, what no tokenizer or grammar can do."""

import json
import re

import pytest
import torch
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from winsweep.errors import BadStudy
from winsweep.generate.grammar import Accepts, Mask, fault, outcomes
from winsweep.study.rules import Grammar
from winsweep.text.ends import Ends


def spelled(*characters: str) -> PreTrainedTokenizerFast:
    """A vocabulary of these characters alone, with no byte to fall back on."""
    backend = Tokenizer(models.BPE({c: i for i, c in enumerate(("</s>", "<unk>", *characters))}, [], unk_token="<unk>"))
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>", unk_token="<unk>")


def test_a_dead_end_ends_the_row_and_is_told():
    """The likeliest tokens lead where the tokenizer has no token."""
    tokenizer = spelled(*"abc")
    mask = Mask(Grammar("regex", "ab|aé|c"), tokenizer, 5, Ends((0,)))
    logits = torch.tensor([[0.0, 9.0, 1.0, 2.0, 0.5], [0.0, 9.0, 1.0, 2.0, 1.5]])
    states = [mask.begin(), mask.begin([2])]
    assert mask.choose(logits, states).tolist() == [2, 3]
    assert mask.forbid(logits, states).argmax(1).tolist() == [2, 3]
    dead = Mask(Grammar("regex", "a(é|ü)"), tokenizer, 5, Ends((0,)))
    assert dead.choose(logits, [dead.begin(), dead.begin([2])]).tolist() == [2, 0]
    assert outcomes(Grammar("regex", "a(é|ü)"), [("a", False), ("a", True), ("aé", True)]) == [
        "dead end",
        "cut",
        "whole",
    ]


def test_the_end_is_legal_where_the_grammar_accepts_and_every_end_is():
    tokenizer = spelled(*"abc")
    mask = Mask(Grammar("regex", "ab*"), tokenizer, 5, Ends((0, 4)))
    logits = torch.zeros(3, 5)
    legal = [
        row.isfinite().nonzero()[:, 0].tolist()
        for row in mask.forbid(logits, [mask.begin(new) for new in ([], [2], [2, 3])])
    ]
    assert legal == [[2], [0, 3, 4], [0, 3, 4]]


def test_whether_any_answer_can_be_written():
    def can(regex):
        return Mask(Grammar("regex", regex), spelled(*"abc"), 5, Ends((0,))).can_end()

    assert can("a(é|b)") and can("(a|b){0,99}c") and not can("aé") and can("aé") is False and can("[ab]+é") is None
    assert can("(((a{100}){100}){100}){100}") is None  # the library gives up on it


def test_tokens_that_the_model_has_no_logit_for_are_not_legal():
    """A tokenizer with more tokens than the model: 35 of 37, over a word of 32 bits."""
    tokenizer = spelled(*map(chr, range(ord("A"), ord("A") + 35)))
    mask = Mask(Grammar("regex", "[@-~]"), tokenizer, 35, Ends((0,)))
    assert mask.forbid(torch.zeros(1, 35), [mask.begin()]).isfinite().sum() == 33
    nothing = Mask(Grammar("regex", chr(ord("A") + 34)), tokenizer, 35, Ends((0,)))
    assert nothing.choose(torch.zeros(1, 35), [nothing.begin()]).tolist() == [0] and nothing.can_end() is False


@pytest.mark.parametrize(
    ("grammar", "match"),
    [
        (Grammar("regex", "("), "regex parse error: .* unclosed group"),
        (Grammar("regex", "a(?=b)"), "look-around"),
        (Grammar("regex", "[a&&b]"), "no text belongs to it"),
        (Grammar("regex", "(|)"), "only the empty text belongs to it"),
        (Grammar("json_schema", '{"type": "foo"}'), "Invalid type: foo"),
        (Grammar("json_schema", '{"not": {}}'), "Unimplemented keys"),
        (Grammar("json_schema", "{"), "EOF"),
        (Grammar("json_schema", '{"$ref": "http://127.0.0.1:1/x"}'), "does not fetch"),
        (Grammar("lark", "start: x"), 'unknown name: "x"'),
        (Grammar("lark", "a: /b/"), "no start rule"),
        (Grammar("lark", 'start: <|end|> "a"'), "< speaks of tokens"),
        (Grammar("lark", "start: x[max_tokens=3]\nx: /a/"), "max_tokens speaks of tokens"),
        (Grammar("regex", "\x1b[31m(" + "x" * 5000), "…$"),
        (Grammar("regex", "(((a{100}){100}){100}){100}"), "too many expressions"),  # at its second byte
        (Grammar("regex", r"[^\s\S]"), "^no text belongs to it$"),
        (Grammar("lark", '\\"' * 100_000), "lexer error"),  # no hour for strings that are never closed
    ],
)
def test_what_cannot_be_a_grammar_is_said(grammar, match):
    said = fault(grammar)
    assert re.search(match, said) and said.isprintable() and len(said) <= 300


@pytest.mark.parametrize(
    "grammar",
    [
        Grammar("regex", r"([a-z]{1,4} ){1,3}(é|[a-z])[.!]"),
        Grammar("json_schema", json.dumps({"type": "array", "items": {"enum": ["a", 1, None]}})),
        Grammar("lark", 'start: "<|x|>" /<a>/ // <b> max_tokens'),
    ],
)
def test_what_can_be_one_is_not(grammar):
    assert fault(grammar) == ""


def test_a_text_belongs_whatever_its_tokens():
    accepts = Accepts(Grammar("regex", "[é🙂]{2}"))
    assert accepts("é🙂") and not accepts("é") and not accepts("é🙂é") and not accepts("") and accepts("éé")


def test_a_tokenizer_whose_tokens_write_nobody_knows_what_is_named():
    tokenizer = spelled("a")
    tokenizer.backend_tokenizer.decoder = decoders.Metaspace()
    with pytest.raises(
        BadStudy, match=r"grammar: the tokenizer \w+ cannot write under one \(.*decoder.*take the grammar out"
    ):
        Mask(Grammar("regex", "a"), tokenizer, 3, Ends((0,)))
