"""What a report says is what the table says; what is missing is said, and the rest is shown."""

import json
import shutil
from pathlib import Path

import pytest

from tests.report.made_store import HEAD, RECORD, drawn_row, make, study_text
from winsweep.report.contents import contents
from winsweep.stats.safe_csv import show
from winsweep.store import manifest
from winsweep.study.cell import judge_of
from winsweep.trackers.runs import Logs, runs
from winsweep.workspace import Workspace, open_workspace

OF = HEAD.replace("  base: {rules: []}\n", "  base: {rules: []}\n  sums: {of: ins, grammar: {regex: '[0-9]+'}}\n")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make(tmp_path_factory.mktemp("made"), study_text(4))


@pytest.fixture(scope="module")
def found(whole: Workspace) -> dict:
    return contents(whole)


def seen(folder: Path, text: str, row=drawn_row, **options) -> dict:
    """The contents of a study whose store was made; as JSON, so that nothing in them is anything else."""
    return json.loads(json.dumps(contents(make(folder, text, row=row, **options)), allow_nan=False))


def test_arms_are_the_rows_of_the_table(found):
    assert [a["name"] for a in found["arms"]] == ["base", "ins", "t0", "t1", "t2", "t3"]
    for arm in found["arms"]:
        row = found["rows"][arm["row"]]
        assert (row["task"], row["seed"], row["num_seeds"]) == (arm["task"], "mean", "2")
        assert [found["rows"][i]["seed"] for i in arm["cells"]] == ["1", "2"] == [s["seed"] for s in arm["seeds"]]
        for name in ("paired_win_rate_pct", "paired_low_pct", "lc_win_rate_pct", "mean_chars", "share_ties"):
            assert show(float(arm[name])) == row[name]
    assert [a["is_reference"] for a in found["arms"]] == [False, True, False, False, False, False]


def test_the_table_worked_out_here_is_the_one_that_the_stage_makes(whole, found, tmp_path):
    shutil.copytree(whole.store.root, tmp_path / "runs")
    again = open_workspace(whole.study.path, tmp_path / "runs")
    assert found["state"]["table_key"] == "" and found["state"]["is_whole"]
    from winsweep.attempt.job import Job
    from winsweep.placement import Placement
    from winsweep.stats.table import write

    table = again.table(set(again.judged))
    made = again.store.root / table.name
    made.mkdir(parents=True)
    inputs = {name: again.store.find(a.key) for name, a in table.inputs.items()}
    write(Job(table.name, table.plain_params, inputs, made, made, Placement()))
    (made / "record.json").write_text("{}")
    manifest.seal(made)
    published = contents(again)
    assert published["state"]["table_key"] == table.key and published["rows"] == found["rows"]
    assert published["differences"] == found["differences"]


@pytest.mark.parametrize("name", ["categories", "lengths"])
def test_groups_weighted_by_their_rows_are_the_plain_win_rate(found, name):
    for arm in found["arms"]:
        rates = [r for r in found[name]["rates"] if r["arm"] == arm["id"]]
        assert sum(r["n"] for r in rates) == arm["n"] == 60
        assert sum(r["n"] * r["win_rate_pct"] for r in rates) / 60 == pytest.approx(arm["win_rate_pct"], abs=1e-5)


def test_what_is_not_judged_is_named_and_the_rest_is_shown(whole, tmp_path):
    shutil.copytree(whole.store.root, tmp_path / "runs")
    half = open_workspace(whole.study.path, tmp_path / "runs")
    for label in ("m.t3.s1", "m.t3.s2", "m.t2.s2"):
        shutil.rmtree(half.store.find(half.judged[label].key))
    found = contents(half)
    assert found["state"] | {"missing": 0} == {
        "cells": 12,
        "judged": 9,
        "is_whole": False,
        "missing": 0,
        "table_key": "",
        "table_note": "this table is not in results/ yet: it was worked out for this report",
    }
    assert [(m["cell"], m["stage"], m["state"]) for m in found["state"]["missing"]] == [
        ("m.t2.s2", "judge", "ready"),
        ("m.t3.s1", "judge", "ready"),
        ("m.t3.s2", "judge", "ready"),
    ]
    assert [a["name"] for a in found["arms"]] == ["base", "ins", "t0", "t1", "t2"]
    assert len(found["arms"][-1]["seeds"]) == 1 and found["answer"].startswith("So far: ")
    assert found["notes"][0]["text"] == "3 of 12 cells are not judged yet"
    for label in half.judged:
        shutil.rmtree(half.store.root / half.judged[label].name, ignore_errors=True)
    nothing = contents(half)
    assert nothing["answer"] == "No cell is judged yet, so there is no answer." and not nothing["arms"]


