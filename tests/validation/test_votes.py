"""Files of votes: AlpacaEval's published form and others, every damaged row named, contradicting votes counted."""

import csv
import json

import pytest

from tests.validation.voted import published, write
from winsweep.errors import BadData
from winsweep.validation import votes
from winsweep.validation.pair import Pair
from winsweep.votes_source import located


def test_the_published_form_is_one_pair_for_each_four_rows(tmp_path):
    rows = published(30)
    found = votes.read(write(tmp_path / "crossannotations.json", rows))
    assert len(found) == 30 and all(len(p.votes) == 4 for p in found)
    for n, pair in enumerate(found):
        own = rows[4 * n : 4 * n + 4]
        assert pair.votes == tuple(r["preference"] for r in own) and pair.category == f"kind{n % 2}"
        assert (pair.instruction, pair.output_1) == (own[0]["instruction"], own[0]["output_1"])


def test_a_pair_is_one_whichever_answer_a_row_has_first(tmp_path):
    rows = [
        {"instruction": "q", "output_1": "x", "output_2": "y", "preference": 1},
        {"instruction": "q", "output_1": "y", "output_2": "x", "preference": 1},
        {"instruction": "q", "output_1": "y", "output_2": "x", "preference": 2},
        {"instruction": "q", "output_1": "x", "output_2": "z", "preference": 2},
    ]
    one, other = votes.read(write(tmp_path / "v.json", rows))
    assert one.votes == (1, 2, 1) and one.majority == 0 and one.is_contradicted
    assert other.votes == (2,) and other.majority == 1 and not other.is_contradicted


def test_ties_contradictions_and_draws():
    assert Pair("q", "a", "b", (1, 2, 1, 2)).majority == 0.5
    assert Pair("q", "a", "b", (1.5, 1.5, 2)).majority == 1
    assert Pair("q", "a", "b", (1, 1.5)).margin == -0.5
    assert not Pair("q", "a", "b", (1, 1.5)).is_contradicted


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": "q", "a": "x", "b": "y", "votes": [1, "b", "tie"]}, (1, 2, 1.5)),
        ({"question": "q", "response_a": "x", "response_b": "y", "winner": "model_b"}, (2,)),
        ({"instruction": "q", "answer_a": "x", "answer_b": "y", "winner": "tie (bothbad)"}, (1.5,)),
        ({"instruction": "q", "output_1": "x", "output_2": "y", "preference": 0}, (1.5,)),
        ({"instruction": "q", "output_1": "x", "output_2": "y", "votes": "1; 2,2"}, (1, 2, 2)),
        ({"instruction": "q", "output_1": "x", "output_2": "y", "preference": 1.0}, (1,)),
    ],
)
def test_other_names_and_other_words_for_votes(tmp_path, row, said):
    path = tmp_path / "votes.jsonl"
    path.write_text(json.dumps(row) + "\n")
    (pair,) = votes.read(path)
    assert (pair.instruction, pair.output_1, pair.output_2, pair.votes) == ("q", "x", "y", said)


def test_a_csv_and_the_input_of_alpacas_rows(tmp_path):
    path = tmp_path / "votes.csv"
    with open(path, "w", newline="") as f:
        writer = csv.writer(f)
        writer.writerow(["instruction", "input", "a", "b", "votes", "answer"])
        writer.writerows([["Add.", "1 and 2", "3", "4", "1 1 tie", "3"], ["Skip.", "", "x", "y", "", ""]])
    (pair,) = votes.read(path)
    assert (pair.instruction, pair.votes, pair.answer) == ("Add.\n\n1 and 2", (1, 1, 1.5), "3")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"preference": 3}, "preference is 3; legal are 1 or a, 2 or b, and 1.5, 0 or tie"),
        ({"preference": True}, "preference is True"),
        ({"preference": [1, "?"]}, r"preference is '\?'"),
        ({"output_2": 7}, "output_2 is 7; legal is a text"),
        ({"instruction": " "}, "instruction is ' '"),
        ({"output_1": None, "output_2": ["x"]}, r"output_2 is \['x'\]"),
        ({"preference": {"a": 1}}, "preference is {'a': 1}"),
    ],
)
def test_a_damaged_row_is_named_with_what_is_legal(tmp_path, change, told):
    rows = published(3)
    rows[5] |= change
    path = write(tmp_path / "votes.json", rows)
    with pytest.raises(BadData, match=rf"(?s){path} row 5: {told}.*nothing was asked; correct or remove the rows"):
        votes.read(path)


def test_many_damaged_rows_are_told_together_and_not_all(tmp_path):
    rows = published(10)
    for row in rows:
        del row["preference"]
    with pytest.raises(BadData) as error:
        votes.read(write(tmp_path / "votes.json", rows))
    lines = str(error.value).splitlines()
    assert len(lines) == votes.MOST_TOLD + 2 and "20 more rows are wrong" in lines[-2]
    assert "row 0: no votes; legal names of them are votes, vote, preference, winner" in lines[0]


@pytest.mark.parametrize("preference", [None, "", "nan"])
def test_rows_without_a_vote_count_none(tmp_path, preference):
    rows = published(2, votes=1)
    rows[0]["preference"] = preference
    assert [p.instruction for p in votes.read(write(tmp_path / "v.json", rows))] == [rows[1]["instruction"]]
    rows[1]["preference"] = preference
    with pytest.raises(BadData, match="no votes in 2 pairs"):
        votes.read(write(tmp_path / "v.json", rows))


def test_a_file_that_ends_in_the_middle_is_named(tmp_path):
    path = tmp_path / "votes.json"
    path.write_text(json.dumps(published(3))[:-40])
    with pytest.raises(BadData, match="not JSON"):
        votes.read(path)
    path.write_text("")
    with pytest.raises(BadData, match="no votes in 0 pairs"):
        votes.read(path)


def test_a_file_too_large_for_votes_is_refused_before_it_is_read(tmp_path):
    with open(tmp_path / "votes.json", "wb") as file:
        file.truncate((1 << 30) + 1)
    with pytest.raises(BadData, match=r"votes\.json has 1,073,741,825 bytes; a file of at most 1,073,741,824 is legal"):
        located(str(tmp_path / "votes.json"))
