"""From rows to examples: every fault is named with its file and line, and nothing is skipped in silence."""

import json
from pathlib import Path

import pytest

from winsweep.errors import BadData
from winsweep.fingerprint import fingerprint
from winsweep.job import Job
from winsweep.placement import Placement
from winsweep.text.prepare import examples, instructions


def job(path: Path, reader: str = "jsonl", **source: object) -> Job:
    sha = fingerprint(path)
    source = {"reader": reader, "version": 1, "options": {}, "data": {"sha256": sha}, **source}
    return Job("x", {"source": source}, {}, path.parent, path.parent, Placement(), files={sha: str(path)})


def written(folder: Path, *lines: object) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


GOOD = {"instruction": "a", "output": "b"}


def test_rows_become_conversations(tmp_path):
    said = [{"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}]
    assert examples(job(written(tmp_path, GOOD, "", {"messages": said}))) == [
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, {"messages": said}]


def test_response_tuning_empties_every_instruction_and_keeps_its_turn(tmp_path):
    found = examples(job(written(tmp_path, GOOD), empty_instructions=True))
    assert found == [{"messages": [{"role": "user", "content": ""}, {"role": "assistant", "content": "b"}]}]


@pytest.mark.parametrize(("bad", "match"), [
    ('{"instruction": "a", "out', r"rows\.jsonl:3: not JSON .*mend or remove it"),
    ("[1, 2]", r"rows\.jsonl:3: found '\[1, 2\]'; each line .* must be a JSON object"),
    ({"instruction": "a"}, r"rows\.jsonl:3: no text under 'output'; the row has instruction"),
    ({"instruction": "a", "output": "  "}, r"rows\.jsonl:3: the row has no response tokens"),
    ({"messages": [{"role": "user", "content": "a"}]}, r"rows\.jsonl:3: the row has no response tokens"),
    ({"messages": [{"role": "system", "content": "a"}]}, r"rows\.jsonl:3: a message has the role 'system'; user and assistant"),
    ({"messages": "a"}, r"rows\.jsonl:3: messages is not a list"),
])
def test_a_bad_row_is_named(tmp_path, bad, match):
    with pytest.raises(BadData, match=match):
        examples(job(written(tmp_path, GOOD, GOOD, bad, GOOD)))


def test_an_instruction_that_stands_twice_is_named(tmp_path):
    with pytest.raises(BadData, match=r"rows\.jsonl:3: the instruction stands at .*rows\.jsonl:1 already"):
        instructions(job(written(tmp_path, GOOD, {"instruction": "c"}, GOOD)))


def test_a_file_that_changed_since_the_study_was_read_is_refused(tmp_path):
    told = job(written(tmp_path, GOOD))
    written(tmp_path, GOOD, GOOD)
    with pytest.raises(BadData, match="changed or gone since the study was read"):
        examples(told)


def test_real_rows(data):
    gsm = examples(job(data / "gsm8k_train_first1000.jsonl", "gsm", options={"first": 1000}))
    mbpp = examples(job(data / "mbpp_train374.jsonl", "mbpp", options={"first": 1000}))
    assert (len(gsm), len(mbpp)) == (1000, 374) and "\r\n" in mbpp[0]["messages"][1]["content"]
    assert len(instructions(job(data / "alpaca_eval_805_instructions.jsonl", options={"first": None}))) == 805


def test_a_hub_data_set_that_cannot_be_had_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    told = Job("x", {"source": {"reader": "gsm", "version": 1, "options": {"first": 5}, "data": {
        "hf_id": "nobody/nothing", "config": "main", "split": "train", "revision": "0" * 40}}}, {}, tmp_path, tmp_path, Placement())
    with pytest.raises(BadData, match=r"nobody/nothing at 000000000000: cannot be loaded .* `hf auth login`; or give the task a path"):
        examples(told)
