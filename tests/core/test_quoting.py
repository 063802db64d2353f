"""What others wrote, in a message."""

import pytest

from tests.fuzz.held import shown
from tests.fuzz.hostile import STRINGS, VALUES
from winsweep.quoting import MOST_EXCERPT, MOST_QUOTED, cut, excerpt, in_sight, quoted


@pytest.mark.parametrize("say", [quoted, excerpt])
def test_any_value_is_one_line_that_can_be_seen_and_is_not_long(say):
    loop: list[object] = []
    loop.append(loop)
    for value in [*STRINGS, *VALUES, loop, 10**5000, b"\x1b" * 1000, {"a" * 1000: "b" * 1000}]:
        said = say(value)
        shown(said)
        assert "\n" not in said and 0 < len(said) <= MOST_QUOTED + MOST_EXCERPT * 10


def test_short_values_are_as_python_writes_them_and_long_ones_say_how_long():
    assert [quoted(v) for v in ("a'b", 5, None, ["a"], "\x1b")] == ['"a\'b"', "5", "None", "['a']", r"'\x1b'"]
    assert quoted("a" * 5000).endswith("(5,000 letters)") and excerpt("ab" * 100) == repr("ab" * 30)


def test_a_message_keeps_its_lines_and_its_end():
    assert in_sight("a\tb\n\x1b[31m\u202e ünï 日本") == "a<U+0009>b\n<U+001B>[31m<U+202E> ünï 日本"
    long = in_sight("found " + "x" * 10_000 + "; type this\nsecond")
    assert long.endswith("; type this\nsecond") and len(long) < 2100
    assert cut("abcdef", 6) == "abcdef" and cut("abcdefg", 5) == "ab…fg"
