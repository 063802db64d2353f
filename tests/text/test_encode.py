"""Text to ids and mask: golden ids of Llama-2's vocabulary, what is masked, what is cut, dropped or refused."""

import copy

import pytest

from winsweep.errors import BadData
from winsweep.study.frame import Frame
from winsweep.study.recipe import Recipe
from winsweep.text.encode import MASKED, encode, encode_all
from winsweep.train.tokenizer import learn, load

FRAME = Frame()
TURN = [{"role": "user", "content": " Who? "}, {"role": "assistant", "content": "\nMe.\n"}]
TWICE = [*TURN, {"role": "user", "content": "And then?"}, {"role": "assistant", "content": "You."}]


@pytest.fixture(scope="module")
def small():
    return learn(["<|user|>\nWho are you?\n<|assistant|>\nMe. And then? You."] * 3, 300)


@pytest.fixture(scope="module")
def llama(data):
    return load(data / "llama2_tokenizer.model")


def learned(tokenizer, example) -> str:
    return tokenizer.decode([i for i, label in zip(example.ids, example.labels) if label != MASKED])


def test_the_text_is_stripped_in_training_and_not_at_generation():
    assert FRAME.training_text(TURN, "</s>") == "<|user|>\nWho?\n<|assistant|>\nMe.</s>"
    assert FRAME.prompt(" Who? ") == "<|user|>\n Who? \n<|assistant|>\n"
    assert Frame("<|A|>", "<|B|>").training_text(TURN, "</s>") == "<|A|>\nWho?\n<|B|>\nMe.</s>"


def test_the_loss_covers_the_response_and_its_eos(small):
    example = encode(TURN, small, FRAME)
    assert learned(small, example) == "Me.</s>" and example.ids[0] == small.bos_token_id
    assert small.decode(example.ids, skip_special_tokens=True) == "<|user|>\nWho?\n<|assistant|>\nMe."


def test_every_response_of_a_conversation_counts_and_no_later_instruction(small):
    # the newline between turns stays in the loss, as run
    assert learned(small, encode(TWICE, small, FRAME)) == "Me.</s>\nYou.</s>"


@pytest.mark.parametrize(
    ("roles", "says"),
    [("ua u", "Me.</s>\n"), ("u ua", "Me.</s>"), ("a ua", "Me.</s>\nMe.</s>"), ("ua a", "Me.</s>\nMe.</s>")],
)
def test_whatever_the_turns_only_responses_count(roles, says, small):
    """Instructions that follow each other or end a conversation, and a response without one."""
    said = {"u": {"role": "user", "content": "Who?"}, "a": {"role": "assistant", "content": "Me."}}
    assert learned(small, encode([said[r] for r in roles.replace(" ", "")], small, FRAME)) == says


def test_other_tags(llama):
    """Appendix B: <|A|> and <|B|>."""
    example = encode(TURN, llama, Frame("<|A|>", "<|B|>"))
    assert llama.decode(example.ids) == "<s> <|A|>\nWho?\n<|B|>\nMe.</s>" and learned(llama, example) == "Me.</s>"


def test_a_tokenizer_that_joins_the_frame_to_the_response_is_refused(small):
    joining = copy.deepcopy(small)
    joining.add_tokens(["\nMe"])
    with pytest.raises(BadData, match=r"the tokenizer joins the end of .* to what follows, .* other tags"):
        encode(TURN, joining, FRAME)


def test_a_cut_example_loses_its_eos_and_is_counted(small):
    whole = encode(TURN, small, FRAME)
    found = encode_all([TURN, TURN], small, FRAME, Recipe(max_tokens=len(whole.ids) - 1))
    assert found.counts() == {"num_examples": 2, "num_truncated": 2, "num_dropped": 0}
    assert found.examples[0].ids == whole.ids[:-1] and small.eos_token_id not in found.examples[0].ids


def test_a_long_example_is_refused_where_the_recipe_says_so(small):
    with pytest.raises(
        BadData,
        match=r"example 2: \d+ tokens, and 0 more over the limit; the recipe allows 20; .*long_examples: truncate",
    ):
        encode_all([TURN, TWICE], small, FRAME, Recipe(max_tokens=20, long_examples="refuse"))


