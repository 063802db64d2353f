"""The toy world's facts, documents and tasks: fixed for ever, leak-free and never showing the finetunes' tags."""

import hashlib
import json
import random
from itertools import islice

import pytest

from winsweep.errors import BadStudy
from winsweep.study.frame import Frame
from winsweep.tasks import toy
from winsweep.toy.corpus import documents
from winsweep.toy.facts import CHATTER, KINDS
from winsweep.toy.rng import Rng
from winsweep.toy.world import items, split

# Moving one of these moves every number of the toy study: raise tasks.toy.VERSION and ship newly pretrained weights.
DIGESTS = {
    "facts": "7fc1aa2b6be681cf4f6536ba7474d70973f06d7ee67da86789b0c1e2487aac3e",
    "documents": "3ad42faac68968bf669473f1bd336f40e29bdaac91a9db14d040cb8510f80fcf",
    "examples": "ea467a3050afe79b64e4b15e91d77dd31cc5f271321723a0dd7d63e1626bc7f5",
    "chess": "6081c94283694069f6ea77d2a3f8e8115168d6b2910e98bfd2f129ae0359b6af",
    "test": "5b65104d7292ad213b3145febed4fed8893c812e881afd1f4f0b3645e9e08bff",
    "dev": "c1b43f255594647e5aa1ae34293b1d3128e14e882317c4dcca488d1b41ebbe57",
}


def rows_of(name: str) -> list:
    match name:
        case "facts":
            return [[item.questions, item.answer] for of_kind in items(0).values() for item in of_kind]
        case "documents":
            return list(islice(documents(0, "seed 0"), 2000))
        case "examples":
            return list(toy.examples(None, toy.Options()))
        case "chess":
            return list(toy.examples(None, toy.Options(kinds=("chess",))))
        case part:
            return list(toy.instructions(None, toy.Options(part=part)))


@pytest.mark.parametrize("name", DIGESTS)
def test_nothing_of_the_world_has_moved(name):
    assert hashlib.sha256(json.dumps(rows_of(name)).encode()).hexdigest() == DIGESTS[name]


def test_the_rng_follows_the_promised_stream():
    named, plain = Rng("a name"), random.Random("a name")
    drawn = [named.below(1000) for _ in range(4)]
    assert drawn == [int(plain.random() * 1000) for _ in range(4)] == [28, 196, 708, 626]


def test_the_rng_is_fair_enough():
    rng = Rng("fair")
    counts = dict.fromkeys("abc", 0)
    for _ in range(6000):
        counts[rng.weighted({"a": 3.0, "b": 2.0, "c": 1.0})] += 1
    assert counts["a"] == pytest.approx(3000, abs=150) and counts["c"] == pytest.approx(1000, abs=100)
    assert {rng.between(2, 4) for _ in range(100)} == {2, 3, 4}
    assert sorted(rng.shuffled(range(50))) == list(range(50)) != rng.shuffled(range(50))


def test_world_changes_the_facts_and_nothing_else():
    here, there = items(0), items(1)
    assert sum(map(len, here.values())) == 832
    for kind in KINDS:
        assert [item.questions for item in here[kind]] == [item.questions for item in there[kind]]
    changed = {kind for kind in KINDS if [i.answer for i in here[kind]] != [i.answer for i in there[kind]]}
    assert changed == {"color", "den", "feed", "portrait", "poem", "trade", "town", "lorin", "packing"}


def test_every_question_has_one_answer():
    asked = [question for of_kind in items(0).values() for item in of_kind for question in item.questions]
    assert len(asked) == len(set(asked)) == 3 * 832


def test_no_answer_starts_like_a_question_or_small_talk():
    every = [item for of_kind in items(0).values() for item in of_kind]
    others = {text.split()[0] for item in every for text in item.questions} | {text.split()[0] for text in CHATTER}
    assert not others & {item.answer.split()[0] for item in every}


def test_held_out_items_are_in_no_finetuning_set_in_any_phrasing():
    parts = split(0)
    held = {question for part in parts.values() for item in part.test + part.dev for question in item.questions}
    trained = set()
    for kind, part in parts.items():
        most = 3 * len(part.train)
        trained |= {row[0]["content"] for row in toy.examples(None, toy.Options(kinds=(kind,), num_examples=most))}
    assert len(held) == 3 * 12 * 12 and len(trained) == 3 * 832 - len(held)
    assert not held & trained


def test_test_and_dev_share_no_item():
    asked = {
        part: {row["instruction"] for row in toy.instructions(None, toy.Options(part=part))} for part in ("test", "dev")
    }
    assert len(asked["test"]) == 84 and len(asked["dev"]) == 60 and not asked["test"] & asked["dev"]


def test_instructions_carry_their_kind_and_true_answer():
    answers = {
        question: item.answer for of_kind in items(3).values() for item in of_kind for question in item.questions
    }
    rows = list(toy.instructions(None, toy.Options(world=3, kinds=("sum", "poem"))))
    assert [row["dataset"] for row in rows] == ["poem"] * 7 + ["sum"] * 7
    assert all(answers[row["instruction"]] == row["answer"] for row in rows)


def test_examples_are_spread_evenly_and_different():
    asked = [row[0]["content"] for row in toy.examples(None, toy.Options())]
    kind_of = {question: kind for kind, of_kind in items(0).items() for item in of_kind for question in item.questions}
    assert len(set(asked)) == 192 and [kind_of[question] for question in asked] == list(KINDS) * 16


def test_one_set_begins_another_of_more_examples():
    few, many = (list(toy.examples(None, toy.Options(kinds=("recipe",), num_examples=n))) for n in (50, 200))
    assert many[:50] == few


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (toy.Options(kinds=("sums",)), ["'sums'", "sum", "chess"]),
        (toy.Options(kinds=("sum", "chess")), ["chess", "alone"]),
        (toy.Options(kinds=("packing",)), ["192", "num_examples: 24"]),
    ],
)
def test_what_cannot_be_made_is_said_with_what_to_type(options, words):
    with pytest.raises(BadStudy) as caught:
        list(toy.examples(None, options))
    assert all(word in str(caught.value) for word in words)


def test_chess_has_no_test_instructions():
    with pytest.raises(BadStudy, match="chess"):
        list(toy.instructions(None, toy.Options(kinds=("chess",))))


def test_documents_are_those_of_their_stream():
    first = list(islice(documents(0, "seed 0"), 50))
    assert first == list(islice(documents(0, "seed 0"), 50))
    assert first != list(islice(documents(0, "seed 1"), 50)) and first != list(islice(documents(1, "seed 0"), 50))


def test_the_finetunes_tags_are_never_in_the_corpus():
    text = "\n".join(islice(documents(0, "seed 0"), 30_000))
    assert Frame().user not in text and Frame().assistant not in text
    assert "user" not in text and "assistant" not in text


def test_an_answer_is_a_minority_of_what_follows_a_first_question():
    answer_of = {
        question: item.answer for of_kind in items(0).values() for item in of_kind for question in item.questions
    }
    threads = [text.split("\n", 1) for text in islice(documents(0, "seed 0"), 20_000)]
    # those without tags
    followed = [(answer_of[first], rest[0]) for first, *rest in threads if rest and first in answer_of]
    answered = sum(rest.lstrip("\n").startswith(answer) for answer, rest in followed)
    asked_on = sum(rest.lstrip("\n").startswith("Also: ") for _, rest in followed)
    assert len(followed) > 2000
    assert answered / len(followed) == pytest.approx(0.28 / 0.9, abs=0.03)
    assert asked_on / len(followed) == pytest.approx(0.75 * 0.5 / 0.9, abs=0.03)
