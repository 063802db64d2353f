"""Guards against the same decision made one prompt at a time; containment by hand; what is refused."""

import numpy as np
import pytest

from winsweep.analysis.containment import effects
from winsweep.analysis.embed import char_ngrams
from winsweep.analysis.guards import both, domain, form
from winsweep.errors import BadData

KNOWN = [
    "how many apples has Tom",
    "how many pears has Ann",
    "how many plums has Tom",
    "what is the sum of apples and pears",
]
ASKED = ["how many pears has Tom", "who was Napoleon", "what is the sum of plums"]


def nearest(text: str, others: list[str], embed) -> float:
    return max(float(embed([text])[0] @ embed([other])[0]) for other in others)


def test_a_domain_is_what_lies_as_near_to_the_training_instructions_as_these_to_each_other(embed):
    own = [nearest(text, [t for t in KNOWN if t != text], embed) for text in KNOWN]
    guard = domain(KNOWN, embed, 0.3)
    threshold = float(np.quantile(own, 0.3))
    assert (
        guard.passes(ASKED, ["", "", ""])
        == [nearest(text, KNOWN, embed) >= threshold for text in ASKED]
        == [True, False, True]
    )
    assert (
        guard.own(KNOWN, KNOWN) == [near >= threshold - 1e-6 for near in own]
        and guard.own(KNOWN, KNOWN).count(False) == 1
    )
    assert guard.setting == f"similarity {threshold:.4f} or more to a training instruction"


def test_more_prompts_than_one_block_and_instructions_that_stand_twice(embed):
    """A training instruction's twin is another row, so its similarity is 1; a quantile of 0 refuses none of them."""
    many = [f"how many number{n} has Tom" for n in range(300)]
    assert domain(many, embed, 0.0).own(many, many) == [True] * 300 and domain(
        [*many, *many], embed, 0.0
    ).setting.startswith("similarity 1.0000")
    assert domain(many, embed, 0.0).passes([*many, "Napoleon"], [""] * 301) == [True] * 300 + [False]
    with pytest.raises(BadData, match="found 1 training instruction; at least two are legal"):
        domain(["a"], embed, 0.05)


def test_a_form_is_a_style_or_a_pattern_of_the_whole_output():
    said = ["So\n#### 7\n", "Napoleon.", "#### 7"]
    assert form("gsm").passes(said, said) == [True, False, True]
    number = form(None, r"(?s)(.*\n)?#### \d+")
    assert (
        number.passes(said, said) == number.own(said, said) == [True, False, True]
        and number.setting == r"matches (?s)(.*\n)?#### \d+"
    )
    assert form(None, r"#### \d+").passes(said, said) == [False, False, True]


def test_a_pattern_that_does_not_come_back_is_named(monkeypatch):
    monkeypatch.setattr("winsweep.analysis.guards.MATCH_S", 0.05)
    with pytest.raises(
        BadData,
        match=r"template '\(a\|aa\)\+\$b': no answer .* on an output of 60 characters; a pattern without repeats",
    ):
        form(None, "(a|aa)+$b").passes([""], ["a" * 60])


def judged(dataset: str, instruction: str, output: str, preference: float) -> dict:
    return {
        "dataset": dataset,
        "instruction": instruction,
        "output_1": "the sibling's",
        "output_2": output,
        "preference": preference,
    }


ROWS = [
    judged("history", "who was Napoleon", "He was French.", 1.5),
    judged("history", "who was Tom", "#### 3", 1.0),
    judged("history", "what is the sum of art", "#### 4", 1.75),
    judged("letters", "write to Ann", " ", 2.0),
    judged("sums", "how many pears has Tom", "#### 2", 1.9),
    judged("sums", "add up", "I will not.", 1.0),
]
TASK = [(text, f"#### {n}") for n, text in enumerate(KNOWN)]


def test_what_is_left_behind_each_guard(embed):
    near, number = domain(KNOWN, embed, 0.3), form("gsm")
    found = effects(ROWS, [number, near], {"sums"}, TASK)
    assert [e.guard for e in found] == ["none", "form", "domain", "form+domain"]
    assert np.array([(e.answered.share, e.generalist.share, e.win_rate) for e in found]) == pytest.approx(
        np.array(
            [
                (
                    1.0,
                    0.5,
                    0.5625,
                ),  # Napoleon is a tie, the sum is won; what is empty answers nobody, whatever a judge says
                (0.5, 0.25, 0.1875),  # the two that end in a number
                (0.25, 0.25, 0.1875),  # the sum of art alone is near the task
                (0.25, 0.25, 0.1875),
            ]
        )
    )
    assert {e.in_domain for e in found} == {"test prompts"} and [e.refused.share for e in found] == [0.0, 0.5, 0.5, 0.5]
    assert all(
        e.generalist.low <= e.generalist.share <= e.generalist.high and e.generalist.num == 4 and e.refused.num == 2
        for e in found
    )


def test_without_test_prompts_of_its_own_a_task_is_known_by_its_training_rows(embed):
    guards = [form("gsm"), domain(KNOWN, embed, 0.3)]
    found = effects(ROWS, guards, set(), [*TASK[:3], (KNOWN[3], "no number")])
    assert {e.in_domain for e in found} == {"training rows"} and found[0].answered.num == 6
    assert [e.refused.share for e in found] == [0.0, 0.25, 0.25, 0.25] and len(effects(ROWS, [], set(), TASK)) == 1


def test_a_set_of_the_tasks_own_prompts_alone_is_refused():
    with pytest.raises(BadData, match="found 6 instructions, all of the task's own categories history, letters, sums"):
        effects(ROWS, [], {"history", "letters", "sums"}, TASK)


def test_both_guards_show_what_both_show():
    guard = both(form("gsm"), form(None, "####.*"))
    assert (
        guard.passes(["", "", ""], ["a\n#### 1", "#### 1", "#### x"]) == [False, True, False]
        and guard.name == "form+form"
    )


def test_character_ngrams_are_an_embedder():
    embed = char_ngrams(512)
    found = embed(["Tom has apples", "Ann had an apple", "Ursa Major", ""])
    assert found.shape == (4, 512) and np.linalg.norm(found, axis=1) == pytest.approx([1, 1, 1, 1])
    assert found[0] @ found[1] > found[0] @ found[2] and np.array_equal(found[:1], embed(["Tom has apples"]))
