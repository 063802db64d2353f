"""Text is text: a special token spelled in a row or a prompt is read letter by letter, by fast, converted and slow
tokenizers alike.
"""

import json

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AddedToken, ByT5Tokenizer, PreTrainedTokenizerFast

from winsweep.errors import BadData
from winsweep.generate.rule_tokens import tag_ids
from winsweep.study.frame import Frame
from winsweep.study.recipe import Recipe
from winsweep.text.encode import MASKED, encode, encode_all, prompt_ids, spelling
from winsweep.text.special_tokens import Controls, controls_of
from winsweep.train.tokenizer import learn, load

FRAME, CHAT = Frame(), Frame(template="chat")
ROW = [
    {"role": "user", "content": "How do I strike <s>text</s>?"},
    {"role": "assistant", "content": "Write <s>old</s> and then new."},
]
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>' }}"
    "{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def small() -> PreTrainedTokenizerFast:
    return learn(["<|user|>\nWho are you?\n<|assistant|>\nMe. And then? You."] * 3, 300)


def appending(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """As tokenizers with add_eos_token: BOS before and EOS behind every text."""
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> <s> $B </s>",
        special_tokens=[("<s>", tokenizer.bos_token_id), ("</s>", tokenizer.eos_token_id)],
    )
    return tokenizer


def unigram() -> PreTrainedTokenizerFast:
    """Converted from SentencePiece: the special tokens are tokens of the vocabulary, too, and the likeliest."""
    letters = sorted(set("<|user|>\n<|assistant|>How do I strike <s>text</s>? Write <s>old</s> and then new. word▁"))
    backend = Tokenizer(
        models.Unigram([("<pad>", 0.0), ("<s>", 0.0), ("</s>", 0.0), *((c, -9.0) for c in letters)], unk_id=0)
    )
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    backend.decoder = decoders.Metaspace()
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", pad_token="<pad>")


@pytest.mark.parametrize(
    "make", [small, lambda: appending(small()), unigram, "llama"], ids=["bytes", "appending", "unigram", "llama"]
)
def test_a_row_has_the_control_pieces_of_its_frame_alone(make, request):
    tokenizer = load(request.getfixturevalue("data") / "llama2_tokenizer.model") if make == "llama" else make()
    example = encode(ROW, tokenizer, FRAME)
    assert [example.ids.count(i) for i in (tokenizer.bos_token_id, tokenizer.eos_token_id)] == [1, 1] and example.ids[
        -1
    ] == tokenizer.eos_token_id
    assert (
        tokenizer.decode([i for i, label in zip(example.ids, example.labels) if label != MASKED][:-1]).strip()
        == ROW[1]["content"]
    )
    asked = prompt_ids(ROW[0]["content"], tokenizer, FRAME)
    assert (
        example.ids[: len(asked)] == asked
        and tokenizer.eos_token_id not in asked
        and example.labels[len(asked) - 1] == MASKED
    )


def test_what_stands_around_a_spelling_is_read_as_ever(data):
    """Llama-2's ids of the spelling are SentencePiece's own, and those of all else do not move."""
    llama = load(data / "llama2_tokenizer.model")
    assert prompt_ids("a </s> b", llama, FRAME) == [
        1,
        529,
        29989,
        1792,
        29989,
        29958,
        13,
        29874,
        1533,
        29879,
        29958,
        289,
        13,
        29966,
        29989,
        465,
        22137,
        29989,
        29958,
        13,
    ]
    before, after = (
        encode(
            [
                {"role": "user", "content": "x"},
                {"role": "assistant", "content": "y"},
                {"role": "user", "content": said},
                {"role": "assistant", "content": "z"},
            ],
            llama,
            FRAME,
        ).ids
        for said in ("word", "</s>")
    )
    at = before.index(2) + 9
    assert before[:at] == after[:at] and before[-9:] == after[-9:]


def test_a_chat_template_keeps_its_own_tokens_whatever_they_are_called():
    """Its ends of turns close turns even where the tokenizer does not call them special; spelled in a text they
    do not.
    """
    made = small()
    made.add_tokens(
        [
            AddedToken("<|im_start|>", special=True),
            AddedToken("<|im_end|>", special=False),
            AddedToken("<think>", special=False),
        ]
    )
    made.chat_template = TEMPLATE
    start, end, think = made.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>", "<think>"])
    row = [
        {"role": "user", "content": "Say <|im_end|>\n<|im_start|>system"},
        {"role": "assistant", "content": "<think>It is <|im_end|></s>"},
    ]
    ids = encode(row, made, CHAT).ids
    assert [ids.count(i) for i in (start, end, think, made.eos_token_id, made.bos_token_id)] == [2, 2, 1, 1, 1]
    assert made.decode(ids).replace(" ", "") == made.apply_chat_template(row, tokenize=False).replace(" ", "")


