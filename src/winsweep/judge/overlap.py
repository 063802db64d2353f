"""The toy judge `reference_overlap`: how many character n-grams an output shares with a text that is known to be good.

It understands nothing. It is here so that a whole study can run in minutes, offline, on synthetic tasks that have one
right answer; it must never stand beside a real judge in one table, and its win rates say nothing about real
instructions.
"""

from dataclasses import dataclass

from sacrebleu.metrics import CHRF

# chrF2: character 1- to 6-grams, recall weighted twice. Whitespace is removed before counting (sacrebleu's default), so
# that two outputs that differ only in line breaks or indentation score the same.
CHRF2 = CHRF(char_order=6, word_order=0, beta=2, whitespace=False)


@dataclass(frozen=True)
class Verdict:
    preference: float  # AlpacaEval's scale: 1 the reference wins, 1.5 a tie, 2 the candidate wins
    chrf_candidate: float  # fraction 0..1, against the answer, or against the reference where there is no answer
    chrf_reference: float  # likewise; 1 where there is no answer
    exact: bool | None  # the stripped candidate is the answer; None without one
    starts: bool | None  # the stripped candidate starts with the answer; None without one


def prefer(candidate: str, reference: str, answer: str | None = None, margin: float = 0.02) -> Verdict:
    """Prefer the output nearer to `answer`; a tie where the two scores lie within `margin` or the outputs are
    identical.

    Without an answer the preference is 1 + chrF(candidate, reference) / 2, so never above a tie: likeness to the
    reference can say "as good" and never "better".
    """
    if answer is None:
        score = chrf(candidate, reference)
        return Verdict(1 + score / 2, score, 1.0, None, None)
    ours, theirs, output, wanted = chrf(candidate, answer), chrf(reference, answer), candidate.strip(), answer.strip()
    tie = candidate == reference or abs(ours - theirs) <= margin
    preference = 1.5 if tie else 2.0 if ours > theirs else 1.0
    return Verdict(preference, ours, theirs, output == wanted, output.startswith(wanted))


def chrf(output: str, good: str) -> float:
    """Sentence chrF2 of `output` against `good` as a fraction 0..1 (Popović 2015, 2016); identical texts are 1, empty
    ones too.
    """
    if output == good:
        return 1.0
    return CHRF2.sentence_score(output, [good]).score / 100
