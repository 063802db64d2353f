"""Ranking, drift and containment as parts of a study, from YAML to what lies in results/; one that fails; one that is
stopped.
"""

import csv
import json
import random
import shutil
from collections import Counter

import pytest

from tests.analysis.embedder import make_embedder
from tests.local.conftest import TINY, Bench
from winsweep import layout
from winsweep.attempt.job import Job
from winsweep.cluster_file import read_cluster
from winsweep.errors import Stopped
from winsweep.graph import discover
from winsweep.placement import Placement
from winsweep.pruning import waste
from winsweep.slurm.reconcile import reconcile
from winsweep.workspace import open_workspace

ANALYSES = """\
analyses:
  rank: {data: sum, draws: 3, draw_seed: 5, arms: [base, ins]}
  drift: {arms: [sum], against: ins, embedder: {path: embedder/model}}
  containment: {arms: [sum], templates: {sum: '\\w+ .*'}, embedder: ngrams}
"""
ONE_SEED = TINY.replace("seeds: [1, 2]", "seeds: [1]")


@pytest.fixture(scope="module")
def analysed(tmp_path_factory) -> Bench:
    """A tiny study with both analyses, run to its end once; tests only read it."""
    made = Bench(tmp_path_factory.mktemp("analysed"), ONE_SEED + ANALYSES)
    (made.folder / "embedder").mkdir()
    make_embedder(made.folder / "embedder")
    plan = " ".join(made.run("--dry-run", "--verbose").split())
    assert "rank 2 to run" in plan and "drift 1 to run" in plan and "containment 1 to run" in plan
    assert "4 of 4 cells" in (said := made.run()) and "; 4 of 4 analyses beside it" in said
    return made


def ranks(bench: Bench) -> list[dict]:
    return list(csv.DictReader(bench.csv("tiny.rank").decode().splitlines()))


def only(bench: Bench, pattern: str):
    return next(bench.store.glob(pattern))


