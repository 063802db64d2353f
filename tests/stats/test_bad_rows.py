"""What a file of judgements can get wrong: refused with the rows named, or counted and said."""

import math

import numpy as np
import pytest

from winsweep.errors import BadData, Incomplete
from winsweep.stats.annotations import judged, refuse_preferences
from winsweep.stats.comparison import position_bias_pct, score
from winsweep.stats.safe_csv import to_csv
from winsweep.stats.winrate import describe, win_rate

from .cells import rows as made
from .published import instructions, make_row, make_rows, models, needs_data, rows_of, table


@needs_data
def test_shuffled_rows_give_the_same_figures_to_the_last_digit():
    rows = rows_of(next(m for m in models() if m.name == "vicuna-13b"))
    shuffled = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    assert score(shuffled, instructions(), table()).columns == score(rows, instructions(), table()).columns


@pytest.mark.parametrize("kind", ["missing", "duplicate", "foreign", "set"])
def test_rows_that_do_not_cover_the_set_exactly_are_refused_by_name(kind):
    rows, texts = make_rows([1, 2, 1.5], [1, 2, 3])
    rows, texts, told = {
        "missing": (rows[:1] + rows[2:], texts, "no judgement for: 'instruction 001' .1 in all"),
        "duplicate": ([*rows, rows[2]], texts, "rows: found more than once: 'instruction 002'"),
        "foreign": (rows, texts[1:], "not in the instruction set: 'instruction 000'"),
        "set": (rows, [*texts, texts[0]], "instruction set: found more than once: 'instruction 000'"),
    }[kind]
    with pytest.raises(Incomplete, match=told):
        score(rows, texts, None)


@needs_data
def test_806_rows_are_one_too_many():
    rows = rows_of(next(m for m in models() if m.name == "vicuna-13b"))
    with pytest.raises(Incomplete, match=r"not in the instruction set: 'one more' .1 in all"):
        score([*rows, make_row("one more", 1.0, 5, 6)], instructions(), table())


@pytest.mark.parametrize("bad", [-1, math.nan, 3.0, None, 0, 2.001, "1.5", True, math.inf])
def test_what_is_no_preference_is_refused_by_name(bad):
    rows, texts = make_rows([1, 2, 1.5], [1, 2, 3])
    rows[1]["preference"] = bad
    with pytest.raises(Incomplete, match=r"1 of 3 preferences are (none|outside) .#1 'instruction 001'"):
        score(rows, texts, None)


@pytest.mark.parametrize(
    ("given", "what", "do"),
    [
        ([0.2, 0, 1], "2 of 3 preferences are outside", "add 1 to each, if they are 0"),
        ([1, 3, 2], "1 of 3 preferences are outside", "write 1 where output_1 is better"),
        ([1, -1, 2], "1 of 3 preferences are none", "judge those pairs again"),
    ],
)
def test_preferences_on_another_scale_say_what_to_write(given, what, do):
    with pytest.raises(Incomplete, match=f"({what}) .*; legal is 1 to 2; {do}"):
        refuse_preferences(given, ["a", "b", "c"])


@pytest.mark.parametrize(("key", "value"), [("output_1", None), ("output_2", 7), ("instruction", ["x"])])
def test_rows_that_are_no_annotations_are_refused_by_place(key, value):
    rows, texts = make_rows([1, 2], [1, 2])
    rows[1][key] = value
    with pytest.raises(BadData, match=f"row 1: {key} is "):
        score(rows, texts, None)
    del rows[1][key]
    with pytest.raises(BadData, match=f"row 1: {key} is None"):
        score(rows, texts, None)


def test_few_preferences_have_an_honest_error():
    assert win_rate([2.0]) == (1.0, 0.5)
    assert win_rate([1.0, 2.0]) == (0.5, 0.5)
    with pytest.raises(Incomplete, match="no preferences"):
        win_rate([])


def test_all_ties_of_identical_outputs_are_exactly_50():
    rows, texts = make_rows([1.5] * 40, [0] * 40)
    found = score(rows, texts, None).columns
    assert (found["lc_win_rate_pct"], found["paired_win_rate_pct"], found["win_rate_pct"], found["share_ties"]) == (
        50.0,
        50.0,
        50.0,
        1.0,
    )
    assert found["lc_formula"] == found["paired_formula"] == "raw" and found["note"] == "all ties"


