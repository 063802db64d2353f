"""The real study of GSM8K, MBPP and the 805 instructions: every row arrives, and kills of the launcher change
no byte.
"""

import csv
import json

import pytest

from tests.local.conftest import ROOT, Bench, kill_when

STAGES = ("pretrain", "prepare", "finetune", "collect", "generate", "judge", "aggregate")


@pytest.fixture(scope="module")
def study(data) -> str:
    """The shipped study with fewer training rows, as 32,000 tokens make a step slow here; all test rows stay."""
    text = (ROOT / "launch/sweeps/local_real.yaml").read_text().replace("../../../shared/data", str(data))
    return text.replace("from: gsm,", "from: gsm, first: 128,").replace("from: mbpp,", "from: mbpp, first: 128,")


@pytest.mark.slow
def test_all_rows_flow_and_kills_change_nothing(study, tmp_path_factory):
    calm, shaken = (Bench(tmp_path_factory.mktemp(name), study) for name in ("calm", "shaken"))
    calm.run()
    rows = list(csv.DictReader(calm.csv("local_real").decode().splitlines()))
    assert [(r["task"], r["n"], r["lc_formula"]) for r in rows] == [
        (t, "805", "official") for t in ("base", "gsm", "mbpp")
    ]
    outputs = [json.loads(p.read_bytes()) for p in (calm.store / "generate").glob("*/outputs.json")]
    assert len(outputs) == 3 and all(len({r["instruction"] for r in rows}) == 805 for rows in outputs)
    for stage in STAGES:
        before = len(list(shaken.store.glob(f".work/{stage}/*/claims/0*")))
        done = shaken.times()
        assert kill_when(
            shaken.start("--jobs", "2"),
            lambda stage=stage, before=before: len(list(shaken.store.glob(f".work/{stage}/*/claims/0*"))) > before,
        )
        assert done.items() <= shaken.times().items()
    shaken.run()
    assert shaken.csv("local_real") == calm.csv("local_real")