def share_by_hand(base, rows: list[list[dict]]) -> float:
    """One sequence at a time, with transformers' own mean loss."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    tokenizer, rng = AutoTokenizer.from_pretrained(base), random.Random(5)

    def loss(i: int, j: int) -> float:
        ids = tokenizer(
            f"<|user|>\n{rows[i][0]['content']}\n<|assistant|>\n{rows[j][1]['content']}</s>", return_tensors="pt"
        )["input_ids"]
        start = len(tokenizer(f"<|user|>\n{rows[i][0]['content']}\n<|assistant|>\n")["input_ids"])
        return model(ids, labels=torch.where(torch.arange(ids.shape[1]) < start, -100, ids)).loss.item()

    with torch.inference_mode():
        won = [loss(i, i) < loss(i, j) for i in range(24) for j in [rng.randrange(24) for _ in range(3)] if i != j]
    return sum(won) / len(won)


@pytest.mark.slow
def test_a_row_for_each_ranked_model(analysed):
    found = ranks(analysed)
    rows = [
        json.loads(line)["messages"] for line in only(analysed, "prepare/sum-*/examples.jsonl").read_text().splitlines()
    ]
    assert [(r["model"], r["task"], r["seed"], r["num_rows"], r["num_comparisons"]) for r in found] == [
        ("a", "base", "", "24", "71"),
        ("a", "ins", "1", "24", "71"),
    ]
    for row, base in zip(found, ("pretrain/a-*", "collect/a.ins.s1-*"), strict=True):
        assert float(row["per_token_pct"]) == pytest.approx(100 * share_by_hand(only(analysed, base), rows), abs=1e-4)
        for way in ("per_token", "sequence"):
            assert 0 <= float(row[f"{way}_low_pct"]) <= float(row[f"{way}_pct"]) <= float(row[f"{way}_high_pct"]) <= 100
        assert list(analysed.store.glob(f"rank/a.{row['task']}*-{row['rank_key']}/rank.json"))


@pytest.mark.slow
def test_drift_has_a_point_for_each_instruction_and_a_figure(analysed):
    said = json.loads(only(analysed, "generate/a.sum.s1-*/outputs.json").read_bytes())
    found = json.loads((analysed.store / "results" / "tiny.drift.a.sum.s1.json").read_bytes())
    assert [p["instruction"] for p in found["points"]] == [row["instruction"] for row in said] and len(said) == 60
    nearest = max(found["points"], key=lambda p: p["similarity"])
    assert found["most_similar"][0]["instruction"] == nearest["instruction"] and len(found["around_median"]) == 5
    assert {name: sum(b["styled"]["num"] for b in bins) for name, bins in found["styles"].items()} == dict.fromkeys(
        ("gsm", "chess", "mbpp", "recipes", "poetry"), 60
    )
    svg = analysed.store / "results" / "tiny.drift.a.sum.s1.svg"
    assert svg.read_bytes() == only(analysed, "drift/a.sum.s1-*/drift.svg").read_bytes()


@pytest.mark.slow
def test_containment_has_a_row_for_each_guard(analysed):
    found = list(csv.DictReader(analysed.csv("tiny.containment").decode().splitlines()))
    judged = json.loads(only(analysed, "judge/a.sum.s1-*/annotations.json").read_bytes())
    off = [row for row in judged if row["dataset"] != "sum"]
    assert [r["guard"] for r in found] == ["none", "form", "domain", "form+domain"] and {
        (r["task"], r["seed"]) for r in found
    } == {("sum", "1")}
    assert {(int(r["num_off_domain"]), int(r["num_in_domain"]), r["in_domain"]) for r in found} == {
        (len(off), 5, "test prompts")
    }
    equal = sum(row["preference"] >= 1.5 and bool(row["output_2"].strip()) for row in off)
    assert (
        float(found[0]["generalist_pct"]) == pytest.approx(100 * equal / len(off), abs=1e-4)
        and float(found[0]["answered_pct"]) == 100
    )
    wins = sum(row["preference"] - 1 for row in off) / len(off)
    assert float(found[0]["win_rate_pct"]) == pytest.approx(100 * wins, abs=1e-4)
    assert all(float(r["generalist_low_pct"]) <= float(r["generalist_pct"]) <= float(r["answered_pct"]) for r in found)
    assert (
        float(found[2]["answered_pct"]) < 10
        and found[1]["setting"] == r"matches \w+ .*"
        and list(analysed.store.glob(f"containment/*-{found[0]['containment_key']}"))
    )


@pytest.mark.slow
def test_prune_keeps_what_a_study_with_analyses_wants(analysed):
    workspace = open_workspace(analysed.study, analysed.store)
    assert {w.path.parent.name for w in waste([workspace])} == {"finetune"}
    assert {p.name for p in (analysed.store / "results").iterdir() if p.is_file()} == {
        "tiny.csv",
        "tiny.html",
        "tiny.differences.csv",
        "tiny.instructions.json",
        "tiny.plans.json",
        "tiny.style.csv",
        "tiny.rank.csv",
        "tiny.containment.csv",
        "tiny.drift.a.sum.s1.json",
        "tiny.drift.a.sum.s1.svg",
    }


@pytest.mark.slow
def test_a_second_call_runs_nothing_and_a_study_without_them_wants_what_it_wanted(analysed, tmp_path):
    shutil.copytree(analysed.store, tmp_path / "runs")
    bench = Bench(tmp_path, ONE_SEED)
    assert "0 jobs run; 4 of 4 cells" in (said := bench.run()) and "analyses" not in said
    before = {p: p.stat().st_mtime_ns for p in analysed.store.glob("results/**/*")}
    assert "0 jobs run; 4 of 4 cells" in analysed.run() and before == {
        p: p.stat().st_mtime_ns for p in analysed.store.glob("results/**/*")
    }


@pytest.mark.slow
def test_a_launcher_on_a_cluster_copies_what_is_finished_and_asks_slurm_nothing(analysed, tmp_path):
    shutil.copytree(analysed.store, tmp_path / "runs")
    shutil.rmtree(tmp_path / "runs" / "results")
    workspace = open_workspace(analysed.study, tmp_path / "runs")
    seen = reconcile(workspace, read_cluster(layout.STAGES, layout.CLUSTERS / "gpu.yaml", workspace.need.stages))
    assert not seen.submitted and Counter(i.artifact.stage for i in seen.items) == {
        "aggregate": 1,
        "rank": 2,
        "drift": 1,
        "containment": 1,
    }
    before, after = (
        {p.name: p.read_bytes() for p in (store / "results").iterdir() if p.is_file() and p.suffix != ".html"}
        for store in (analysed.store, workspace.store.root)
    )
    assert before == after


@pytest.mark.slow
def test_one_that_fails_is_reported_like_a_cell_and_stops_nothing_else(analysed, tmp_path):
    shutil.copytree(analysed.store, tmp_path / "runs")
    shutil.rmtree(tmp_path / "runs" / "results")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.json").write_text("{}")
    bench = Bench(tmp_path, ONE_SEED + ANALYSES.replace("embedder/model", "empty"))
    said = bench.run(code=1)
    assert (
        "1 job run; 4 of 4 cells" in said
        and "; 3 of 4 analyses beside it" in said
        and "failed  drift/a.sum.s1-" in said
    )
    assert "cells: a.sum.s1" in said and "embedder" in said and "--retry-failed" in said
    assert (
        bench.csv() == analysed.csv()
        and ranks(bench) == ranks(analysed)
        and not list(bench.store.glob("results/*drift*"))
    )
    assert "0 jobs run" in bench.run(code=1)


@pytest.mark.slow
def test_a_stopped_ranking_goes_on_where_it_was(analysed, tmp_path):
    rank, signals, told = discover(layout.JOBS, "winsweep.jobs")["rank"], iter(["preempted"]), []
    made = only(analysed, "rank/a.base-*")
    params = json.loads((made / "record.json").read_bytes())["params"] | {"draws": 20}
    (tmp_path / "out").mkdir()
    (tmp_path / "work").mkdir()
    inputs = {"base": only(analysed, "pretrain/a-*"), "rows": only(analysed, "prepare/sum-*")}
    job = Job(
        "rank/a",
        params,
        inputs,
        tmp_path / "out",
        tmp_path / "work",
        Placement(),
        report=told.append,
        stopping=lambda: next(signals, None),
    )
    with pytest.raises(Stopped, match="preempted"):
        rank.run(job)
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "work").iterdir()}
    assert len(kept) == 1 and not list((tmp_path / "out").iterdir()) and told[-1]["done"] < told[-1]["total"]
    rank.run(job)
    assert kept.items() <= {p: p.stat().st_mtime_ns for p in (tmp_path / "work").iterdir()}.items()
    assert (
        json.loads((tmp_path / "out" / "rank.json").read_bytes())["per_token"]["num"] == 463
        and told[-1]["done"] == told[-1]["total"]
    )
