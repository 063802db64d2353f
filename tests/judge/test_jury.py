"""A jury: the mean of its judges, each with its own ledger; what is no jury is refused, and one that fails is named."""

import json
from pathlib import Path

import pytest

from winsweep import keys
from winsweep.errors import BadStudy, JudgeFailed, JudgeRefused
from winsweep.judge import asked, jury
from winsweep.judges import alpaca
from winsweep.study.cell import Judge
from winsweep.study.parts import Parts
from winsweep.yaml_nodes import read_yaml

from . import tiny
from .asking import ledger_of, options
from .pairs import expected, make_pair, make_pairs
from .test_stage import STAGE, made, make_job

ODD = """from dataclasses import dataclass

@dataclass(frozen=True)
class Options:
    pass

def identity(options):
    return {}

def annotate(pairs, options, keep, ledger=None):
    keep([pair | {"preference": None} for pair in pairs])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.make(tmp_path_factory.mktemp("judge"))


def read(tmp_path, text: str) -> tuple[Judge, dict]:
    """A judge as a study file names it, and the local files that it needs."""
    path = tmp_path / "study.yaml"
    path.write_text(text)
    from winsweep.store.fingerprint import Fingerprints

    parts = Parts(path, Fingerprints(tmp_path / "digests.json"))
    return parts.judge(read_yaml(path).value["judge"]), parts.files


def job_of(folder: Path, pairs: list[dict], judge: Judge, files: dict):
    return make_job(folder, pairs, judge, asked.identity_of(judge), asked.limits_of(judge), files)


def test_the_mean_of_a_paid_judge_a_local_one_and_the_toy(server, folder, tmp_path):
    pairs = [*make_pairs(12), make_pair("Same?", "one", "one")]
    ledger = ledger_of(tmp_path / "store", options("m"))
    alpaca.annotate(pairs[:5], options("m", in_flight=2), lambda rows: None, ledger)  # before, in a study of its own
    text = f"""judge:
  from: jury
  judges:
  - {{from: alpaca, model: m, both_orders: false, limits: {{in_flight: 2, timeout_s: 30}}}}
  - {{from: local, both_orders: false, path: {folder}, precision: fp32, batch: 4}}
  - reference_overlap
