"""Arms that are compared with each other: from the study's YAML to the ranking in its CSV, page and terminal."""

import csv
import json

import pytest

from winsweep import arm_ranking
from winsweep.costs import pairs_cost
from winsweep.errors import BadStudy
from winsweep.report.contents import contents
from winsweep.results import publish_analyses
from winsweep.stats.bradley_terry import HALF, LOSES, WINS
from winsweep.stats.columns import RANKING
from winsweep.study.cell import Comparison
from winsweep.workspace import open_workspace

from .conftest import TINY, Bench

ALL = TINY.replace("compare: {", "compare: {all_pairs: true, ")
SMALL = "\n".join(line for line in ALL.replace("seeds: [1, 2]", "seeds: [1]").splitlines() if "  sum:" not in line)


def opened(tmp_path, text: str):
    (tmp_path / "study.yaml").write_text(text)
    return open_workspace(tmp_path / "study.yaml", tmp_path / "runs")


def test_every_two_arms_meet_once_and_what_a_cell_asks_for_is_not_asked_again(tmp_path):
    plain, asked = opened(tmp_path, TINY), opened(tmp_path, ALL)
    assert {label: a.key for label, a in plain.judged.items()} == {label: a.key for label, a in asked.judged.items()}
    assert plain.wanted[0].key == asked.wanted[0].key
    met = [(p.first.task, p.second.task, p.first.seed) for p in asked.study.pairs]
    assert len(met) == 2 * 6 and all((p.first.seed, p.first.model) == (p.second.seed, "a") for p in asked.study.pairs)
    # base and rules have one set of outputs, and three comparisons of each seed are those of the table
    assert len(asked.analyses) == 2 * 2 + 1
    assert all(isinstance(a.ask, Comparison) and a.stage == "judge" for a in asked.study.analyses.values())


def test_the_dry_run_says_what_the_pairs_cost(tmp_path):
    asked = opened(tmp_path, ALL.replace("reference_overlap", "{from: alpaca, model: gpt-4.1, both_orders: false}"))
    told, of_these = pairs_cost.lines(asked, asked.plan(asked.facts()))
    assert told == "all_pairs: 11 comparisons of two arms, k (k - 1) / 2 of k arms; 5 of them beside the table's"
    assert of_these.startswith("of these: judge alpaca: 5 comparisons whose instructions cannot be counted yet")
    plain = opened(tmp_path, TINY)
    assert not pairs_cost.lines(plain, plain.plan(plain.facts()))


def test_models_meet_where_that_is_asked_for(tmp_path):
    two = ALL.replace(
        "adapters:", "  b: {pretrain: {seed: 1, num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}\nadapters:"
    )
    within, across = opened(tmp_path, two), opened(tmp_path, two.replace("all_pairs: true", "all_pairs: models"))
    assert (len(within.study.pairs), len(across.study.pairs)) == (2 * 2 * 6, 2 * 28)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            ALL.replace("all_pairs: true", "all_pairs: some"),
            "all_pairs: found the text 'some'; true .*models.* and false",
        ),
        (ALL.replace("all_pairs: true", "all_pairs: 1"), "all_pairs: found 1; true"),
        (
            "\n".join(
                line for line in ALL.splitlines() if not line.startswith(("  base:", "  rules:", "  sum:", "adap"))
            ),
            "found 1 arm, and none that another .* two arms .* add an arm",
        ),
    ],
)
def test_what_is_refused(tmp_path, text, told):
    with pytest.raises(BadStudy, match=told):
        opened(tmp_path, text)


def test_from_the_study_to_the_ranking(tmp_path):
    bench = Bench(tmp_path, SMALL)
    said = bench.run()
    assert "may be rank" in said and "wins %: expected against an arm of average strength" in said
    path = bench.store / "results/tiny.ranking.csv"
    with open(path, newline="") as f:
        rows = list(csv.DictReader(f))
    assert list(rows[0]) == list(RANKING)
    assert {r["arm"] for r in rows} == {"base", "rules", "ins"} and [r["rank"] for r in rows] == list("122")
    known = [float(r["strength"]) for r in rows if r["note"] not in (WINS, LOSES)]
    assert len(known) == 2 and abs(sum(known)) < 1e-9  # base and rules: one set of outputs, the same rank
    assert all(float(r["win_rate_low_pct"]) <= float(r["win_rate_pct"]) <= float(r["win_rate_high_pct"]) for r in rows)
    workspace = open_workspace(bench.study, bench.store)
    assert [r["arm"] for r in contents(workspace)["ranking"]] == [r["arm"] for r in rows]
    page = (bench.store / "results/tiny.html").read_text()
    assert "Arms against each other" in page and '"ranking":[{"model":"a"' in page
    before = path.stat().st_mtime_ns
    publish_analyses(workspace)
    assert path.stat().st_mtime_ns == before
    one = next(bench.store.glob("judge/*against*/annotations.json"))
    assert len(json.loads(one.read_bytes())) == 60


def test_the_terminal_says_what_is_only_a_bound():
    ends = {"win_rate_pct": 98.0, "win_rate_low_pct": 80.0, "win_rate_high_pct": 100.0, "rank_low": 1, "rank_high": 1}
    rows = [
        {"rank": 1, "model": "m", "arm": "a", "note": WINS} | ends,
        *({"rank": 2, "model": "m", "arm": arm, "note": HALF} | ends for arm in "bc"),
    ]
    told = " ".join(line.strip() for line in arm_ranking.lines(rows))
    assert f"note: m a {WINS}" in told and told.count(f"note: {HALF}") == 1


def test_a_run_that_nobody_reads_ends_without_a_traceback(tmp_path):
    bench = Bench(tmp_path, SMALL)
    run = bench.start("--only", "a.base.s1")
    run.stdout.close()
    said = run.stderr.read()
    run.stderr.close()
    assert run.wait(timeout=120) == 1
    assert "nobody reads what the run says" in said and "Traceback" not in said and "BrokenPipe" not in said
