"""A real model behind `transformers serve` judges through its endpoint; drift of real texts."""

import re

import pytest
import torch

from tests.judge.asking import ledger_of
from tests.real.conftest import rows_of
from tests.real.serving import Serving
from winsweep.analysis.drift import Task, drift
from winsweep.analysis.embed import char_ngrams
from winsweep.errors import JudgeRefused
from winsweep.judge.chat import ChatJudge, messages_for
from winsweep.judge.client import judge_over_http
from winsweep.judge.limits import Limits
from winsweep.judge.questions import Question
from winsweep.judge.verdict import bracketed
from winsweep.judges import alpaca, chain_of_thought
from winsweep.text.chat import render

pytestmark = pytest.mark.slow
ASK = "Instruction: {instruction}\nResponse A: {output_1}\nResponse B: {output_2}\nWhich response is better?"
SHOWN = "Instruction: Name a fruit.\nResponse A: {}\nResponse B: {}\nWhich response is better?"
MESSAGES = (  # two examples, so that a model of this size answers in brackets
    ("user", SHOWN.format("Apple.", "I run.")),
    ("assistant", "[[A]]"),
    ("user", SHOWN.format("I run.", "Apple.")),
    ("assistant", "[[B]]"),
    ("user", ASK),
)
PAIRS = [
    {"instruction": "What is the capital of France?", "output_1": "Paris.", "output_2": "Bananas are yellow."},
    {"instruction": "Name a colour.", "output_1": "A dog barks.", "output_2": "Red is a colour."},
    {"instruction": "What is 1 + 1?", "output_1": "1 + 1 = 2.", "output_2": "He sleeps."},
]
LIMITS = Limits(timeout_s=240.0, in_flight=2)


@pytest.fixture(scope="module")
def served(smollm2, tmp_path_factory):
    with Serving(smollm2, tmp_path_factory.mktemp("serve") / "log.txt") as server:
        yield server


@pytest.fixture
def endpoint(served, monkeypatch) -> Serving:
    monkeypatch.setenv("OPENAI_BASE_URL", served.url)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    return served


def test_a_served_model_judges_as_it_does_here(endpoint, smollm2, model, tokenizer):
    known = {"annotator": "shown", "model": str(smollm2)}
    judge = ChatJudge(known, MESSAGES, {"max_completion_tokens": 8}, "hash", bracketed)
    rows: list[dict] = []
    judge_over_http(PAIRS, judge, LIMITS, rows.extend, None)
    assert {r["instruction"] for r in rows} == {p["instruction"] for p in PAIRS}

    def here(first: str, second: str, asked: str) -> float:
        messages = messages_for(judge, Question(asked, first, second))
        ids = tokenizer(render(tokenizer, messages, True), add_special_tokens=False, return_tensors="pt")
        with torch.inference_mode():
            new = model.generate(**ids, do_sample=False, max_new_tokens=8)[0, ids["input_ids"].shape[1] :]
        return bracketed({"text": tokenizer.decode(new)})

    for row in rows:  # either output may have been shown first
        one, two = row["output_1"], row["output_2"]
        wanted = {here(one, two, row["instruction"]), 3 - here(two, one, row["instruction"])}
        assert row["preference"] in wanted and row["preference"] in (1.0, 1.5, 2.0)


def test_what_this_server_or_this_model_cannot_say_is_named(endpoint, smollm2, tmp_path):
    weighs = alpaca.Options(model=str(smollm2), limits=LIMITS)
    with pytest.raises(JudgeRefused, match="no log-probabilities in the reply"):
        alpaca.annotate(PAIRS[:1], weighs, [].extend, ledger_of(tmp_path, weighs))
    reasons = chain_of_thought.Options(model=str(smollm2), max_tokens=16, limits=LIMITS)
    with pytest.raises(JudgeRefused, match=r"1 of 1 pairs have no preference.*no verdict \[\[A\]\]"):
        chain_of_thought.annotate(PAIRS[:1], reasons, [].extend, None)


def test_real_problems_lie_near_the_task_and_their_answers_look_like_it():
    """Character n-grams, which need no model: word problems of the laptop study, and AlpacaEval-like questions."""
    problems, general = rows_of("problems"), rows_of("instructions")
    task = Task([r["question"] for r in problems[:24]], [r["answer"] for r in problems[:24]])
    questions = rows_of("questions")
    asked = [r["instruction"] for r in questions] + [r["question"] for r in problems[24:]]
    written = [r["answer"] for r in questions] + [r["answer"] for r in problems[24:]]
    points = drift(asked, written, task, [r["output"] for r in general], char_ngrams(4096))
    num = len(questions)
    near, far = points[num:], points[:num]
    assert min(p.similarity for p in near) > max(p.similarity for p in far if not re.search(r"\d", p.instruction))
    assert min(p.task_likeness for p in near) > 0 > sum(p.task_likeness for p in far) / num