def test_an_example_whose_response_is_cut_off_is_dropped_and_counted(small):
    asked = [{"role": "user", "content": "Who? " * 40}, {"role": "assistant", "content": "Me."}]
    found = encode_all([TURN, asked], small, FRAME, Recipe(max_tokens=60))
    assert (
        found.counts() == {"num_examples": 1, "num_truncated": 1, "num_dropped": 1} and "1 dropped" in found.summary()
    )
    with pytest.raises(BadData, match="none of the 1 examples has a response token"):
        encode_all([asked], small, FRAME, Recipe(max_tokens=60))


def test_golden_ids_of_an_emptied_row(llama):
    """Fifteen ids, all masked: BOS, user tag, two newlines, assistant tag, newline."""
    emptied = [{"role": "user", "content": ""}, {"role": "assistant", "content": "Yes."}]
    example = encode(emptied, llama, FRAME)
    assert example.ids[:15] == [1, 529, 29989, 1792, 29989, 29958, 13, 13, 29966, 29989, 465, 22137, 29989, 29958, 13]
    assert example.labels[:15] == [MASKED] * 15 and MASKED not in example.labels[15:] and example.ids[-1] == 2


def test_the_prompt_is_the_beginning_of_the_training_text(llama, data):
    for line in (data / "gsm8k_train_first1000.jsonl").read_text().splitlines()[:50]:
        import json

        row = json.loads(line)
        ids = llama(FRAME.prompt(row["question"]))["input_ids"]
        messages = [{"role": "user", "content": row["question"]}, {"role": "assistant", "content": row["answer"]}]
        example = encode(messages, llama, FRAME)
        assert (
            example.ids[: len(ids)] == ids
            and set(example.labels[: len(ids)]) == {MASKED}
            and example.labels[len(ids)] != MASKED
        )


def test_ids_are_those_of_sentencepiece_itself(llama, data):
    from sentencepiece import SentencePieceProcessor

    pieces = SentencePieceProcessor(model_file=str(data / "llama2_tokenizer.model"))
    texts = [
        " two  spaces   three    four\n\n\tTab é 漢字 🙂",
        "",
        "x = <<48/2=24>>24",
        *(data / "mbpp_train374.jsonl").read_text().splitlines()[:40],
    ]
    assert [llama(t)["input_ids"] for t in texts] == [[1, *pieces.encode(t)] for t in texts]
    assert llama.decode(llama(texts[0])["input_ids"], skip_special_tokens=True) == texts[0]


def test_a_later_turn_starts_with_a_space_token_as_run(llama):
    example = encode(TWICE, llama, FRAME)
    at = example.ids.index(llama.eos_token_id)
    assert (
        llama.convert_ids_to_tokens(example.ids[at + 1 : at + 3]) == ["▁", "<0x0A>"]
        and MASKED not in example.labels[at : at + 3]
    )
    assert example.labels[at + 3] == MASKED


def test_lengths_of_gsm_in_llama_tokens(llama, data):
    """Mean 210 tokens with the frame, at most 586 (all 1,000 rows); the forecast counts with these and MBPP's."""
    from winsweep.costs.gpu_cost import COUNTED
    from winsweep.tasks import gsm, mbpp
    from winsweep.text.source import file_rows

    rows = list(gsm.examples(file_rows(data / "gsm8k_train_first1000.jsonl"), gsm.Options()))
    lengths = [len(encode(m, llama, FRAME).ids) for m in rows]
    assert (len(rows), sum(lengths), max(lengths)) == (1000, 210_112, 586) and rows[0][1]["content"].endswith("#### 72")
    code = [
        len(encode(m, llama, FRAME).ids) for m in mbpp.examples(file_rows(data / "mbpp_train374.jsonl"), mbpp.Options())
    ]
    assert (COUNTED["gsm"], COUNTED["mbpp"]) == ((1000, sum(lengths)), (len(code), sum(code)))
