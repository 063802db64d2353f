"""The board at any size: what is pressing is on it, nothing is wider than the screen, and what others wrote steers
nothing.
"""

from dataclasses import replace

import pytest

from tests.watch.made import lines, seen, trained
from winsweep.watch import draw, rows
from winsweep.watch.draw import Log
from winsweep.watch.rows import Choice, Table
from winsweep.watch.seen import Queue

ESCAPE = "\x1b[2J\x9b2J\u202e"
FAILED = {"finetune/llama.arm1.s2": "failed", "collect/llama.arm1.s2": "blocked"}


def drawn(of, choice=None, log=None, trouble="", next_at=0.0, width=80, height=24) -> list[str]:
    table = rows.table(of, (choice or Choice()).by)
    choice = rows.follow(choice or Choice(), table)
    return lines(draw.board(of, table, choice, log or Log(), trouble, next_at, width, height))


def with_running(of):
    """The study with two finetunes that run."""
    keys = {"finetune/llama.arm0.s1", "finetune/llama.arm2.s1"}
    return replace(of, results=tuple(trained(r) if r.key in keys else r for r in of.results))


@pytest.mark.parametrize("size", [(80, 24), (160, 50), (40, 10), (200, 12), (60, 80)], ids=str)
@pytest.mark.parametrize("num_arms", [1, 3, 1000])
def test_it_fits_and_tells_what_runs_and_what_failed(size, num_arms):
    width, height = size
    of = with_running(seen(num_arms, 2, FAILED if num_arms > 1 else {}))
    told = drawn(of, width=width, height=height)
    assert len(told) == height and max(map(len, told)) <= width
    text = "\n".join(told)
    assert f"study: 0 of {2 * num_arms} cells done" in text and "q quit" in told[-1]
    assert "── finetune/llama.arm1.s2: failed" in text or num_arms == 1
    if height >= 24:
        assert ("✗ finetune/llama.arm1.s2" in text) == (num_arms > 1) and "▸ finetune/llama.arm0.s1  40%" in text
    if height >= 24 and width >= 80:
        assert (
            "▸ finetune/llama.arm0.s1  40%" in text and "loss 1  lr 0.0001  12,346 tokens/s" in text and "█▆▃▁" in text
        )


def test_a_failure_is_chosen_at_first_with_its_reason_and_what_to_type():
    told = drawn(seen(3, 2, FAILED), log=Log("finetune/llama.arm1.s2", "/store/a.log", ("one", "two")))
    at = next(n for n, line in enumerate(told) if line.startswith("── finetune/llama.arm1.s2: failed"))
    assert told[at + 1 : at + 4] == [
        "application: NotFinite: lower recipe.lr",
        "again: python launch/sweep.py s.yaml",
        "log: /store/a.log",
    ]
    assert told[at + 4 : at + 6] == ["one", "two"]


def test_rows_and_columns_move_so_that_the_chosen_one_is_seen():
    of = seen(300, 1)
    for key, name in (("end", "arm299"), ("home", "arm0")):
        choice = rows.moved(Choice(), key, rows.table(of, "arms"), 8)
        assert any(f"llama  {name} " in line for line in drawn(of, choice))
    last = Choice(column=4, moved=True)
    assert "judge" in "\n".join(drawn(of, last, width=44)) and "judge" not in "\n".join(drawn(of, width=44))


def test_keys_move_within_the_table_and_f_goes_round_the_failures():
    states = {f"finetune/llama.arm{n}.s1": "failed" for n in (0, 2)}
    table = rows.table(seen(3, 1, states), "arms")
    places = []
    choice = Choice()
    for key in ("f", "f", "f", "up", "left", "down", "right", "page down", "end", "nonsense"):
        choice = rows.moved(choice, key, table, 8)
        places.append((choice.row, choice.column))
    assert places == [(0, 1), (2, 1), (0, 1), (0, 1), (0, 0), (1, 0), (1, 1), (2, 1), (2, 1), (2, 1)]
    assert rows.moved(choice, "f", Table(), 8) == choice and rows.moved(choice, "enter", table, 8).is_log
    assert rows.moved(choice, "c", table, 8).by == "cells" and len(rows.table(seen(3, 2), "cells").rows) == 6


def test_one_result_has_its_share_and_several_are_counted():
    of = with_running(seen(3, 2, FAILED))
    texts = {
        row.name: [rows.entry(row.results.get(h, ()))[0] for h in ("inputs", "finetune")]
        for row in rows.rows(of, "arms")
    }
    assert texts["arm0"] == ["✓", "0/2 1▸"] and texts["arm1"] == ["✓", "0/2 1✗"]
    by_cell = {row.name: rows.entry(row.results["finetune"])[0] for row in rows.rows(of, "cells")}
    assert by_cell["arm0.s1"] == "40%" and by_cell["arm1.s2"] == "✗" and by_cell["arm2.s2"] == "·"


def test_trouble_is_told_and_what_was_seen_stays():
    of = replace(seen(), queue=Queue(1.8e9 - 90, "squeue: no answer within 60 s"))
    told = drawn(of, trouble=f"/store: the store is not there{ESCAPE}")
    assert told[2].startswith("/store: the store is not there?") and "\x1b" not in "".join(told)
    assert told[3] == "SLURM's queue is not known: squeue: no answer within 60 s" and "llama  arm0" in "\n".join(told)


def test_what_others_wrote_steers_no_terminal():
    of = seen(2, 1, {f"finetune/llama.{ESCAPE}0.s1": "failed"}, name=ESCAPE)
    text = "".join(drawn(of)) + "".join(drawn(of, Choice("cells")))
    assert not {"\x1b", "\x9b", "\u202e"} & set(text) and "?[2J" in text
