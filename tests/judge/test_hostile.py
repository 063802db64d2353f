"""An endpoint that floods, packs, drips, redirects, or answers with what no number is: a named failure, in bounded
bytes and time, never a crash.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from winsweep.errors import JudgeFailed
from winsweep.judges import alpaca

from .asking import judge, ledger_of, lines, options
from .conftest import KEY
from .hostile import FLOODS, bomb, completion, sent, serving, top
from .pairs import make_pairs

# Judges three pairs in a fresh process, and prints by how many MB its memory grew, for how long it took, and why it
# ended.
MEASURED = """
import json, resource, sys, time
from pathlib import Path
from tests.judge.pairs import make_pairs
from tests.judge.asking import ledger_of, options
from winsweep.errors import JudgeFailed
from winsweep.judge import client
from winsweep.judges import alpaca
client.BACKOFF_S = 0.01
client.PROBES = dict.fromkeys(client.PROBES, 1)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
asked = options(timeout_s=2.0)
alpaca.identity(asked)
before, begun = peak(), time.monotonic()
try:
    alpaca.annotate(make_pairs(3), asked, lambda rows: None, ledger_of(Path(sys.argv[1]), asked))
except JudgeFailed as e:
    print(json.dumps([peak() - before, time.monotonic() - begun, str(e)]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*FLOODS, "gzip", "deflate", "raw", "members"])
def test_a_flood_costs_little_memory_and_no_more_than_the_time_out(kind, endpoint, tmp_path):
    endpoint(FLOODS.get(kind) or bomb(kind))
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    grown_mb, seconds, told = json.loads(done.stdout or done.stderr)
    assert grown_mb < 50 and seconds < 2.0 + 4, (grown_mb, seconds)
    assert "3 of 3 pairs have no preference" in told and not lines(tmp_path)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("same_host", [True, False])
def test_no_redirect_is_followed_and_where_it_pointed_is_said(status, same_host, endpoint, tmp_path):
    with serving(sent(completion(top("-0.1", "-2.0")))) as (elsewhere, got):
        target = "/v1/elsewhere" if same_host else f"{elsewhere.replace('//', f'//user:{KEY}@')}/x?key={KEY}"
        _, heads = endpoint(sent(b"{}", status, f"Location: {target}\r\n"))
        with pytest.raises(JudgeFailed) as e:
            judge(make_pairs(9), options(), tmp_path)
        shown = "/v1/elsewhere" if same_host else f"{elsewhere}/x"
        assert f"a redirect to {shown}, which is not followed" in str(e.value) and KEY not in str(e.value)
        assert not got and 1 <= len(heads) <= 3


