"""Markdown is counted as Arena-Hard counts it, outside of code, and in time linear in the text."""

import json
import re
import sys

import pytest

from winsweep.stats.markdown import counts, densities, without_code

from .published import DATA

MILLION = 10**6
HOSTILE = {
    "newlines": "\n" * MILLION,
    "blanks": " " * MILLION + "-",
    "stars": "*" * MILLION,
    "open bold": "**a\n" * (MILLION // 4),
    "underscores": "__a_" * (MILLION // 4),
    "backticks": "`" * MILLION,
    "fences": "```\n" * (MILLION // 4),
    "fences of the other kind": "~~~`\n" * (MILLION // 5),
    "growing fences": "".join(f"{'`' * n}\n" for n in range(3, 1400)),
    "digits": "1" * MILLION,
    "hashes": "#" * MILLION,
    "items": "- \n" * (MILLION // 3),
}


def arena_hard(text: str) -> tuple[int, int, int]:
    """Headers, lists and bold as lmarena/arena-hard-auto counts them, without its removal of code."""

    def found(pattern: str) -> int:
        return len(re.findall(pattern, text, re.MULTILINE))

    lists = found(r"^\s*\d+\.\s") + found(r"^\s*[-*+]\s")
    return found(r"^#{1,6}\s"), lists, found(r"\*\*[^*\n]+\*\*") + found(r"__[^_\n]+__")


def test_each_element_is_counted():
    text = "# A\n\n## B\nwords **bold** and __bold__\n\n- one\n  * two\n+ three\n 4. four\n#no -no 5.no\n"
    text += "```py\nx = 1\n```\n"
    assert counts(text) == (2, 4, 2, 1)
    assert counts("") == counts("plain words - no list") == (0, 0, 0, 0)
    assert densities(["- a\n- b", ""]).tolist() == [[0, 0], [2 * 4 / 7, 0], [0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("text", "rest", "num"),
    [
        ("a\n```py\n# no\n```\nb", "a\n\nb", 1),
        ("a\n~~~\n- no\n~~~ \nb", "a\n\nb", 1),
        ("a\n```\n# never closed", "a\n", 1),
        ("````\n```\n# inner\n```\n````\nb", "\nb", 1),
        ("```\n# a\n~~~\n# b\n```\nc", "\nc", 1),
        ("in a line ```# code``` and `# more`", "in a line ```# code``` and `# more`", 0),
        ("```x``` at the start\n- a", "```x``` at the start\n- a", 0),
        ("1. item\n   ```\n   # no\n   ```\r\nb", "1. item\n\nb", 1),
    ],
)
def test_code_is_taken_out_first(text, rest, num):
    assert without_code(text) == (rest, num)


@pytest.mark.parametrize("model", ["alpaca-7b", "gpt4_1106_preview", "vicuna-13b"])
def test_real_answers_are_counted_as_arena_hard_does(model):
    path = DATA / f"alpaca_eval_outputs_{model}.json"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    texts = [row["output"] for row in json.loads(path.read_bytes())]
    assert [counts(text)[:3] for text in texts] == [arena_hard(without_code(text)[0]) for text in texts]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_take_steps_in_proportion_to_their_length(text):
    """A quadratic pattern would take hours for a million characters; the time limit of every test would end it."""
    assert len(text) > 2000 and all(num >= 0 for num in counts(text))
    assert sys.getsizeof(without_code(text)[0]) <= sys.getsizeof(text)
