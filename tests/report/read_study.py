"""A study whose answers and judgements are drawn by chance, as its files have them, and the reader open on it."""

import random

from tests.report.made_store import study_text
from tests.report.readable import annotations, make

NUM = 60
ASKED = [
    {"instruction": f"Question {n} of cats{' and dogs' * (n % 3)}?", "dataset": f"kind{n % 4}"} for n in range(NUM)
]


def answer(generation, n):
    rng = random.Random(f"{generation.label} {n}")
    if n % 11 == 0:
        return {"output": "The same words for all."}
    words = [rng.choice(["red", "green", "Blue", "fish"]) for _ in range(rng.choice([0, 3, 8, 30]))]
    return {"output": " ".join(words), "num_tokens": len(words), "truncated": rng.random() < 0.2}


def judge(judged, own, theirs, n):
    rng = random.Random(f"{judged.label} {n}")
    both = [1 + rng.random(), 1 + rng.random()]
    words = [{"text": f"words {n} [[A]]"}, {"text": "[[B]]"}]
    return {"preference": sum(both) / 2, "preferences_by_order": both, "raw_completion": words}


def read_study(folder):
    return make(folder, study_text(2, [1, 2]), ASKED, answer, judge)


def show(browser, address):
    browser.run("document.getElementById('reader-counts')?.remove(); location.hash = arguments[0]", f"#{address}")
    browser.wait(lambda b: b.texts("#reader-counts"), "no rows")


def rows_of(workspace, cell="m.t0.s1"):
    return annotations(workspace.judged[cell], ASKED, answer, judge)


def verdict(row):
    return "tied" if row["preference"] == 1.5 else "won" if row["preference"] > 1.5 else "lost"