@pytest.mark.parametrize(("preference", "wanted"), [(2.0, 100.0), (1.0, 0.0)])
def test_all_won_and_all_lost_are_the_raw_rate_with_an_interval(preference, wanted):
    found = score(*make_rows([preference] * 60, list(range(60))), None).columns
    assert (
        found["lc_win_rate_pct"] == wanted
        and found["lc_formula"] == "raw"
        and found["note"] == "fewer than 5 wins or losses"
    )
    assert found["paired_high_pct"] - found["paired_low_pct"] == pytest.approx(6.0, abs=0.1)


def test_equal_lengths_everywhere_are_the_raw_rate():
    found = score(*make_rows([1.0, 2.0, 1.2] * 20, [9] * 60), None).columns
    assert found["lc_win_rate_pct"] == pytest.approx(40.0) and found["note"] == "all pairs differ equally in length"


def test_the_same_name_on_both_sides_changes_nothing():
    rows, texts = made(0.3)
    same = [row | {"generator_1": "mine", "generator_2": "mine"} for row in rows]
    assert score(same, texts, None).columns == score(rows, texts, None).columns


def test_hostile_outputs_count_by_their_characters_and_reach_no_table():
    rows, texts = made(0.4)
    for i, text in enumerate(
        ["", "<script>alert(1)</script>", '=HYPERLINK("http://x")', "👩‍🚀", "x" * 100_000, "\x1b[2J", "\ud83d", " \n"]
    ):
        rows[i]["output_2"] = text
    found = score(rows, texts, None)
    assert found.judged.chars_2_N[:5].tolist() == [0, 25, 22, 3, 100_000] and found.columns["share_empty"] == 2 / 60
    text = to_csv(list(found.columns), [found.columns])
    assert "script" not in text and "HYPERLINK" not in text and "\x1b" not in text


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("\u200b=1+1", "'\u200b=1+1"),  # behind what is not seen
        ("\ufeff \u0301=1", "'\ufeff \u0301=1"),
        ("\ufe66=1", "'\ufe66=1"),  # small forms
        ("\ufe63" + "1", "'\ufe63" + "1"),
        ("\u2212" + "1", "'\u2212" + "1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =cmd", "'  =cmd"),
        ("＝1", "'＝1"),
        ("-x", "'-x"),
        ("\tx", "'\\x09x"),
        ("\x1b[2Jx", "\\x1b[2Jx"),
        ("plain", "plain"),
        ("\ud83d", "\\ud83d"),
        ("<b>", "<b>"),
        ("😀", "😀"),
    ],
)
def test_names_are_safe_in_a_spreadsheet(text, safe):
    assert to_csv(["a", "n"], [{"a": text, "n": -1.5}]).splitlines() == ["a,n", f"{safe},-1.500000"]


def test_two_judges_in_one_cell_are_refused():
    rows, texts = made(0.4)
    rows[3]["annotator"] = "other"
    with pytest.raises(Incomplete, match="annotator: a cell was judged by 'j' and 'other'"):
        score(rows, texts, None)


def test_position_bias_is_what_being_first_adds():
    rows, texts = made(0.5)
    for row in rows:
        row["preferences_by_order"] = (
            [row["preference"] - 0.1, row["preference"] + 0.1] if 1.1 <= row["preference"] <= 1.9 else None
        )
    assert position_bias_pct(rows) == pytest.approx(20.0) and score(rows, texts, None).columns[
        "position_bias_pct"
    ] == pytest.approx(20.0)
    bad = next(row for row in rows if row["preferences_by_order"])
    bad["preferences_by_order"] = [1.0, 1.0]
    with pytest.raises(BadData, match=f"'{bad['instruction']}': preferences_by_order is"):
        position_bias_pct(rows)


def test_unjudged_rows_may_stay_where_they_are_allowed():
    rows, texts = make_rows([1, None, 1.5, 2], [1, 2, 3, 4])
    found = judged(rows[:3], texts, can_lack=True)
    assert found.instructions == tuple(texts[:3]) and np.isnan(found.wins_N).tolist() == [False, True, False]
    with pytest.raises(Incomplete, match="found no preferences"):
        judged(rows[1:2], texts, can_lack=True)
    with pytest.raises(Incomplete, match="#1 'instruction 001' -1"):
        judged([rows[0], rows[1] | {"preference": -1}], texts, can_lack=True)


def test_sides_are_described():
    sides = describe(["abc", " \n", "", "héé"], ["ab"] * 4, [False, True, True, False])
    assert (sides.mean_chars, sides.mean_chars_reference, sides.share_truncated, sides.share_empty) == (
        2.0,
        2.0,
        0.5,
        0.5,
    )
    with pytest.raises(Incomplete, match="2 candidate outputs, 1 of the reference"):
        describe(["a", "b"], ["a"], [False, False])
