"""AlpacaEval's annotator over HTTP as a stage of a study: what was paid is kept, what failed is named, the key is nowhere."""

import json

import pytest

from tests.judge.server import JudgeServer
from tests.local.conftest import TINY, Bench

KEY = "sk-never-to-be-written-anywhere"
STUDY = TINY.replace("judge: reference_overlap", "judge: {from: alpaca, model: local-judge}").replace("seeds: [1, 2]", "seeds: [1]")


@pytest.fixture
def server(monkeypatch):
    with JudgeServer() as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield running


def test_a_study_is_judged_over_http_and_goes_on_where_it_failed(tmp_path, server):
    bench = Bench(tmp_path, STUDY)
    instructions = [json.loads(line)["instruction"] for line in _instructions(bench)]
    server.faults[instructions[7]] = ["400"]
    said = bench.run(code=1)
    assert "1 of 60 pairs" in said and instructions[7][:40] in said and "HTTP 400" in said
    failed = {p.parents[1].name for p in bench.store.glob(".work/judge/*/ends/*.json") if json.loads(p.read_bytes())["kind"] == "judge"}
    paid = len(server.requests)
    server.faults.clear()
    assert "4 of 4 cells" in bench.run("--retry-failed")
    assert 1 <= len(failed) == len(server.requests) - paid  # of each failed judgement, the one pair that failed
    rows = json.loads(next((bench.store / "judge").glob("a.sum.s1-*/annotations.json")).read_bytes())
    assert len(rows) == 60 and {r["model"] for r in rows} == {"local-judge"} and all(1 <= r["preference"] <= 2 for r in rows)
    assert b"local-judge" in bench.csv()
    written = [p for p in bench.store.rglob("*") if p.is_file()]
    assert len(written) > 50 and not [p for p in written if KEY.encode() in p.read_bytes()]


def _instructions(bench: Bench) -> list[str]:
    bench.run("--dry-run")
    from winsweep.tasks import toy

    return [json.dumps(row) for row in toy.instructions(None, toy.Options(part="dev"))]
