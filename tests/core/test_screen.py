"""A reason of several lines reads as one."""

from winsweep import screen
from winsweep.check.finding import Finding, error_of


def test_the_problems_of_a_check_stand_apart_on_one_line():
    found = [
        Finding("problem", "weights", "none", "fetch them"),
        Finding("problem", "tokenizer", "none", "put it there"),
    ]
    told = screen.printable(str(error_of("model m", found)))
    assert told == "model m: weights: none; fetch them; model m: tokenizer: none; put it there"
    assert screen.printable("a\x1b[2J\nb") == "a?[2J; b"


def test_notes_are_wrapped_below_their_text(monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    lines = screen.noted(["note     " + "of words " * 20, "note     short"])
    assert max(map(len, lines)) <= 50 and lines[1].startswith(" " * 9 + "words") and lines[-1] == "note     short"


def test_what_is_typed_stays_on_one_line():
    typed = "python launch/validate.py --study 'a b.yaml' --store runs"
    assert screen.wrapped(f"nobody knows how good it is; type: {typed}", 40) == [
        "nobody knows how good it is; type:",
        f"  {typed}",
    ]
    prose = "notes of a study may say type: and go on for longer than a line of the terminal has room for"
    assert max(map(len, screen.wrapped(prose, 40))) <= 40
