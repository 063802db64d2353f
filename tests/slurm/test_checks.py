"""Checks on real daemons: a broken model costs one short job, and the other's table comes."""

import json

from tests.check.made import STUDY, toy, without
from tests.slurm.conftest import Testbed
from tests.slurm.test_study import ON_NODES, Study, drained


def test_a_broken_model_has_one_failed_check_and_no_finetune(testbed: Testbed, tmp_path):
    toy(tmp_path / "good")
    without(toy(tmp_path / "broken"), "model.layers.1.mlp.down_proj.weight")
    (tmp_path / "ask.jsonl").write_text('{"instruction": "What is the sum of 1 and 2?", "answer": "3"}\n')
    study = Study(tmp_path, testbed.env, STUDY.replace("name: two", "name: grid"))
    said = study.sweep(ON_NODES)
    assert ": check, 2 tasks after " in said and said.count(": check") == 1  # one array for all models
    drained(testbed, 300)
    said = study.sweep(ON_NODES, code=1)
    assert (
        "0 arrays submitted; 1 of 2 cells judged" in said
        and "failed  check/broken-" in said
        and "has no weights for" in said
    )
    assert b"\ngood,ins" in study.csv() and b"broken" not in study.csv()
    ended = [json.loads(p.read_bytes())["kind"] for p in study.store.glob(".work/check/*/ends/*.json")]
    assert sorted(ended) == ["config", "done"] and len(list(study.store.glob("finetune/*-*"))) == 1
    trained = {p.parents[1].name for p in study.store.glob(".work/finetune/*/progress.json")}
    assert not trained  # of what is not finished: the broken model's finetune never took a step