"""
    judge, files = read(tmp_path, text)
    job = job_of(tmp_path, pairs, judge, files)
    STAGE.run(job)
    rows, each = made(job), []
    assert len(server.requests) == 12 and server.most_open <= 2  # the five are not paid for again
    for one in judge.options.judges:
        alone = job_of(tmp_path, pairs, one, files)
        STAGE.run(alone)
        each.append([row["preference"] for row in made(alone)])
    assert len(server.requests) == 12 and each[0] == pytest.approx([*map(expected, pairs[:12]), 1.5])
    assert [r["preferences_by_judge"] for r in rows] == [pytest.approx(list(said), abs=1e-5) for said in zip(*each)]
    assert [r["preference"] for r in rows] == pytest.approx([sum(said) / 3 for said in zip(*each)], abs=1e-5)
    names = rows[0]["model"].split(" + ")
    assert names[0] == "alpaca:m" and names[1].startswith("local:sha256:") and names[2] == "reference_overlap"
    assert {(r["annotator"], r["model"]) for r in rows} == {("jury", rows[0]["model"])}
    assert [said["judge"] for said in rows[0]["raw_completion"]] == names[:2] and rows[-1]["raw_completion"] is None
    STAGE.run(job)
    assert len(server.requests) == 12


def test_both_orders_of_all_judges_give_the_bias_of_the_jury(server, tmp_path):
    text = "judge: {from: jury, judges: [{from: alpaca, model: a, both_orders: true}, "
    judge, files = read(tmp_path, text + "{from: alpaca, model: b, both_orders: true}]}")
    job = job_of(tmp_path, make_pairs(4), judge, files)
    STAGE.run(job)
    assert [r["preference"] for r in made(job)] == pytest.approx([expected(p, "both") for p in make_pairs(4)])
    assert all(sum(r["preferences_by_order"]) / 2 == pytest.approx(r["preference"]) for r in made(job))


def test_fingerprints_and_sampled_verdicts_of_its_judges_are_told():
    rows = [
        {"preference": 1.2, "system_fingerprint": "fp_1", "samples": "8", "preference_standard_error": 0.3},
        {"preference": 1.6, "system_fingerprint": "fp_2", "samples": "8", "preference_standard_error": 0.4},
        {"preference": 1.0},
    ]
    found = jury.together([Judge("alpaca", 1, None), Judge("alpaca", 1, None), Judge("fair", 1, None)], rows)
    assert found["system_fingerprint"] == "fp_1 and fp_2" and found["samples"] == "8"
    assert found["preference_standard_error"] == pytest.approx(0.5 / 3)
    assert found["preference"] == pytest.approx(3.8 / 3) and "preferences_by_order" not in found


def test_one_that_fails_is_named_and_what_the_others_said_is_kept(server, tmp_path):
    one = "{from: alpaca, model: %s, both_orders: false}"
    two = f"judge: {{from: jury, judges: [{one % 'gone'}, {one % 'm'}]}}"
    judge, files = read(tmp_path, two)
    server.choose = lambda prompt, nth: "404" if server.requests[-1]["model"] == "gone" else "ok"
    job = job_of(tmp_path, make_pairs(6), judge, files)
    with pytest.raises(JudgeRefused) as caught:
        STAGE.run(job)
    told = str(caught.value)
    assert told.startswith("jury: 1 of 2 judges failed; what the others said is kept\njudge 1 of 2, alpaca: ")
    assert "with gone: " in told and "name a model in judge: that the endpoint serves" in told
    before = len(server.requests)
    server.choose = lambda prompt, nth: "ok"
    STAGE.run(job)
    assert [r["model"] for r in server.requests[before:]] == ["gone"] * 6 and len(made(job)) == 6


def test_what_may_pass_may_be_tried_again(server, tmp_path):
    judge, files = read(tmp_path, "judge: {from: jury, judges: [reference_overlap, {from: alpaca, model: m}]}")
    server.choose = lambda prompt, nth: "429 long"
    with pytest.raises(JudgeFailed, match=r"judge 2 of 2, alpaca: .*seconds|s of rest") as caught:
        STAGE.run(job_of(tmp_path, make_pairs(6), judge, files))
    assert not isinstance(caught.value, JudgeRefused)


def test_a_judge_of_ones_own_without_a_number_is_named(tmp_path):
    (tmp_path / "judges").mkdir()
    (tmp_path / "judges/odd.py").write_text(ODD)
    judge, files = read(tmp_path, "judge: {from: jury, judges: [reference_overlap, odd]}")
    job = job_of(tmp_path, make_pairs(3), judge, {sha: str(path) for sha, path in files.items()})
    with pytest.raises(JudgeRefused, match=r"judge 2 of 2, odd: judge odd: found the preference None of 'Question 0"):
        STAGE.run(job)


def test_a_jury_is_known_by_its_judges(tmp_path):
    named = "judge: {{from: jury, judges: [reference_overlap, {{from: alpaca, model: {}}}]}}"
    one, other = (read(tmp_path, named.format(model))[0] for model in "ab")
    assert asked.identity_of(one) != asked.identity_of(other) and keys.digest(one) != keys.digest(other)
    said = asked.identity_of(one)["judges"][1]
    assert said["judge"] == "alpaca" and said["model"] == "a" and len(said["prompt_sha256"]) == 64
    limited = named.format("a").replace("model: a", "model: a, limits: {dollars: 3}")
    assert keys.digest(read(tmp_path, limited)[0]) == keys.digest(one)
    assert json.loads(keys.canonical(one))["options"]["judges"][0]["name"] == "reference_overlap"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{from: jury}", r":1: judge: judges is missing; .*add judges: \[NAME, NAME\]"),
        ("jury", r"judges is missing"),
        ("{from: jury, judges: reference_overlap}", r"a list is legal here"),
        ("{from: jury, judges: []}", r"judge.judges: found no judges; two judges or more are legal"),
        ("{from: jury, judges: [reference_overlap]}", r"found 1 judge; two judges or more are legal.*judge: NAME"),
        ("{from: jury, judges: [reference_overlap, reference_overlap]}", r"\[1\]: found the judge reference_overlap "),
        (
            "{from: jury, judges: [gpt_6_luna, {from: gpt_6_luna, both_orders: true, limits: {dollars: 1}}]}",
            r"found the judge gpt_6_luna again, which is number 1 too; each judge is legal once",
        ),
        (
            "{from: jury, judges: [reference_overlap, {from: jury, judges: [gpt_6_luna, reference_overlap]}]}",
            r"judges\[1\]: found a jury in a jury",
        ),
        ("{from: jury, judges: [reference_overlap, gpt_7_luna]}", r"no file gpt_7_luna.py in judges/.*gpt_6_luna"),
        ("{from: jury, judges: [gpt_6_luna, {from: alpaca, modle: m}]}", r"unknown key 'modle'"),
        ("{from: jury, judges: [gpt_6_luna, reference_overlap], mean: true}", r"unknown key 'mean'; legal: judges"),
    ],
)
def test_what_is_no_jury_is_refused_where_it_stands(tmp_path, text, told):
    with pytest.raises(BadStudy, match=told):
        read(tmp_path, f"judge: {text}")
