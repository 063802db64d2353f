"""What encoding and mask rely on: BOS in front, one EOS id, newlines alone, nothing lost."""

from itertools import islice

import pytest
from hypothesis import given, settings, strategies
from transformers import AutoTokenizer

from winsweep.errors import BadStudy
from winsweep.study.frame import Frame
from winsweep.text.encode import MASKED, encode
from winsweep.toy.corpus import documents
from winsweep.train.tokenizer import learn, load

TEXTS = list(islice(documents(0, "tokenizer"), 2000))
TOKENIZER = learn(TEXTS, 1280)

anything = strategies.text(strategies.characters(exclude_categories=["Cs"])).filter(
    lambda text: not any(name in text for name in TOKENIZER.all_special_tokens)
)


def ids(text):
    return TOKENIZER(text)["input_ids"]


def test_special_pieces_have_the_ids_of_llama():
    assert TOKENIZER.convert_tokens_to_ids(["<pad>", "<s>", "</s>"]) == [0, 1, 2]
    assert (TOKENIZER.pad_token_id, TOKENIZER.bos_token_id, TOKENIZER.eos_token_id) == (0, 1, 2)
    assert len(TOKENIZER) == 1280


def test_bos_is_added_and_eos_only_where_it_is_written():
    assert ids("") == [1]
    assert ids("The cat</s>") == [*ids("The cat"), 2]
    assert ids("a</s>\nb").count(2) == 1


@settings(deadline=None)
@given(anything)
def test_decoding_gives_back_any_text(text):
    assert TOKENIZER.decode(ids(text), skip_special_tokens=True) == text


@settings(deadline=None)
@given(anything, anything)
def test_a_prompt_ends_where_its_response_begins(instruction, response):
    prompt = Frame().prompt(instruction)
    assert ids(prompt + response + "</s>")[: len(ids(prompt))] == ids(prompt)


def test_the_mask_ends_exactly_at_the_response():
    turn = [{"role": "user", "content": ""}, {"role": "assistant", "content": " - a rope\n- a map "}]
    example = encode(turn * 2, TOKENIZER, Frame())
    counted = [piece for piece in example.labels if piece != MASKED]
    assert TOKENIZER.decode(counted) == "- a rope\n- a map</s>\n- a rope\n- a map</s>"


def test_saving_keeps_everything(tmp_path):
    TOKENIZER.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    for text in [*TEXTS[:50], Frame().prompt("") + "x</s>", "ü 你好 \u00a0\t"]:
        assert again(text)["input_ids"] == ids(text)
        assert again.decode(ids(text)) == TOKENIZER.decode(ids(text))
    assert (again.pad_token, again.eos_token, again.padding_side) == ("<pad>", "</s>", "left")
    assert load(tmp_path)("Say")["input_ids"] == ids("Say")


def test_learning_twice_gives_the_same_pieces():
    assert learn(TEXTS[:300], 400).get_vocab() == learn(TEXTS[:300], 400).get_vocab()


def test_a_sentencepiece_file_behaves_like_llama_2(tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece")
    (tmp_path / "lines.txt").write_text("\n".join(" ".join(text.split()) for text in TEXTS[:500]))
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "lines.txt"),
        model_prefix=str(tmp_path / "made"),
        vocab_size=600,
        model_type="bpe",
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    reference = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "made.model"))
    tokenizer = load(tmp_path / "made.model")
    tokenizer.save_pretrained(tmp_path / "saved")
    for got in (tokenizer, AutoTokenizer.from_pretrained(tmp_path / "saved")):
        for text in ("<|user|>\nSay it\n<|assistant|>\n", *(" ".join(text.split()) for text in TEXTS[:50])):
            assert got(text)["input_ids"] == [1, *reference.encode(text)]
        assert got("Yes</s>")["input_ids"] == [1, *reference.encode("Yes"), 2]
        assert (len(got), got.bos_token_id, got.eos_token_id) == (600, 1, 2)


def test_llama_2s_own_file_gives_its_pieces(data):
    tokenizer = load(data / "llama2_tokenizer.model")
    # of an emptied instruction
    tags = [1, 529, 29989, 1792, 29989, 29958, 13, 13, 29966, 29989, 465, 22137, 29989, 29958, 13]
    assert tokenizer(Frame().prompt(""))["input_ids"] == tags
    assert tokenizer(Frame().prompt("") + "Y</s>")["input_ids"] == [*tags, 29979, 2] and len(tokenizer) == 32000


def test_a_tokenizer_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadStudy, match=r"no.model"):
        load(tmp_path / "no.model")