UNREADABLE = {
    "both impossible": completion(top("-Infinity", "-Infinity")),
    "both below the least": completion(top("-9999.0", "-9999.0")),
    "minus infinity by overflow": completion(top("-1e999", "-1e999")),
    "infinity": completion(top("Infinity", "-1")),
    "NaN": completion(top("NaN", "-1")),
    "4,000 digits": completion(top("-" + "9" * 4000, "-1")),
    "5,000 digits": completion(top("-" + "9" * 5000, "-1")),
    "19 digits": completion(top("9" * 19, "-1")),
    "400 digits and a fraction": completion(top("9" * 400 + ".5", "-1")),
    "true": completion(top("true", "-1")),
    "false": completion(top("false", "-2")),
    "text": completion(top('"-0.1"', "-1")),
    "null": completion(top("null", "-1")),
    "a list": completion(top("[]", "-1")),
    "nested": completion(top("-0.1", "-1"), more=', "finish_reason": ' + "[" * 90 + "]" * 90),
    "nested deeply": completion(top("-0.1", "-1"), more=', "finish_reason": ' + "[" * 50000 + "]" * 50000),
    "half a pair": completion(top("-0.1", "-1"), more=', "finish_reason": "\\ud800"'),
    "twice": completion(top("-0.1", "-1"), more=', "index": 1'),
    "no utf-8": completion(top("-0.1", "-1")).replace(b'"m"', b'"\xff"'),
    "utf-16": completion(top("-0.1", "-1")).decode().encode("utf-16"),
    "a list for a reply": b"[]",
    "text for choices": b'{"choices": "none"}',
    "no choice": b'{"choices": []}',
    "empty": b"",
    "a number": b"7",
    "a log of tokens that are none": completion('1, null, "m"'),
    "tokens in a list": completion('{"token": ["m"], "logprob": -1}'),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_is_no_judgement_is_an_unreadable_answer_and_is_not_kept(kind, endpoint, tmp_path):
    endpoint(sent(UNREADABLE[kind]))
    with pytest.raises(JudgeFailed, match="none of the first 3 questions got an answer that can be used"):
        judge(make_pairs(9), options(), tmp_path)
    assert not [line for line in lines(tmp_path) if line["key"] != "wasted"]


READABLE = {
    "one impossible": (top("-Infinity", "0"), 2.0),
    "one at the least": (top("0.0", "-9999.0"), 1.0),
    "whole numbers": (top("-1", "-1"), 1.5),
    "far apart": (top("-0.0", "-1e308"), 1.0),
}


@pytest.mark.parametrize("kind", READABLE)
def test_what_is_one_is_read_back_by_the_ledger_as_it_was_accepted(kind, endpoint, tmp_path):
    tops, preference = READABLE[kind]
    _, heads = endpoint(sent(completion(tops, model='"a\\u001b[31m\\nserved"')))
    found = judge(make_pairs(1), options(), tmp_path)
    assert found["Question 0?"] in (preference, 3 - preference)  # by which output is shown first
    assert judge(make_pairs(1), options(), tmp_path) == found and len(heads) == 1
    assert lines(tmp_path)[0]["judgement"]["served_model"] == "a[31m served"


@pytest.mark.parametrize(
    "usage",
    [
        '{"prompt_tokens": true, "completion_tokens": false}',
        '{"prompt_tokens": 1e3, "completion_tokens": 1}',
        "[1, 2]",
        "7",
        "{}",
        '{"prompt_tokens": -1, "completion_tokens": 1}',
        '{"prompt_tokens": 99999999999999999999, "completion_tokens": 1}',
        '"x"',
    ],
)
def test_counts_of_tokens_that_are_none_are_estimated(usage, endpoint, tmp_path):
    _, heads = endpoint(sent(completion(top("-0.1", "-2"), usage)))
    found = judge(make_pairs(4), options(), tmp_path)
    assert (
        all(300 < line["tokens"][0] < 500 and line["tokens"][1] == 1 for line in lines(tmp_path))
        and len(lines(tmp_path)) == 4
    )
    assert judge(make_pairs(4), options(), tmp_path) == found and len(heads) == 4


def test_lines_that_no_writer_wrote_are_passed_over(tmp_path):
    from winsweep.judge import ledger

    asked = options()
    mine = ledger_of(tmp_path, asked)
    mine.folder.mkdir(parents=True)
    question = ledger.Question("Q", "a", "b")
    key = question.key(mine.judge)
    for i, said in enumerate(
        [
            '{"preference": "1", "raw": {}}',
            '{"preference": true, "raw": {}}',
            '{"preference": NaN, "raw": {}}',
            "[]",
            '{"x": 1}',
            "7",
            '{"preference": %s, "raw": {}}' % ("9" * 400),
            '{"preference": %s, "raw": {}}' % ("9" * 5000),
            "[" * 9999,
            '{"preference": 1, "raw": {"a": %s}}' % ("[" * 90 + "]" * 90),
            '{"preference": 1, "raw": {"a": "\\ud800"}}',
        ]
    ):
        told = f'"tokens": [1, 1], "judgement": {said}'.encode()
        line = b'{"key": "%s", "sum": "%s", %s}\n' % (key.encode(), ledger._sum(key, told).encode(), told)
        wasted = b'{"key": "wasted", "sum": "0000000000000000", "tokens": [%s, 1], "judgement": "none"}\n' % (
            b"9" * 5000
        )
        (mine.folder / f"{i}.jsonl").write_bytes(line + wasted)
    assert ledger_of(tmp_path, asked).find([question]) == {}


def test_annotations_can_be_written_whatever_was_said(endpoint, tmp_path):
    endpoint(sent(completion(top("-Infinity", "0"), more=', "finish_reason": "\\ud83d\\ude00"')))
    rows: list[dict] = []
    alpaca.annotate(make_pairs(2), options(), rows.extend)
    assert json.loads(json.dumps(rows, ensure_ascii=False, allow_nan=False).encode()) == rows
