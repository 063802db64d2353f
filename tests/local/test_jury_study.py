"""A jury and a reward model from YAML to CSV and report, with tiny models and an endpoint on loopback."""

import csv
import json
import re

import pytest

from tests.judge import tiny
from tests.judge.server import JudgeServer
from tests.local.conftest import TINY, Bench

pytestmark = pytest.mark.slow
STUDY = "\n".join(
    line
    for line in TINY.replace("seeds: [1, 2]", "seeds: [1]").splitlines()
    if not line.startswith(("  base:", "  sum:"))
)
REWARD = "{from: reward_model, path: reward, precision: fp32, batch: 16}"
JURY = f"judge: {{from: jury, judges: [{REWARD}, {{from: alpaca, model: m}}]}}"


def test_a_jury_of_a_reward_model_and_an_endpoint(tmp_path, monkeypatch):
    tiny.make_reward(tmp_path / "reward", tiny.make(tmp_path / "judge"))
    with JudgeServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        bench = Bench(tmp_path, STUDY.replace("judge: reference_overlap", f"judge: {REWARD}"))
        bench.run()
        (alone,) = [r for r in csv.DictReader(bench.csv().decode().splitlines()) if r["task"] == "rules"]
        assert alone["judge"] == "reward_model" and alone["judge_model"].startswith("sha256:") and not server.requests
        before = judgements(bench, "reward_model-*")
        assert before and alone["jury_alpha"] == "" and float(alone["win_rate_pct"]) not in (0, 50, 100)

        bench.write(STUDY.replace("judge: reference_overlap", JURY))
        dry = bench.run("--dry-run")
        assert re.search(r"^judge alpaca: \d+ judgements; about ", dry, re.MULTILINE), dry
        assert re.search(r"^judge reward_model: 0 judgements, \d+ more are known already; ", dry, re.MULTILINE), dry
        assert "jury: 2 judges, 1 of them paid; no price of it is known" in dry
        bench.run()
        (row,) = [r for r in csv.DictReader(bench.csv().decode().splitlines()) if r["task"] == "rules"]
        assert judgements(bench, "reward_model-*") == before and len(judgements(bench, "alpaca-*")) > 0
        assert row["judge"] == "jury" and row["judge_model"] == f"reward_model:{alone['judge_model']} + alpaca:m"
        each = list(map(float, row["jury_win_rates_pct"].split()))
        assert each[0] == pytest.approx(float(alone["win_rate_pct"]), abs=0.051)
        assert sum(each) / 2 == pytest.approx(float(row["win_rate_pct"]), abs=0.051)
        assert -1 <= float(row["jury_alpha"]) <= 1 and 0 <= float(row["jury_agreement"]) <= 1
        (page,) = bench.store.glob("results/*.html")
        assert "the judges of the jury give the same verdict to" in page.read_text()
        assert not list(bench.store.glob(".judged/jury-*/*.jsonl"))
        num = len(server.requests)
        assert "0 jobs run" in bench.run() and len(server.requests) == num


def judgements(bench: Bench, judge: str) -> list[str]:
    found = [line for p in bench.store.glob(f".judged/{judge}/*.jsonl") for line in p.read_text().splitlines()]
    return sorted(json.loads(line)["key"] for line in found)