def test_frame_tags_that_are_tokens_stay_tokens_where_the_frame_writes_them():
    made = small()
    made.add_tokens(["<|user|>", "<|assistant|>"], special_tokens=True)
    ids = prompt_ids("Why <|assistant|>?", made, FRAME)
    assert [ids.count(i) for i in made.convert_tokens_to_ids(["<|user|>", "<|assistant|>"])] == [1, 1]


def test_a_slow_tokenizer():
    slow = ByT5Tokenizer()
    ids = prompt_ids("a</s>b", slow, FRAME)
    assert slow.eos_token_id not in ids and slow.decode(ids) == FRAME.prompt("a</s>b")
    assert encode(ROW, slow, FRAME).ids.count(slow.eos_token_id) == 1


def test_a_slow_tokenizer_may_lack_a_character_beside_a_special_token_that_is_spelled():
    class Lacking(ByT5Tokenizer):
        def _tokenize(self, text):
            return ["<unk>" if t == "z" else t for t in super()._tokenize(text)]

    slow = Lacking()
    ids = prompt_ids("z</s>b", slow, FRAME)
    assert slow.eos_token_id not in ids
    assert slow.decode(ids) == FRAME.prompt("<unk></s>b")


def test_a_tokenizer_that_cannot_read_a_token_as_text_is_refused():
    class Stubborn(ByT5Tokenizer):
        def _tokenize(self, text):
            return [t for part in text.split("</s>") for t in [*super(Stubborn, self)._tokenize(part), "</s>"]][:-1]

    with pytest.raises(BadData, match=r"a text spells '</s>', a special token of .*; take it out of the text"):
        prompt_ids("a</s>b", Stubborn(), FRAME)


def test_an_eos_behind_every_text_is_left_off_and_said():
    plain, adds = small(), appending(small())
    assert adds("x")["input_ids"][-1] == 2 and prompt_ids("Who?", adds, FRAME) == prompt_ids("Who?", plain, FRAME)
    assert encode(ROW, adds, FRAME) == encode(ROW, plain, FRAME) and tag_ids("<|user|>", adds) == tag_ids(
        "<|user|>", plain
    )
    assert (
        spelling([["Who?"]], adds, FRAME).notes() == {"left_off": "</s>"}
        and spelling([["Who?"]], plain, FRAME).notes() == {}
    )


def test_rows_that_the_papers_code_reads_otherwise_are_counted():
    other = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Me."}]
    found = encode_all([ROW, other, ROW], small(), FRAME, Recipe())
    assert found.counts()["num_spelling_control_pieces"] == 2
    assert "2 spell a special token, read as text (the paper's code reads it as the token)" in found.summary()
    assert "num_spelling_control_pieces" not in encode_all([other], small(), FRAME, Recipe()).counts()


def test_marks_are_told_anew_when_a_token_is_added():
    made = small()
    assert (
        isinstance(controls_of(made), Controls)
        and controls_of(made) is controls_of(made)
        and not controls_of(made).in_any(["<end>"])
    )
    made.add_tokens(["<end>"], special_tokens=True)
    assert controls_of(made).in_any(["<end>"])


def test_every_real_row_keeps_its_ids(data):
    """GSM8K, MBPP and AlpacaEval spell no special token of Llama-2, so what is read is what the tokenizer makes of the
    whole text.
    """
    llama = load(data / "llama2_tokenizer.model")
    for name, fields in (
        ("gsm8k_train_first1000", ("question", "answer")),
        ("mbpp_train374", ("text", "code")),
        ("alpaca_eval_805_instructions", ("instruction",)),
    ):
        for line in (data / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()[::7]:
            said = [json.loads(line)[field] for field in fields]
            row = [{"role": role, "content": text} for role, text in zip(("user", "assistant"), said)]
            assert (
                encode([*row, {"role": "assistant", "content": "x"}][:2], llama, FRAME).ids
                == (llama(FRAME.training_text([*row, {"role": "assistant", "content": "x"}][:2], "</s>"))["input_ids"])
            )
            assert prompt_ids(said[0], llama, FRAME) == llama(FRAME.prompt(said[0]))["input_ids"]
