"""Disk and GPU memory by counts of parameters; packages and keys of the environment."""

import datetime

import pytest

from winsweep import gpu_memory, layout
from winsweep.artifact import Artifact
from winsweep.check import environment, room
from winsweep.cluster_file import read_cluster
from winsweep.placement import Placement, Placements
from winsweep.plan import Item

BASE = {"source": {"hf_id": "some/model-7b", "revision": "x"}}


def finetune(precision: str = "bf16") -> Artifact:
    return Artifact("finetune", 1, "m.ins.s1", {"base": BASE, "recipe": {"precision": precision}})


def rows(tmp_path, gpu_gb, **placed) -> dict[str, tuple[str, str]]:
    placements = Placements({"finetune": Placement(gpus_per_rank=1, **placed), "generate": Placement(gpus_per_rank=1)})
    items = [
        Item(finetune(), "ready", ""),
        Item(Artifact("generate", 1, "m.base", {"base": BASE, "decoding": {"precision": "bf16"}}), "ready", ""),
    ]
    found = room.rows(tmp_path, placements, items, 1, gpu_gb, {})
    return {r.finding.what: (r.finding.verdict, r.finding.text) for r in found}


def test_a_gpu_that_cannot_hold_the_state_is_a_problem_and_one_of_unknown_type_is_not(tmp_path):
    found = rows(tmp_path, lambda placed: 80.0, ranks=1, zero="zero1")
    assert (
        found["GPU of finetune"][0] == "problem"
        and "126.0 GB at least" in found["GPU of finetune"][1]
        and "zero: zero3" in found["GPU of finetune"][1]
    )
    assert found["GPU of generate"] == ("ok", "14.0 GB at least for m.base; it has 80 GB")
    assert rows(tmp_path, lambda placed: 80.0, ranks=8, zero="zero3")["GPU of finetune"][0] == "ok"
    assert rows(tmp_path, lambda placed: None)["GPU of finetune"][0] == "unknown" and "GPU of finetune" not in rows(
        tmp_path, None
    )


def test_a_disk_that_cannot_hold_checkpoint_and_models_is_a_problem(tmp_path, monkeypatch):
    for free, verdict in ((113e9, "ok"), (111e9, "problem")):  # 14 bytes of state and 2 of the model, for each of 7e9
        monkeypatch.setattr(room.shutil, "disk_usage", lambda path, free=free: type("Usage", (), {"free": free}))
        assert rows(tmp_path / "not/there/yet", None)["disk"][0] == verdict


@pytest.mark.parametrize(
    ("words", "gb"),
    [
        (["a100"], 80),
        (["nvidia_h100_80gb_hbm3"], 80),
        (["NVIDIA-A100-SXM4-40GB"], 40),
        (["a100_1g.10gb"], 10),
        (["nvidia_h100_nvl"], 94),
        (["v100", "h200"], 141),
        (["fpga"], None),
        ([], None),
    ],
)
def test_memory_by_the_names_that_clusters_give(words, gb):
    assert gpu_memory.by_name(words) == gb


def test_a_days_of_shut_down_is_the_endpoints_or_the_tables(monkeypatch):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    day = datetime.date(2026, 11, 28)
    assert [f.verdict for f in environment.shut_down("gpt-4-1106-preview", day)] == ["problem"]
    assert [f.text for f in environment.shut_down("gpt-4.1", day)] == [
        "will be shut down on 2027-01-14; judge before that, or name another"
    ]
    assert not list(environment.shut_down("gpt-6-luna", day)) and [
        f.verdict for f in environment.shut_down("mine", day, "2026-11-01")
    ] == ["problem"]
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert not list(environment.shut_down("gpt-4-1106-preview", day))


def test_a_judge_is_checked_where_it_is_placed(tmp_path):
    stages = [p.stem for p in layout.JOBS.glob("*.py")]
    for text, where in (
        ("stages: {judge: {where: login}}", "login"),
        ("stages: {judge: {where: login}, check_judge: {where: nodes}}", "nodes"),
        ("", "nodes"),
    ):
        (tmp_path / "c.yaml").write_text(f"kind: slurm\n{text}\n")
        assert read_cluster(layout.STAGES, tmp_path / "c.yaml", stages).placements.of("check_judge", "x").where == where
