"""AlpacaEval's annotator over HTTP as a stage of a study: what was paid is kept, what failed is named, the key is
nowhere.
"""

import json
import subprocess
import sys

import pytest

from tests.judge.server import JudgeServer
from tests.local.conftest import ROOT, TINY, Bench

KEY = "sk-never-to-be-written-anywhere"
STUDY = TINY.replace(
    "judge: reference_overlap", "judge: {from: alpaca, model: local-judge, both_orders: false}"
).replace("seeds: [1, 2]", "seeds: [1]")
STUDY = "\n".join(line for line in STUDY.splitlines() if not line.startswith(("  base:", "  sum:")))


@pytest.fixture
def server(monkeypatch):
    with JudgeServer() as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield running


def test_a_study_is_judged_over_http_and_goes_on_where_it_failed(tmp_path, server):
    bench = Bench(tmp_path, STUDY)
    server.choose = lambda prompt, nth: "ok" if sum(server.paid.values()) < 20 else "quota"
    said = bench.run(code=1)
    assert (
        "judge weighted_alpaca_eval_gpt4_turbo with local-judge: the endpoint says HTTP 429 insufficient_quota" in said
        and "add credit to the account of OPENAI_API_KEY, or set another key; then type the same command" in said
    )
    assert [e["kind"] for e in ends(bench)] == ["judge refused"] * num_refused(bench) and sum(
        server.paid.values()
    ) == 20
    before = len(server.requests)
    bench.run(code=1)  # nothing is asked again by itself
    assert len(server.requests) == before and len(ends(bench)) == num_refused(bench)
    server.choose = lambda prompt, nth: "ok"
    assert "2 of 2 cells" in bench.run("--retry-failed")
    rows = [row for path in bench.store.glob("judge/*/annotations.json") for row in json.loads(path.read_bytes())]
    assert (
        len(rows) == 2 * 60
        and {r["model"] for r in rows} == {"local-judge"}
        and all(1 <= r["preference"] <= 2 for r in rows)
    )
    assert max(server.paid.values()) == 1  # whatever was answered before the purse was empty
    assert b"local-judge" in bench.csv()
    written = [p for p in bench.store.rglob("*") if p.is_file()]
    assert len(written) > 40 and not [p for p in written if KEY.encode() in p.read_bytes()]
    another_study_asks_only_what_is_new(bench, server)


def another_study_asks_only_what_is_new(bench: Bench, server: JudgeServer) -> None:
    """Both orders of the same cells: one of the two is in the ledger, also after pruning."""
    before = sum(server.paid.values())
    bench.write(
        STUDY.replace("both_orders: false", "both_orders: true, limits: {in_flight: 8}").replace(
            "name: tiny", "name: other"
        )
    )
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "launch/prune.py"),
            str(bench.study),
            "--store",
            str(bench.store),
            "--yes",
            "--others",
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "removed" in done.stdout and not list(bench.store.glob("judge/*/annotations.json"))
    assert f"judge alpaca: {before} judgements, {before} more are known already" in bench.run("--dry-run")


def test_a_refusal_is_tried_once_and_a_rest_passes_by_itself(tmp_path, server):
    bench = Bench(tmp_path, STUDY)
    server.choose = lambda prompt, nth: "404"
    said = bench.run(code=1)
    assert "HTTP 404 Not Found" in said and "name a model in judge: that the endpoint serves" in said
    assert [e["kind"] for e in ends(bench)] == ["judge refused"] * num_refused(bench) and not sum(server.paid.values())
    server.choose = lambda prompt, nth: "429 long" if not rested and not rested.append(prompt) else "ok"
    rested: list[str] = []
    assert "2 of 2 cells" in bench.run("--retry-failed")
    kinds = [e["kind"] for e in ends(bench)]
    assert kinds == ["judge"] and max(server.paid.values()) == 1


def num_refused(bench: Bench) -> int:
    """Judgements with an attempt that did not end well; so many such ends are one of each."""
    found = bench.store.glob(".work/judge/*/ends/*.json")
    return len({p.parent for p in found if json.loads(p.read_bytes())["kind"] not in ("done", "already")})


def ends(bench: Bench) -> list[dict]:
    """End records of attempts at judging that did not end well."""
    found = [json.loads(p.read_bytes()) for p in bench.store.glob(".work/judge/*/ends/*.json")]
    return [e for e in found if e["kind"] not in ("done", "already")]