def test_a_failure_and_its_reason_are_told(whole, tmp_path):
    shutil.copytree(whole.store.root, tmp_path / "runs")
    half = open_workspace(whole.study.path, tmp_path / "runs")
    lost = half.judged["m.t1.s1"]
    shutil.rmtree(half.store.find(lost.key))
    claim = half.store.claim(lost.key, "host@1@0.0@token", lambda owner: False)
    claim.end({"kind": "judge refused", "reason": "<b>no money</b>", "progress": 0, "seconds": 3600.0})
    (half.store.work(lost.key) / "spec.json").write_text('{"placement": {"ranks": 1, "gpus_per_rank": 4}}')
    found = contents(half)
    assert found["state"]["missing"][0]["state"] == "failed"
    assert any("<b>no money</b>" in note["text"] for note in found["notes"] if note["kind"] == "warning")
    judged = next(s for s in found["cost"]["stages"] if s["stage"] == "judge")
    assert (judged["failed"], judged["failed_gpu_hours"]) == (1, 4.0)


def test_gpu_hours_are_those_of_the_records(found):
    tuned = next(s for s in found["cost"]["stages"] if s["stage"] == "finetune")
    assert (tuned["num"], tuned["hours"], tuned["gpu_hours"]) == (10, 5.0, 10.0)
    assert found["cost"]["judges"] == [] and list(found["cost"]["devices"]) == ["NVIDIA H100 x1"]


def test_a_paid_judge_s_dollars_are_of_each_judgement_once(tmp_path):
    from winsweep.judge.ledger import Ledger, place
    from winsweep.judge.questions import Judgement, ask_about

    paid = HEAD.replace("judge: reference_overlap", "judge: {from: alpaca, model: gpt-4.1, both_orders: false}")
    row = lambda a, n: {"output_1": "a", "output_2": f"b{n}", "preference": 2.0}
    workspace = make(tmp_path, study_text(1, head=paid), row=row)
    known = {}
    for a in workspace.judged.values():
        judge = judge_of(a)
        folder, identity = place(workspace.store.root, judge.name, judge.version, a.plain_params["identity"])
        rows = json.loads((workspace.store.find(a.key) / "annotations.json").read_bytes())
        known |= {shown.question: None for row in rows for shown in ask_about(row, "hash")}
    ledger = Ledger(folder, identity)
    for question in known:
        ledger.add(question, Judgement(1.5, {}, tokens=(1000, 100)))
    ledger.close()
    spent = contents(workspace)["cost"]["judges"][0]
    assert (spent["judgements"], spent["asked"]) == (60, 6 * 60) and len(known) == 60
    assert spent["dollars"] == pytest.approx(len(known) * (1000 * 2 + 100 * 8) / 1e6)


def test_curves_are_thinned_and_keep_their_ends(found):
    assert len(found["curves"]) == 10 and all(len(c["step"]) == 100 == len(c["loss"]) for c in found["curves"])
    curve = found["curves"][0]
    assert (curve["steps"], curve["every"], curve["first_loss"]) == (300, 3, 2.0)
    assert curve["loss"][0] == pytest.approx((2 + 2 / 2**0.5 + 2 / 3**0.5) / 3, rel=1e-4)


def test_a_curve_is_named_for_the_task_that_was_trained(tmp_path):
    made = make(tmp_path, study_text(1, [1], OF))
    named = [(c["task"], c["name"], c["cells"]) for c in contents(made)["curves"]]
    assert named == [("ins", "m.ins.s1", ["m.sums.s1", "m.ins.s1"]), ("t0", "m.t0.s1", ["m.t0.s1"])]
    told = {run.name: (run.kind, bool(run.rows)) for run in runs(made, Logs())}
    assert told == {"m.ins.s1": ("training", True), "m.t0.s1": ("training", True)}


def test_an_arm_of_low_rank_and_one_under_a_grammar_are_told(tmp_path):
    text = study_text(1, [1], OF) + "  low: {from: toy, num_examples: 5, recipe: {lora: {rank: 8}}}\n"
    told = {a["name"]: (a["lora_rank"], a["has_grammar"]) for a in seen(tmp_path, text)["arms"]}
    free = (None, False)
    assert told == {"base": free, "sums": (None, True), "ins": free, "t0": free, "low": (8, False)}


