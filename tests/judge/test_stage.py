"""jobs/judge.py by itself: options, limits and weights as a spec hands them over, rows in the order of the
instructions, and how it stops.
"""

import itertools
import json
from pathlib import Path

import pytest

from winsweep import keys, layout
from winsweep.attempt.job import Job
from winsweep.errors import Stopped
from winsweep.graph import load
from winsweep.judge import client
from winsweep.judge.limits import Limits
from winsweep.judges import alpaca, local
from winsweep.placement import Placement
from winsweep.store.fingerprint import fingerprint
from winsweep.study.cell import Judge, LocalFile

from . import server as server_module
from . import tiny
from .pairs import expected, make_pairs

STAGE = load(layout.JOBS / "judge.py", "winsweep.jobs")


def make_job(
    folder: Path, pairs: list[dict], judge: Judge, identity: dict, limits: dict, files: dict, stopping=lambda: None
) -> Job:
    inputs = {}
    for name, side in (("candidate", "output_2"), ("reference", "output_1")):
        inputs[name] = folder / name
        inputs[name].mkdir(parents=True, exist_ok=True)
        rows = [
            {"instruction": p["instruction"], "output": p[side], "generator": name, "num_tokens": 3, "truncated": False}
            for p in pairs
        ]
        (inputs[name] / "outputs.json").write_text(json.dumps(rows[::-1]))
    inputs["instructions"] = folder / "asked"
    inputs["instructions"].mkdir(exist_ok=True)
    (inputs["instructions"] / "instructions.jsonl").write_text(
        "".join(json.dumps({"instruction": p["instruction"]}) + "\n" for p in pairs)
    )
    for name in ("out", "store"):
        (folder / name).mkdir(exist_ok=True)
    params = keys.plain({"judge": judge, "identity": identity})
    return Job(
        "judge/x",
        params,
        inputs,
        folder / "out",
        folder / "work",
        Placement(),
        files,
        folder / "store",
        limits,
        stopping=stopping,
    )


def made(job: Job) -> list[dict]:
    return json.loads((job.out / "annotations.json").read_bytes())


def paid_job(folder: Path, pairs: list[dict], stopping=lambda: None) -> Job:
    asked = alpaca.Options(model="m", limits=Limits(in_flight=2))
    return make_job(folder, pairs, Judge("alpaca", 1, asked), alpaca.identity(asked), vars(asked.limits), {}, stopping)


def test_answers_of_100_000_characters_are_asked_about_and_kept_whole(server, tmp_path):
    pairs = [
        {"instruction": f"Q{n}", "output_1": f"{n} " + "word " * 20_000, "output_2": f"{n} " + "wort " * 20_000}
        for n in range(3)
    ]
    job = paid_job(tmp_path, pairs)
    STAGE.run(job)
    sides = ("output_1", "output_2")
    assert [[row[side] for side in sides] for row in made(job)] == [[p[side] for side in sides] for p in pairs]
    asked = [request["messages"][-1]["content"] for request in server.requests]
    assert len(asked) == 3 and all(any(p[s] in text for text in asked) for p in pairs for s in sides)


def test_limits_of_the_study_hold_in_the_stage_and_rows_are_in_order(server, tmp_path):
    pairs, server.latency_s = make_pairs(25), 0.01
    job = paid_job(tmp_path, pairs)
    STAGE.run(job)
    assert server.most_open == 2
    assert [(r["instruction"], r["num_tokens"], r["truncated"]) for r in made(job)] == [
        (p["instruction"], 3, False) for p in pairs
    ]
    assert [r["preference"] for r in made(job)] == pytest.approx([expected(p) for p in pairs], abs=1e-9)
    first = (job.out / "annotations.json").read_bytes()
    STAGE.run(job)  # as another attempt would, or another study: nothing is asked again, and nothing differs
    assert len(server.requests) == 25 and (job.out / "annotations.json").read_bytes() == first


def test_a_signal_ends_it_while_the_endpoint_is_silent(server, tmp_path, monkeypatch):
    monkeypatch.setattr(client, "DRAIN_S", 0.5)
    server.faults = {"Question 3?": ["slow"], "Question 4?": ["slow"]}
    with pytest.raises(Stopped, match="preempted"):
        STAGE.run(paid_job(tmp_path, make_pairs(9), lambda: "preempted" if len(server.requests) >= 5 else None))
    assert not (tmp_path / "out/annotations.json").exists() and len(server.requests) <= 6


def test_a_model_on_this_machine_is_found_by_its_content(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    tiny.make(folder)
    sha = fingerprint(folder)
    options = local.Options(weights=LocalFile(sha), precision="fp32")
    job = make_job(tmp_path, make_pairs(4), Judge("local", 1, options), local.identity(options), {}, {sha: str(folder)})
    STAGE.run(job)
    assert [r["model"] for r in made(job)] == [f"sha256:{sha}"] * 4 and all(1 < r["preference"] < 2 for r in made(job))
    alone: list[dict] = []
    local.annotate(make_pairs(4), local.Options(path=str(folder), precision="fp32"), alone.extend)
    assert {r["instruction"]: r["preference"] for r in alone} == pytest.approx(
        {r["instruction"]: r["preference"] for r in made(job)}, abs=1e-6
    )
    assert len(list((tmp_path / "store/.judged").glob("local-*/*.jsonl"))) == 1


def test_a_model_that_changes_behind_its_name_is_a_note_of_the_record_and_of_the_table(server, tmp_path, monkeypatch):
    from winsweep.stats import comparison

    spoken, calls = server_module.completion_text, itertools.count(1)
    monkeypatch.setattr(
        server_module,
        "completion_text",
        lambda body, kind: spoken(body | {"model": "a" if next(calls) <= 4 else "b\x1b[2J\nc"}, kind),
    )
    job = paid_job(tmp_path, make_pairs(9))
    STAGE.run(job)
    told = "the endpoint served 2 models under one name: a-served (4 rows), b[2J c-served (5 rows)"
    assert job.notes == {"served_models": {"a-served": 4, "b[2J c-served": 5}, "note": told}
    rows = made(job)
    assert told in comparison.score(rows, [r["instruction"] for r in rows], None).columns["note"]
    steady = paid_job(tmp_path / "steady", make_pairs(3))
    STAGE.run(steady)
    assert "note" not in steady.notes and not comparison.drift(made(steady))
