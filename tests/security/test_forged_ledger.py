"""Lines, and files, in a ledger that another user wrote: what is no judgement is not read as one, ends no judging and
costs nothing.
"""

import json
import os

import pytest

from tests.judge.asking import judge, ledger_of, options
from tests.judge.pairs import expected, make_pairs
from winsweep.errors import LinkInStore
from winsweep.judge import ledger
from winsweep.judge.ledger import Ledger
from winsweep.judge.questions import Judgement
from winsweep.judge.spending import Spending

from .forged import QUESTION, SPECIAL, TOLD, ledger_lines, line, sparse, special

KNOWN = {"judge": "x"}
LINES = ledger_lines(Ledger(None, KNOWN).judge)
COUNTED = (  # what can have been paid for: the tokens of one call, and a checksum that is right
    {name for name in LINES if name.startswith(("preference", "reply of", "reply too", "model", "date", "fingerprint"))}
    | {name for name in LINES if name.startswith(("judgement", "a field", "tokens twice", "no reply", "no JSON"))}
    | {"half JSON", "deep JSON", "long number"}
)


def opened(folder) -> Ledger:
    return Ledger(folder / "j", KNOWN)


def written(folder, *lines: bytes) -> None:
    (folder / "j").mkdir(exist_ok=True)
    (folder / "j/forged.jsonl").write_bytes(b"".join(each + b"\n" for each in lines))


def good(num: int = 1) -> bytes:
    key = QUESTION.key(Ledger(None, KNOWN).judge)
    told = json.dumps(ledger._said(TOLD))
    return line(key, f'"tokens": [{num}, 1], "judgement": {told}')


def test_there_are_forty_forged_lines_and_more():
    assert len(LINES) > 40


@pytest.mark.parametrize("name", LINES)
def test_a_forged_line_is_no_judgement_and_the_next_one_is_read(name, tmp_path):
    written(tmp_path, LINES[name])
    alone = opened(tmp_path)
    assert alone.find([QUESTION]) == {} and alone.tokens == ([1, 1] if name in COUNTED else [0, 0])
    written(tmp_path, LINES[name], good())
    assert opened(tmp_path).find([QUESTION]) == {QUESTION: Judgement(**vars(TOLD) | {"tokens": (1, 1)})}


def test_no_line_exhausts_a_budget(tmp_path, monkeypatch, priced):
    priced("m: {input: 10, output: 30}")
    from winsweep.judge.limits import Limits

    written(tmp_path, *LINES.values())
    read = opened(tmp_path)
    read.find([QUESTION])
    spending = Spending("m", Limits(dollars=1.0), read)
    assert read.tokens == [len(COUNTED)] * 2 and spending.dollars < 0.01 and not spending.refuses(100, 1)


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("name", ["a.jsonl", "judge.json", "pace"])
def test_what_is_no_file_of_lines_is_passed_over(kind, name, tmp_path):
    written(tmp_path, good())
    special(kind, tmp_path / "j" / name)
    mine = opened(tmp_path)
    assert mine.find([QUESTION]).keys() == {QUESTION} and mine.tokens == [1, 1]
    assert mine.news() == {}
    if name == "judge.json" and kind in ("a link to itself", "a link to nothing"):
        with pytest.raises(LinkInStore, match="remove the link"):
            mine.add(QUESTION, TOLD)
    else:
        mine.add(QUESTION, TOLD)
        mine.close()


def test_a_line_without_end_is_read_once_and_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger, "LONGEST_LINE", 1 << 16)
    written(tmp_path, good())
    sparse(tmp_path / "j/a.jsonl", 1 << 20)
    mine = opened(tmp_path)
    assert mine.find([QUESTION]).keys() == {QUESTION} and mine._read["a.jsonl"] == 1 << 20
    with open(tmp_path / "j/a.jsonl", "ab") as file:
        file.write(b"\n" + good(7) + b"\n")
    assert mine.news().keys() == {QUESTION} and mine.tokens == [8, 2]


def test_judging_goes_on_among_forged_lines_and_files(server, tmp_path):
    asked, pairs = options(), make_pairs(6)
    folder = ledger_of(tmp_path, asked).folder
    folder.mkdir(parents=True)
    (folder / "forged.jsonl").write_bytes(b"\n".join([*ledger_lines(ledger_of(tmp_path, asked).judge).values(), b""]))
    for kind in SPECIAL:
        special(kind, folder / f"{kind}.jsonl")
    for name in os.listdir(folder):
        special("a pipe", folder.parent / f"pace-{name}")
    found = judge(pairs, asked, tmp_path)
    assert found == pytest.approx({p["instruction"]: expected(p) for p in pairs}, abs=1e-9)
    assert judge(pairs, asked, tmp_path) == found and len(server.requests) == 6
