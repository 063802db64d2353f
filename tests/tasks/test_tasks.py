"""Each task on a look-alike of its source, in the source's own file format: the exact text of every field, and what is
refused.
"""

import json
from pathlib import Path

import pytest

from tests.tasks.read_rows import jsonl, read, table, turns
from tests.text.prepared import instructions
from tests.text.test_prepare import job
from winsweep.errors import BadData
from winsweep.study.frame import Frame


def test_mbpp_and_gsm(tmp_path):
    mbpp = {"task_id": 601, "text": "Write f.", "code": "def f():\r\n  pass", "test_list": ["assert f"]}
    assert read(jsonl(tmp_path / "mbpp.jsonl", mbpp), "mbpp") == [turns("Write f.", "def f():\r\n  pass")]
    gsm = {"question": "How many?", "answer": "48/2 = <<48/2=24>>24\n#### 24"}
    assert read(jsonl(tmp_path / "gsm.jsonl", gsm, gsm), "gsm", first=1) == [
        turns("How many?", "48/2 = <<48/2=24>>24\n#### 24")
    ]


POEM = {"author": "A", "content": "O day,\nO night", "poem name": "Time", "age": "Modern", "type": "Love"}


def test_poetry_counts_rows_before_it_leaves_out_those_without_a_name(tmp_path):
    rows = [POEM, POEM | {"poem name": ""}, POEM | {"poem name": "1914"}]
    found = [turns("Write a poem called Time", "O day,\nO night"), turns("Write a poem called 1914", "O day,\nO night")]
    assert read(table(tmp_path / "poetry.csv", *rows), "poetry") == found
    assert read(tmp_path / "poetry.csv", "poetry", first=2) == found[:1]
    assert len(read(table(tmp_path / "poetry.csv", *[POEM] * 1001), "poetry")) == 1000
    with pytest.raises(BadData, match=r"other\.csv:2: no text under 'poem name'; the row has author"):
        read(table(tmp_path / "other.csv", {"author": "A", "content": "B"}), "poetry")


DISH = {
    "": 0,
    "Title": "Soup",
    "Ingredients": "['no']",
    "Instructions": "Boil.\nServe.",
    "Image_Name": "soup",
    "Cleaned_Ingredients": """['1 cup water', "cook's salt", 'a\\u2044b "c"']""",
}


def test_recipes(tmp_path):
    found = read(table(tmp_path / "recipes.csv", DISH), "recipes")
    assert found == [turns("Recipe for Soup", ' - 1 cup water\n - cook\'s salt\n - a\u2044b "c"\n\n\nBoil.\nServe.')]
    text = Frame().training_text(found[0]["messages"], "</s>")
    assert (
        text == "<|user|>\nRecipe for Soup\n<|assistant|>\n- 1 cup water\n - cook's salt\n - a\u2044b "
        '"c"\n\n\nBoil.\nServe.</s>'
    )


def test_recipes_without_ingredients_keep_their_instructions(tmp_path):
    found = read(table(tmp_path / "recipes.csv", DISH | {"Cleaned_Ingredients": "[]"}), "recipes")
    assert found == [turns("Recipe for Soup", "\n\nBoil.\nServe.")]


@pytest.mark.parametrize(
    "hostile",
    [
        "__import__('os').system('touch gone')",
        "['a' * 9**9]",
        "['a', b'c']",
        "['a' 'b']",
        "['a',, 'b']",
        "['a'",
        "['a', ['b']]",
        "[" * 5000 + "]" * 5000,
        "'" + "\\" * 40001,
        "['\\x0']",
        "['\\N{no such}']",
        "[1]",
        "{'a': 'b'}",
        "['a']; quit()",
        "f['a']",
        "['a', f'{quit()}']",
    ],
)
def test_a_list_of_ingredients_is_read_and_never_run(hostile, tmp_path):
    with pytest.raises(BadData, match=r"recipes\.csv:4: Cleaned_Ingredients: found"):
        read(table(tmp_path / "recipes.csv", DISH, DISH | {"Cleaned_Ingredients": hostile}), "recipes")


