"""Where a card is seen: calibrated columns, the report, the dry run, the notes; and what it does not move."""

import hashlib
import json
import random
import subprocess
import sys

import pytest

from tests.report.made_store import make, study_text
from tests.report.read_study import ASKED, read_study, rows_of
from tests.report.readable import report
from tests.validation.voted import card_of, pairs, validate, write
from winsweep import judge_card
from winsweep.artifact import closure
from winsweep.report.contents import contents
from winsweep.report.files import report_key
from winsweep.report.page import page
from winsweep.stats import columns
from winsweep.stats.calibration import calibrated_pct, of_plain
from winsweep.stats.safe_csv import to_csv
from winsweep.study.cell import judge_of
from winsweep.table_view import table_text
from winsweep.validation import card, known, making
from winsweep.validation.asking import Took, Views
from winsweep.workspace import Workspace, open_workspace

TOOK = Took(100, 100, 12.0, 0.5, 800.0)


def made_card(workspace: Workspace, right: float, num: int = 150) -> dict:
    """A card of a judge that is of people's majority with this probability, put where the study's judge has its own."""
    rng, voted = random.Random(3), pairs(num)
    checked = known.pairs(known.rows())
    beaten = Views(checked, [(p.majority,) * 2 for p in checked], "hash")
    wins = [tuple(p.majority if rng.random() < right else 1 - p.majority for _ in (0, 1)) for p in voted]
    a = next(iter(workspace.judged.values()))
    found = {
        "format": card.FORMAT,
        "judge": "reference_overlap",
        "version": judge_of(a).version,
        "identity": a.plain_params["identity"],
        "made": "2026-11-29T00:00:00+00:00",
        "check": making.of_check(beaten, TOOK),
        "votes": making.of_votes(Views(voted, wins, "hash"), TOOK, [{"name": "people <b>.json"}]),
    }
    card.write(card.place(workspace.store.root, judge_of(a), a.plain_params["identity"]), found)
    return json.loads(json.dumps(found))


def to_file(path, rows: list[dict]):
    path.write_text(to_csv(list(rows[0]), rows), encoding="utf-8")
    return path


def again(workspace: Workspace) -> Workspace:
    return open_workspace(workspace.study.path, workspace.store.root)


@pytest.fixture
def study(tmp_path):
    return make(tmp_path, study_text(2), num=30)


def test_without_a_card_the_table_is_as_before_and_it_is_said(study):
    found = contents(study)
    assert not set(columns.CALIBRATED) & set(found["columns"])
    assert found["judge_card"]["line"] == "Nobody has looked at how good this judge is: it has no card."
    said = [n["text"] for n in found["notes"] if n["kind"] == "warning"]
    assert any(t.startswith("judge reference_overlap has no card") and "--study" in t for t in said)
    assert judge_card.figures(study) == [] and "calibration" not in study.table(set(study.judged)).plain_params


def test_a_card_gives_calibrated_columns_and_moves_no_cell(study, tmp_path):
    before, key = {a.key for a in study.order if a.stage != "aggregate"}, report_key(study)
    of = made_card(study, right=0.8)["votes"]["one_order"]["calibration"]
    now = again(study)
    assert {a.key for a in now.order if a.stage != "aggregate"} == before
    assert now.table(set(now.judged)).key != study.table(set(study.judged)).key and report_key(now) != key
    assert {a.stage for a in closure(now.wanted)} == {a.stage for a in closure(study.wanted)}
    found = contents(now)
    names = list(found["columns"])
    assert names.index("win_rate_pct") < names.index("calibrated_win_rate_pct") < names.index("num_seeds")
    for row in found["rows"]:
        if row["task"] == "ins":  # its own reference
            assert row["calibrated_win_rate_pct"] == ""
        elif row["seed"] != "mean":
            rate, error = float(row["win_rate_pct"]), float(row["standard_error_pct"])
            want = calibrated_pct(rate, error, 30, of_plain(of))
            assert [float(row[n]) for n in columns.CALIBRATED] == pytest.approx(want, abs=1e-4)
        else:
            low, high = float(row["calibrated_low_pct"]), float(row["calibrated_high_pct"])
            assert low <= float(row["calibrated_win_rate_pct"]) <= high
    path = to_file(tmp_path / "t.csv", found["rows"])
    assert (
        "calibrated %" in table_text(path, "", 200)
        and "calibrated" not in table_text(path, "", 60).split("not shown")[0]
    )
    plain = contents(study)["rows"]
    kept = [{k: v for k, v in row.items() if k not in columns.CALIBRATED} for row in found["rows"]]
    assert kept == plain


def test_a_judge_by_chance_calibrates_nothing_and_that_is_said(study):
    made_card(study, right=0.5)
    now = again(study)
    assert now.table(set(now.judged)).key == study.table(set(study.judged)).key
    found = contents(now)["judge_card"]
    assert not found["calibrates"]
    assert "It is not better than chance by people's votes, so no win rate is calibrated." in found["against"]
    assert any("is not better than chance" in line for line in judge_card.against(now))


