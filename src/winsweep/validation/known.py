"""The check without any votes: pairs of a good answer and one that was made worse in a known way."""

import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from winsweep.amounts import plural
from winsweep.errors import BadData
from winsweep.text.source import file_rows
from winsweep.validation.pair import Pair

FILE = Path(__file__).with_name("known_good.jsonl")
# What was done to the worse answer, and how an error or a report calls it.
WORSE = {
    "other": "the answer to another instruction",
    "truncated": "its first third alone",
    "shuffled": "its sentences in another order",
}
SAME = "identical"
SENTENCE = re.compile(r"(?<=[.!?])\s+")
LEAST_SENTENCES = 3
SEED = 16


def rows() -> list[dict[str, Any]]:
    """The shipped good answers: instruction, output, dataset."""
    return list(file_rows(FILE))


def pairs(good: Sequence[Mapping[str, Any]]) -> list[Pair]:
    """For each good answer one pair of every kind of WORSE that it has sentences for, and one with itself.

    On which side the good one stands is drawn; `votes` has the one vote for it (of identical answers a tie) and
    `answer` is the good one, which judges that compare with a known answer read. BadData for fewer than two answers.
    """
    if len(good) < 2:
        raise BadData(
            f"{FILE}: found {plural(len(good), 'good answer')}; legal are two or more; install winsweep again"
        )
    rng = random.Random(SEED)
    found = []
    for n, row in enumerate(good):
        for kind, worse in _worse(row["output"], good[(n + len(good) // 2) % len(good)]["output"], rng):
            is_first = rng.random() < 0.5 and kind != SAME
            one, two = (row["output"], worse) if is_first else (worse, row["output"])
            vote = 1.5 if kind == SAME else 1.0 if is_first else 2.0
            found.append(Pair(row["instruction"], one, two, (vote,), row.get("dataset", ""), row["output"], kind))
    return found


def _worse(text: str, other: str, rng: random.Random) -> list[tuple[str, str]]:
    found = [("other", other)]
    sentences = SENTENCE.split(text.strip())
    if len(sentences) >= LEAST_SENTENCES:
        found += [("truncated", text[: len(text) // 3].rsplit(" ", 1)[0])]
        found += [("shuffled", " ".join(_shuffled(sentences, rng)))]
    return [*found, (SAME, text)]


def _shuffled(sentences: list[str], rng: random.Random) -> list[str]:
    """Another order, in which the first sentence is not the first."""
    while True:
        order = rng.sample(sentences, len(sentences))
        if order[0] != sentences[0] and order != sentences:
            return order