def test_the_versions_of_what_trains_adapters_and_constrains_answers_are_told(tmp_path, monkeypatch):
    packages = {"torch": "2.13.0", "peft": "0.17.0", "llguidance": "1.2.0"}
    monkeypatch.setitem(RECORD, "packages", packages)
    assert seen(tmp_path, study_text(1, [1]))["provenance"]["packages"].keys() == packages.keys()


def test_provenance_names_no_host_and_no_secret(tmp_path):
    text = study_text(1) + "notes: see https://me:word@example.org/x?sig=abc and sk-abcdefghijklmnopqrstuv  # hunter2\n"
    found = seen(tmp_path, text)
    said = found["provenance"]["study_text"]
    assert "see https://…@example.org/x?… and …" in said and "hunter2" not in said
    assert str(tmp_path) not in json.dumps(found["provenance"]) and "num_examples: 8" in said


def test_provenance_names_what_a_mix_is_of(tmp_path):
    mixed = "  both: {mix: {t0: 0.25, ins: 0.75}, rows: 4}\n  drawn: {from: toy, sample: {rows: 5, seed: 3}}\n"
    found = seen(tmp_path, study_text(1) + mixed)["provenance"]["data"]
    told = {d["name"]: d["what"] for d in found}
    assert told["both"] == "a mix of 25% t0, 75% ins, seed 0" and told["t0"] == "read by toy, version 1"
    assert told["drawn"] == "read by toy, version 1, sample of 5 rows, seed 3"


@pytest.mark.parametrize("num_seeds", [1, 2])
def test_one_arm_of_one_model(tmp_path, num_seeds):
    head = HEAD.replace("adapters:\n  base: {rules: []}\n", "")
    found = seen(tmp_path, study_text(1, range(1, num_seeds + 1), head))
    assert found["question"].startswith("How does t0 of m compare with “ins”, on 60 instructions judged by ")
    assert "of its comparisons at equal length: " in found["answer"] and "(p " in found["answer"]


def test_all_ties(tmp_path):
    same = {"output_1": "x", "output_2": "x", "preference": 1.5}
    found = seen(tmp_path, study_text(2), row=lambda a, n: same)
    assert found["answer"] == "Every comparison of every arm is a tie, so nothing tells an arm from its reference."
    assert {a["paired_low_pct"] for a in found["arms"]} == {50.0} and found["differences"] == []


def test_no_categories_and_instructions_of_one_length(tmp_path):
    row = lambda a, n: drawn_row(a, n) | {"dataset": None}
    found = seen(tmp_path, study_text(1), row=row, instruction=lambda n: f"instruction {n:03d}")
    assert found["categories"]["rates"] == [] == found["lengths"]["rates"]


def test_texts_of_any_kind_are_counted(tmp_path):
    long = "ب🦊" * 50_000
    row = lambda a, n: drawn_row(a, n) | {"output_2": long if n else "\u202e\x00 half \ud800", "dataset": f"<i>{n % 2}"}
    found = seen(tmp_path, study_text(1), row=row)
    assert found["arms"][0]["mean_chars"] > 90_000 and found["categories"]["names"] == ["<i>0", "<i>1"]


def test_a_loss_that_rises_and_a_judge_that_goes_by_the_order_are_warnings(tmp_path):
    row = lambda a, n: drawn_row(a, n) | {"preference": 1.5, "preferences_by_order": [1.2, 1.8]}
    workspace = make(tmp_path, study_text(2, (1,)), row=row)
    lines = {"m.t0.s1": [1.0, 2.0, 3.0], "m.t1.s1": [1.0, float("nan"), 0.5]}
    for label, loss in lines.items():
        path = next((workspace.store.root / "finetune").glob(f"{label}-*")) / "log.jsonl"
        path.write_text("".join(json.dumps({"step": n, "loss": v, "lr": 1e-3}) + "\n" for n, v in enumerate(loss, 1)))
    found = {n["text"]: n["of"] for n in contents(workspace)["notes"] if n["kind"] == "warning"}
    assert found["the training loss was not a number at some step"] == ["m.t1.s1"]
    assert found["the training loss ended above where it began"] == ["m.t0.s1"]
    order = "the judge goes by the order: an answer wins up to 60 points more when it is shown first"
    assert "m.t0" in found[order]