def test_the_card_is_in_the_report(study):
    made_card(study, right=0.8)
    found = contents(again(study))
    assert found["judge_card"]["line"].startswith("The judge: agrees with the majority of people on ")
    assert "one person does so with the others on" in found["judge_card"]["line"]
    figures = dict(found["judge_card"]["figures"])
    assert figures["people's votes"].startswith("450 on 150 pairs of 150 instructions; they contradict in ")
    assert figures["Cohen's kappa"] and figures["1,000 judgements"] == "$0.50, 800 tokens, 12 s"
    assert "people <b>.json" not in page(found).split("<script")[0]
    assert not [n for n in found["notes"] if "has no card" in n["text"]]


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"format": 2}', '{"format": 1, "check": {}, "votes": {"one_order": 3}}']
)
def test_a_damaged_card_is_no_card_and_stops_nothing(study, damage):
    made_card(study, right=0.8)
    (path,) = study.store.root.glob(".judged/*/card-*.json")
    path.write_text(damage)
    found = contents(again(study))
    assert not found["judge_card"]["has_card"] and not set(columns.CALIBRATED) & set(found["columns"])


def test_a_link_in_the_place_of_a_card_is_not_followed(study, tmp_path):
    made_card(study, right=0.8)
    (path,) = study.store.root.glob(".judged/*/card-*.json")
    path.rename(tmp_path / "elsewhere.json")
    path.symlink_to(tmp_path / "elsewhere.json")
    assert not contents(again(study))["judge_card"]["has_card"]


def test_other_options_are_another_card_and_limits_and_orders_are_not(tmp_path):
    from winsweep import named_judge

    def at(words: str):
        judge = named_judge.judge_of(words, tmp_path)
        return card.place(tmp_path, judge, {})

    assert at("reference_overlap") != at("{from: reference_overlap, margin: 0.3}")
    paid = "from: alpaca, model: m"
    assert at(f"{{{paid}}}") == at(f"{{{paid}, limits: {{dollars: 3}}, both_orders: true}}")


def test_a_dry_run_and_status_say_what_is_known_of_the_judge(study, root):
    def typed(command: str, *words: str) -> str:
        where = [str(study.study.path), "--store", str(study.store.root)]
        done = subprocess.run(
            [sys.executable, root / f"launch/{command}.py", *where, *words], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "note: judge reference_overlap has no card" in typed("sweep", "--dry-run")
    assert "note     judge reference_overlap has no card" in typed("status")
    made_card(study, right=0.8)
    said = typed("sweep", "--dry-run")
    assert "judge reference_overlap: agrees with the majority of people on" in said and "no card" not in said
    assert "no card" not in typed("status")


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def test_votes_of_the_reports_reader_are_joined_by_their_digests(tmp_path, monkeypatch, capsys):
    workspace = read_study(tmp_path / "made")
    report(workspace)
    rows = rows_of(workspace)
    cast = [
        {"cell": "m.t0.s1", "row": n, "vote": "cell", "preference": 2, "blind": True, "left": "reference"}
        | {name: digest(rows[n][name]) for name in ("instruction", "output_1", "output_2")}
        for n in range(1, 9)
    ]
    cast[0] |= {"vote": "tie", "preference": 1.5}
    cast[1]["output_2"] = "0" * 16  # an answer that was made again since
    file = write(tmp_path / "study.votes.json", {"format": "winsweep votes", "version": 1, "votes": cast})
    words = ("--study", workspace.study.path, "--store", workspace.store.root, "--votes", file)
    assert validate(monkeypatch, *words) == 0
    assert "1 of its 8 votes are on answers that are not there any more" in capsys.readouterr().err
    found = card_of(workspace.store.root)["votes"]
    assert (found["votes"], found["pairs"], found["tied"]) == (7, 7, 1) and len(ASKED) > 8
    assert validate(monkeypatch, "reference_overlap", "--store", workspace.store.root, "--votes", file) == 2
    assert "legal with --study, whose store has the texts" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"version": 2}, "votes of version 2; legal is version 1"),
        ({"votes": []}, "none of its 0 votes is on answers"),
        ({"votes": [7, {"cell": "m.t0.s1"}]}, "none of its 2 votes is on answers"),
        ({"votes": "x"}, "votes of version 1; legal"),
    ],
)
def test_a_readers_file_of_something_else_is_refused(study, tmp_path, monkeypatch, capsys, change, told):
    file = write(tmp_path / "v.json", {"format": "winsweep votes", "version": 1, "votes": []} | change)
    words = ("--study", study.study.path, "--store", study.store.root, "--votes", file)
    assert validate(monkeypatch, *words) == 2
    assert told in capsys.readouterr().err