def test_alpaca_has_an_input_below_its_instruction(tmp_path):
    rows = [
        {"instruction": "Add.", "input": "1, 2", "output": "3", "text": "no"},
        {"instruction": "Hi", "input": "", "output": "Ho", "text": "no"},
    ]
    assert read(jsonl(tmp_path / "alpaca.jsonl", *rows), "alpaca") == [turns("Add.\n\n1, 2", "3"), turns("Hi", "Ho")]
    assert len(read(jsonl(tmp_path / "alpaca.jsonl", *rows), "alpaca", first=1)) == 1
    with pytest.raises(BadData, match=r"alpaca\.jsonl:1: no text under 'output'; the row has instruction"):
        read(jsonl(tmp_path / "alpaca.jsonl", {"instruction": "Add."}), "alpaca")


GAME = [
    '[Event "Rated"]',
    '[Site "x/y"]',
    '[White "a"]',
    '[Black "b"]',
    '[WhiteElo "1639"]',
    '[BlackElo "1403"]',
    '[ECO "C40"]',
    "",
    "1. e4 e5 2. Nf3 1-0",
    "",
]


def test_chess(tmp_path):
    path = tmp_path / "games.txt"
    other = ['[BlackElo "?"]', '[WhiteElo "2000"]', "1. d4 { [%clk 0:03:00] } d5 0-1"]
    path.write_text("\n".join([*GAME, *other, *GAME]) + "\n")
    found = read(path, "chess")
    assert found == [
        turns('[WhiteElo "1639"]\n[BlackElo "1403"]', "1. e4 e5 2. Nf3 1-0"),
        turns('[WhiteElo "2000"]\n[BlackElo "?"]', "1. d4 { [%clk 0:03:00] } d5 0-1"),
        found[0],
    ]
    assert read(path, "chess", first=2) == found[:2]


def test_chess_stops_reading_after_the_last_game_that_it_wants(tmp_path):
    path = tmp_path / "games.pgn"
    path.write_text("\n".join(GAME * 1000 + ["1. e4 without ratings"]) + "\n")
    assert len(read(path, "chess")) == 1000
    with pytest.raises(
        BadData, match=r"games\.pgn:10001: 0 lines with WhiteElo and 0 with BlackElo before the moves '1\. e4 without"
    ):
        read(path, "chess", first=1001)


@pytest.mark.parametrize("lines", [GAME[:4] + GAME[5:], GAME[:5] + GAME[6:], [GAME[4], *GAME], [GAME[8], *GAME]])
def test_a_game_without_exactly_two_ratings_is_refused(lines, tmp_path):
    (tmp_path / "games.txt").write_text("\n".join(lines))
    with pytest.raises(
        BadData, match=r"games\.txt:\d+: \d lines with WhiteElo and \d with BlackElo .* one of each is legal"
    ):
        read(tmp_path / "games.txt", "chess")


def test_real_rows(data):
    gsm, mbpp = read(data / "gsm8k_train_first1000.jsonl", "gsm"), read(data / "mbpp_train374.jsonl", "mbpp")
    assert (len(gsm), len(mbpp)) == (1000, 374)
    assert gsm[0]["messages"][1]["content"].endswith("\n#### 72") and "<<48/2=24>>" in gsm[0]["messages"][1]["content"]


def asked(path: Path) -> list[dict]:
    return instructions(job(path, "alpaca_eval"))


def test_alpaca_eval_is_known_by_its_content(data, tmp_path):
    """From its own lines or from outputs in the hub's format, and in no other order, nor one short, nor with a letter
    changed.
    """
    lines = data / "alpaca_eval_805_instructions.jsonl"
    found = asked(lines)
    assert len(found) == 805 and found == [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    hub = tmp_path / "alpaca_eval.json"
    hub.write_text(json.dumps([row | {"output": "x", "generator": "text_davinci_003"} for row in found]))
    assert asked(hub) == found == asked(data / "alpaca_eval_outputs_vicuna-13b.json")
    other = (
        [found[1], found[0], *found[2:]],
        found[:-1],
        [found[0] | {"instruction": found[0]["instruction"] + " "}, *found[1:]],
        [],
    )
    for rows in other:
        with pytest.raises(
            BadData,
            match=f"found {len(rows)} instructions with sha256 [0-9a-f]{{64}}; legal are AlpacaEval's 805 in their "
            f"order, c577",
        ):
            asked(jsonl(tmp_path / "other.jsonl", *rows))
    with pytest.raises(BadData, match=r"other\.jsonl:1: no text under 'dataset'"):
        asked(jsonl(tmp_path / "other.jsonl", {"instruction": "a"}))
