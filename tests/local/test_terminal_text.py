"""What others wrote (reasons, notes, names) on a terminal: in its line, and without a command to the terminal."""

from dataclasses import replace

from launch import status
from tests.local.test_printed import ESCAPE, many, results
from winsweep import screen, table_view
from winsweep.stats import one_file

__all__ = ["many"]  # a fixture


def test_what_others_wrote_steers_no_terminal(tmp_path):
    assert screen.printable(f"a{ESCAPE}b\u202e\nc\n") == "a?[2J?b?; c" and screen.printable("ü – 字") == "ü – 字"
    said = table_view.table_text(results(tmp_path / "t.csv", 1, 1), f"one{ESCAPE}\ntwo\u202e\n", 120)
    assert said.splitlines()[-2:] == ["one?[2J?", "two?"]


def test_why_a_cell_is_not_done_is_one_line_of_a_reason(many, monkeypatch):
    workspace, items = many
    reason = f"application: x{ESCAPE}\ndone     judge/m.t0.s0"
    told = [replace(i, state="failed", why=reason) if i.artifact.label == "t0" else i for i in items]
    lines = status.why(workspace, told, "m.t0.s0").splitlines()
    assert next(line for line in lines if "application" in line).endswith("x?[2J?; done     judge/m.t0.s0")
    assert not any(line.startswith("done     judge") for line in lines)


def test_a_name_looks_like_no_figure():
    forged = f"me{ESCAPE}\n  lc_win_rate_pct              99"
    said = one_file.Report(forged, "them", "paired", {"lc_win_rate_pct": 50.0}, (f"a{ESCAPE}\nb",)).text()
    assert (
        len(said.splitlines()) == 3 and "\x1b" not in said and "  lc_win_rate_pct            50" in said.splitlines()[1]
    )


def test_what_a_study_says_is_wrapped_at_the_terminals_width(tmp_path):
    said = table_view.table_text(results(tmp_path / "t.csv", 1, 1), "long words " * 20 + "\nsecond", 80)
    *wrapped, last = said.splitlines()[-4:]
    assert last == "second" and all(line.startswith(("long", "words")) for line in wrapped)
    assert max(map(len, wrapped)) <= 80
