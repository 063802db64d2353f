"""What the fuzzers found, each case as small as it became."""

import errno
import hashlib
import json
import os

import pytest

from tests.fuzz.held import folder, refused, shown  # noqa: F401 - a fixture
from tests.fuzz.test_scored_files import ANNOTATED, score  # noqa: F401 - a fixture
from winsweep import paths
from winsweep.errors import BadData, BadStudy, WinsweepError
from winsweep.named_judge import judge_of
from winsweep.store.manifest import digest
from winsweep.text.source import file_rows


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"preferences_by_order": True}, r"a\.json: row 2: preferences_by_order is True; legal is list, or null"),
        ({"preferences_by_judge": True}, r"a\.json: row 2: preferences_by_judge is True; legal is list, or null"),
        ({"chrf_candidate": "x"}, r"a\.json: row 2: chrf_candidate is 'x'; legal is int or float, or null"),
        ({"grammar": ["x"]}, r"a\.json: row 2: grammar is \['x'\]; legal is str, or null"),
        ({"annotator": None}, r"a\.json: annotator: a cell was judged by 'None' and 'a' \(2 in all\)"),
    ],
)
def test_annotations_of_other_types_are_named_with_their_file(folder, score, changed, match):  # noqa: F811
    from tests.conftest import ROOT
    from winsweep.graph import load

    module = load(ROOT / "launch/score.py", "tests.launched")
    rows = [row | (changed if i == 2 else {}) for i, row in enumerate(ANNOTATED)]
    (folder / "a.json").write_text(json.dumps(rows))
    with pytest.raises(WinsweepError, match=match):
        module.told(module.parser().parse_args(["a.json"]))


def test_a_name_of_any_length_is_no_line_of_any_length(folder, score):  # noqa: F811
    (folder / "a.json").write_text(json.dumps([row | {"annotator": "k" * 100_000} for row in ANNOTATED]))
    score(["a.json"])


def test_what_is_wrong_before_the_first_row_names_the_file(folder):  # noqa: F811
    (folder / "rows.csv").write_text("\r\n\r\n")
    rows = file_rows(folder / "rows.csv")
    assert not list(rows) and rows.where == f"{folder / 'rows.csv'}: before its first row"


def test_a_file_that_has_nothing_to_say_yet_is_read_to_no_end_that_never_comes(folder, monkeypatch):  # noqa: F811
    """Such as /proc/kmsg, a regular file by its mode: Python reads None there, with which hashing went on for ever and
    what reads text was a TypeError.
    """
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    os.write(theirs, b"abc")
    with open(ours, "rb", buffering=0) as file:
        assert digest(file) == hashlib.sha256(b"abc").hexdigest()
    os.close(theirs)
    (folder / "kmsg").write_bytes(b"")

    def pread(*_: object) -> bytes:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "pread", pread)
    with pytest.raises(BadData, match="kmsg: found a pipe or a device; legal is a log; name an ordinary file"):
        paths.read_text(folder / "kmsg", 9, "legal is a log")


def test_a_thousand_mistakes_are_fifty_and_a_number(folder):  # noqa: F811
    """A jury of a thousand judges that are not there was answered with 400 kB."""
    with pytest.raises(BadStudy) as told:
        judge_of(f"{{from: jury, judges: [{', '.join(f'j{n}' for n in range(1000))}]}}", folder / "store")
    assert len(told.value.each) == 51 and all(each.startswith("--judge:") for each in told.value.each)
    assert "found 950 more mistakes, from here on; correct those above first" in told.value.each[-1]


def test_the_property_itself_sees_what_it_is_for():
    for text in ("x.csv:1: \x1b[31m", "x.csv:1: " + "k" * 5000):
        with pytest.raises(AssertionError):
            shown(text)
    for error in (BadData("no file is named"), BadData("")):
        with pytest.raises(AssertionError):
            refused(error, ("x.csv",), "")
    refused(BadData("x.csv:1: \x1b[31m" + "k" * 5000), ("x.csv",), r":\d+: ")
