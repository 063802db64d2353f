"""The toy judge: its scale, its ties, and what it refuses to claim without an answer."""

from collections import Counter

import pytest

from winsweep.judge.overlap import chrf, prefer


def reference_chrf(output: str, good: str) -> float:
    """chrF2 from its definition: mean of 1..6-gram precision and recall, F with beta 2, whitespace dropped."""
    out, ref = "".join(output.split()), "".join(good.split())
    pairs = [tuple(Counter(t[i : i + n] for i in range(len(t) - n + 1)) for t in (out, ref)) for n in range(1, 7)]
    pairs = [(a, b) for a, b in pairs if a and b]
    p = sum((a & b).total() / a.total() for a, b in pairs) / len(pairs)
    r = sum((a & b).total() / b.total() for a, b in pairs) / len(pairs)
    return 5 * p * r / (4 * p + r) if p + r else 0.0


@pytest.mark.parametrize(
    "output", ["the cat sat", "a cat sat on mats", "zzz", "on the mat the cat sat there", "the  cat\nsat on the mat"]
)
def test_chrf_is_the_defined_fraction(output):
    assert chrf(output, "the cat sat on the mat") == pytest.approx(
        reference_chrf(output, "the cat sat on the mat"), abs=1e-12
    )


def test_the_output_nearer_to_the_answer_wins_either_way_round():
    good, bad = "3 + 4 = 7", "blue whales"
    assert prefer(good, bad, "3 + 4 = 7").preference == 2.0
    assert prefer(bad, good, "3 + 4 = 7").preference == 1.0


def test_scores_within_the_margin_tie_and_beyond_it_do_not():
    candidate, reference, answer = "abcdefghij", "abcdefghik", "abcdefghijk"
    verdict = prefer(candidate, reference, answer, margin=0.0)
    gap = verdict.chrf_candidate - verdict.chrf_reference
    assert gap > 0 and verdict.preference == 2.0
    assert prefer(candidate, reference, answer, margin=gap * 1.001).preference == 1.5
    assert prefer(candidate, reference, answer, margin=gap * 0.999).preference == 2.0


@pytest.mark.parametrize("answer", [None, "unlike anything"])
@pytest.mark.parametrize("output", ["", "same", "a b\nc"])
def test_identical_outputs_tie_exactly(output, answer):
    assert prefer(output, output, answer, margin=0.0).preference == 1.5


def test_without_an_answer_nothing_beats_the_reference():
    reference = "Paris is the capital of France."
    outputs = [
        reference,
        "",
        "?",
        reference * 2,
        "Paris",
        " Paris is the capital of France .",
        "London is the capital of England.",
    ]
    verdicts = [prefer(output, reference) for output in outputs]
    assert all(1 <= v.preference <= 1.5 for v in verdicts)
    assert [v.preference for v in verdicts] == [1 + v.chrf_candidate / 2 for v in verdicts]
    assert (
        verdicts[1].preference == verdicts[2].preference == 1.0 < verdicts[6].preference < verdicts[3].preference < 1.5
    )
    assert (verdicts[0].exact, verdicts[0].starts) == (None, None)


def test_exact_and_starts_look_at_the_stripped_candidate():
    marks = {
        text: (v.exact, v.starts) for text in (" 42\n", "42 is it", "it is 42", "") for v in [prefer(text, "x", "42 ")]
    }
    assert marks == {" 42\n": (True, True), "42 is it": (False, True), "it is 42": (False, False), "": (False, False)}
