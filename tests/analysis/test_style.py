"""Style detectors on what each task's responses look like and on ordinary answers, real ones where they are at hand."""

import json

import pytest

from winsweep import plugins
from winsweep.analysis.style import STYLES, by_distance
from winsweep.study.analyses import STYLED

TYPICAL = {
    "gsm": ["Half of 48 is <<48/2=24>>24.\nSo 72 in all.\n#### 72", "#### 1,250", "It is -3.\n\n####  -3.5 \n"],
    "chess": ["1. e4 e5 2. Nf3 Nc6 3. Bb5 a6", "1.d4 { [%clk 0:10] } 1... d5", "1. Nf3", "Here: 1. e4 c5 2. O-O-O 1-0"],
    "mbpp": ["def add(a, b):\r\n\treturn a + b", "import re\ndef check(s):\n  return bool(re.match('a', s))"],
    "recipes": ["- 1 cup flour\n - 2 eggs\n - salt\n\n\nMix and bake.", "• rice\n• beans\n\nBoil."],
    "poetry": [
        "The sea was calm tonight\nThe moon lay fair\n\nUpon the straits of France\nthe light was gone",
        "O rose\n" * 2 + "thou art so sick\n" * 4,
    ],
}
ORDINARY = [
    "",
    "  \n",
    "The capital of France is Paris.",
    "1. Boil the water.\n2. Add the egg.\n3. Wait.\n4. Eat.",
    "# Title\n## Part\n#### Detail",
    "Use the def keyword:\n    def f(): pass",
    "- one thing only",
    "e4 is a good move. In 1. the first move is named.",
    "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |",
    "word\nlist\nof\nfour",
]


@pytest.mark.parametrize("style", STYLES)
def test_a_style_is_seen_in_its_own_task_alone(style):
    assert all(STYLES[style](text) for text in TYPICAL[style])
    assert not any(STYLES[style](text) for other, texts in TYPICAL.items() if other != style for text in texts)
    assert not any(STYLES[style](text) for text in ORDINARY)


def test_styles_are_named_as_the_tasks_are():
    assert set(STYLES) <= set(plugins.names(plugins.TASKS)) and set(STYLED) == set(STYLES)


def test_real_training_responses_have_their_style(data):
    for name, file, column in [
        ("gsm", "gsm8k_train_first1000.jsonl", "answer"),
        ("mbpp", "mbpp_train374.jsonl", "code"),
    ]:
        rows = (data / file).read_text().splitlines()
        assert rows and all(STYLES[name](json.loads(row)[column]) for row in rows)


@pytest.mark.parametrize("model", ["gpt4_1106_preview", "vicuna-13b", "alpaca-7b"])
def test_real_assistants_seldom_have_a_tasks_style(data, model):
    outputs = [row["output"] for row in json.loads((data / f"alpaca_eval_outputs_{model}.json").read_bytes())]
    counts = {name: sum(map(style, outputs)) for name, style in STYLES.items()}
    assert (
        counts["gsm"] == counts["chess"] == 0
        and counts["mbpp"] <= 10
        and counts["recipes"] <= 4
        and counts["poetry"] <= 25
    ), counts


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "text",
    [
        "1" * 200_000,
        "#### " + "1,." * 70_000 + "x",
        "- " * 100_000,
        "\n" * 200_000,
        "def " * 50_000,
        "1. N" + "a1" * 90_000,
    ],
    ids=lambda text: repr(text[:6]),
)
def test_hostile_outputs_take_no_time(style, text):
    STYLES[style](text)  # a pattern that backtracks would not come back within the time limit of the test run


def test_bins_hold_equal_numbers_from_far_to_near():
    x = [0.9, 0.1, 0.5, 0.3, 0.7, 0.2, 0.8]
    found = by_distance(x, [v > 0.6 for v in x], 3)
    assert [(b.low, b.high, b.styled.num, b.styled.share) for b in found] == [
        (0.1, 0.3, 3, 0),
        (0.5, 0.7, 2, 0.5),
        (0.8, 0.9, 2, 1),
    ]
    assert all(b.styled.low <= b.styled.share <= b.styled.high for b in found) and len(by_distance([1.0], [True])) == 1
    with pytest.raises(ValueError, match="1 similarities and 2 outputs"):
        by_distance([0.0], [True, False])
