"""From rows to examples: every fault is named with its file and line, and nothing is skipped in silence."""

import json
from pathlib import Path

import huggingface_hub
import pytest

from tests.text.prepared import examples, instructions
from winsweep.attempt.job import Job
from winsweep.errors import BadData
from winsweep.placement import Placement
from winsweep.store.fingerprint import fingerprint


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
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
        {"messages": said},
    ]


def test_response_tuning_empties_every_instruction_and_keeps_its_turn(tmp_path):
    found = examples(job(written(tmp_path, GOOD), empty_instructions=True))
    assert found == [{"messages": [{"role": "user", "content": ""}, {"role": "assistant", "content": "b"}]}]


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ('{"instruction": "a", "out', r"rows\.jsonl:3: not JSON .*fix or remove it"),
        ("[1, 2]", r"rows\.jsonl:3: found '\[1, 2\]'; each line .* must be a JSON object"),
        ({"instruction": "a"}, r"rows\.jsonl:3: no text under 'output'; the row has instruction"),
        ({"instruction": "a", "output": "  "}, r"rows\.jsonl:3: the row has no response tokens"),
        ({"messages": [{"role": "user", "content": "a"}]}, r"rows\.jsonl:3: the row has no response tokens"),
        ({"messages": [{"role": "system", "content": "a"}]}, r"rows\.jsonl:3: the row has no response tokens"),
        ({"messages": "a"}, r"rows\.jsonl:3: messages is not a list"),
    ],
)
def test_a_bad_row_is_named(tmp_path, bad, match):
    with pytest.raises(BadData, match=match):
        examples(job(written(tmp_path, GOOD, GOOD, bad, GOOD)))


def test_a_line_that_cannot_be_read_is_named_alone(tmp_path):
    with pytest.raises(BadData) as told:
        examples(job(written(tmp_path, GOOD, "{")))
    assert str(told.value).startswith(f"{tmp_path}/rows.jsonl:2: not JSON") and "rows.jsonl:1" not in str(told.value)


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


def hub_job(folder: Path, reader: str, hf_id: str, file: str, revision: str) -> Job:
    source = {
        "reader": reader,
        "version": 1,
        "options": {"first": 5},
        "data": {"hf_id": hf_id, "file": file, "revision": revision},
    }
    return Job("x", {"source": source}, {}, folder, folder, Placement())


@pytest.mark.parametrize("file", ["main/train.parquet", "data/*.txt"])
def test_a_hub_data_set_that_cannot_be_had_says_what_to_do(file, tmp_path):
    said = (
        r"nobody/nothing at 000000000000: cannot be loaded .* accept its terms at "
        r"https://huggingface.co/datasets/nobody/nothing "
        r"and type `hf auth login`; .*`hf download nobody/nothing --include '.*' --repo-type dataset --revision 0{40}` "
        r".* "
        r"HF_HUB_OFFLINE=1 here; or give the task a path: to a local copy"
    )
    with pytest.raises(BadData, match=said):
        examples(hub_job(tmp_path, "gsm", "nobody/nothing", file, "0" * 40))


def test_offline_the_hub_cache_answers_for_the_pinned_revision_alone(monkeypatch, tmp_path):
    """Laid out as huggingface_hub does: snapshots by commit, and refs that say which commit a short name stands for."""
    repo, commit = tmp_path / ".cache" / "datasets--some--set", "ab" * 20
    (repo / "snapshots" / commit / "data").mkdir(parents=True)
    (repo / "snapshots" / commit / "data" / "games.txt").write_text('[WhiteElo "1"]\n[BlackElo "2"]\n\n1. e4\n')
    (repo / "snapshots" / commit / "rows.csv").write_text("question,answer\nWho?,Me.\n")
    (repo / "refs").mkdir()
    (repo / "refs" / "abababa").write_text(commit)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / ".cache"))
    for revision in (commit, "abababa"):
        assert (
            examples(hub_job(tmp_path, "gsm", "some/set", "rows.csv", revision))[0]["messages"][1]["content"] == "Me."
        )
        game = examples(hub_job(tmp_path, "chess", "some/set", "data/*.txt*", revision))[0]["messages"]
        assert [m["content"] for m in game] == ['[WhiteElo "1"]\n[BlackElo "2"]', "1. e4"]
    with pytest.raises(BadData, match="some/set at cdcdcdcdcdcd: cannot be loaded"):
        examples(hub_job(tmp_path, "gsm", "some/set", "rows.csv", "cd" * 20))


def test_a_table_that_is_none_is_named(tmp_path):
    (tmp_path / "rows.parquet").write_text("question,answer\n")
    with pytest.raises(BadData, match=r"rows\.parquet: not a parquet file .*fix it or name another"):
        examples(job(tmp_path / "rows.parquet", "gsm", options={"first": 5}))
