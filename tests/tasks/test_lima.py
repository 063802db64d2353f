"""LIMA, with and without its instructions: the exact text and ids of every field."""

import pytest

from tests.tasks.read_rows import jsonl, read, turns
from winsweep.errors import BadData
from winsweep.study.frame import Frame
from winsweep.text.encode import MASKED, encode
from winsweep.train.tokenizer import learn
from winsweep.train.tokenizer import load as load_tokenizer

# <|user|>, two newlines and <|assistant|> in Llama-2's vocabulary
EMPTY = [*(1, 529, 29989, 1792, 29989, 29958, 13, 13), *(29966, 29989, 465, 22137, 29989, 29958, 13)]
LIMA = [
    {"conversations": [" Who?\n", "Me."], "source": "stackexchange"},
    {"conversations": ["Who?", "Me.", "Sure?", "Yes.", "Thanks!"], "source": "multi_turn"},
    {"conversations": ["A?", "B.", "C?", "D."], "source": "multi_turn"},
]


def test_lima(tmp_path):
    """Whole conversations; the last message of an odd number is left out."""
    found = read(jsonl(tmp_path / "train.jsonl", *LIMA), "lima")
    assert found == [turns(" Who?\n", "Me."), turns("Who?", "Me.", "Sure?", "Yes."), turns("A?", "B.", "C?", "D.")]
    assert read(tmp_path / "train.jsonl", "lima", first=1) == found[:1]


def test_response_tuning_empties_every_turn_of_lima_and_masks_its_tags(tmp_path):
    found = read(jsonl(tmp_path / "train.jsonl", *LIMA), "lima", empty_instructions=True)
    assert found == [turns("", "Me."), turns("", "Me.", "", "Yes."), turns("", "B.", "", "D.")]
    tokenizer = learn(["<|user|>\nMe. Yes.\n<|assistant|>"], 300)
    example = encode(found[1]["messages"], tokenizer, Frame())
    assert tokenizer.decode(example.ids) == "<s><|user|>\n\n<|assistant|>\nMe.</s>\n<|user|>\n\n<|assistant|>\nYes.</s>"
    assert (
        tokenizer.decode([i for i, label in zip(example.ids, example.labels) if label != MASKED]) == "Me.</s>\nYes.</s>"
    )


def test_golden_ids_of_an_emptied_row_of_lima(tmp_path, data):
    """Fifteen ids, all masked: what the response of every emptied conversation stands behind."""
    emptied = read(jsonl(tmp_path / "train.jsonl", *LIMA), "lima", empty_instructions=True)
    for row in emptied:
        example = encode(row["messages"], load_tokenizer(data / "llama2_tokenizer.model"), Frame())
        assert example.ids[:15] == EMPTY
        assert (
            set(example.labels[:15]) == {MASKED}
            and example.labels[15] == example.ids[15]
            and (example.ids[-1], example.labels[-1]) == (2, 2)
        )


def test_lima_without_restating_is_the_users_file(tmp_path):
    rewritten = {
        "dataset": "lima",
        "id": "lima_1",
        "messages": [
            {"role": "user", "content": "A?", "check": "#### YES"},
            {"role": "assistant", "content": "B.", "content_old": "A is B."},
        ],
    }
    path = jsonl(tmp_path / "rewritten.jsonl", rewritten)
    assert read(path, "lima_no_rephrase") == [turns("A?", "B.")]
    assert read(path, "lima_no_rephrase", empty_instructions=True) == [turns("", "B.")]
    with pytest.raises(
        BadData, match=r"train\.jsonl:1: no list of \{role, content\} under 'messages'; add path: .*1,029 rows"
    ):
        read(jsonl(tmp_path / "train.jsonl", *LIMA), "lima_no_rephrase")
