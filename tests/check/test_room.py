"""Disk and GPU memory by counts of parameters; packages and keys of the environment."""

import datetime

import pytest

from winsweep import gpu_memory, layout
from winsweep.artifact import Artifact
from winsweep.check import environment, room
from winsweep.cluster_file import read_cluster
from winsweep.errors import BadStudy
from winsweep.keys import plain
from winsweep.placement import Placement, Placements
from winsweep.plan import Item
from winsweep.study.cell import Decoding
from winsweep.study.lora import fact

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


def of_finetune(tmp_path, gb, facts=None, lora=None, **placed) -> tuple[str, str]:
    """What is found of the GPU of a finetune of 7e9 parameters in bf16 with rows of 2,048 tokens."""
    check = Artifact("check", 1, "m", {})
    recipe = {"precision": "bf16", "max_tokens": 2048} | ({"lora": lora} if lora else {})
    a = Artifact("finetune", 1, "m.ins.s1", {"base": BASE, "recipe": recipe}, gates={"check": check})
    placements = Placements({"finetune": Placement(gpus_per_rank=1, **placed)})
    found = room.rows(tmp_path, placements, [Item(a, "ready", "")], 1, lambda placed: gb, {check.key: facts or {}})
    return next((r.finding.verdict, r.finding.text) for r in found if "of finetune" in r.finding.what)


def test_what_does_not_fit_is_said_with_what_would(tmp_path):
    verdict, text = of_finetune(tmp_path, 80.0, ranks=8, zero="zero1")
    assert verdict == "ok" and "52.5 GB at least for m.ins.s1, on 8 ranks with zero1; it has 80 GB" in text
    verdict, text = of_finetune(tmp_path, 40.0, ranks=8, zero="zero1")
    assert verdict == "problem" and text.endswith("type zero: zero2, recompute: none")
    assert of_finetune(tmp_path, 40.0, ranks=8, zero="zero2")[0] == "ok"
    facts = {"token_bytes_none": 20_000_000, "token_bytes_cheap": 8_000_000, "token_bytes_full": 1_000_000}
    verdict, text = of_finetune(tmp_path, 80.0, facts, ranks=8, zero="zero1")
    assert verdict == "unknown" and "weights 14.0 GB, optimizer 10.5 GB, gradients 28.0 GB" in text
    assert "rows of 2,048 tokens do not fit: type zero: zero1, recompute: cheap" in text
    assert of_finetune(tmp_path, 80.0, facts, ranks=8, zero="zero1", recompute="cheap")[0] == "ok"


def test_a_base_in_4_bits_is_counted_so_and_not_split(tmp_path):
    lora = {"rank": 64, "quantize": "nf4"}
    verdict, text = of_finetune(tmp_path, 24.0, lora=lora, ranks=1, zero="zero1")
    assert verdict == "ok" and "10.3 GB at least" in text
    assert of_finetune(tmp_path, 24.0, lora=lora | {"quantize": None}, ranks=1, zero="zero1")[1].startswith("20.3 GB")
    verdict, text = of_finetune(tmp_path, 24.0, lora=lora, ranks=2, zero="zero3")
    assert (
        verdict == "problem"
        and text.startswith("zero3 for m.ins.s1, whose base is in 4 bits")
        and "type zero: zero2" in text
    )


def test_what_auto_will_choose_is_said(tmp_path):
    facts = {"token_bytes_none": 20_000_000, "token_bytes_cheap": 8_000_000, "token_bytes_full": 1_000_000}
    for gb, chosen in (
        (200, "zero1, recompute: none"),
        (80, "zero1, recompute: cheap"),
        (40, "zero2, recompute: full"),
    ):
        verdict, text = of_finetune(tmp_path, gb, facts, ranks=8, zero="auto", recompute="auto")
        assert verdict == "ok" and f"on 8 ranks with chosen: {chosen}" in text
    assert of_finetune(tmp_path, 2.0, facts, ranks=8, zero="auto", recompute="auto")[0] == "problem"


def test_memory_is_what_the_cluster_file_says_then_what_the_type_says(tmp_path):
    assert "it has 40 GB" in of_finetune(tmp_path, 80.0, ranks=8, gpu_memory_gb=40, gpu_type="h200")[1]
    assert "it has 141 GB" in of_finetune(tmp_path, 80.0, ranks=8, gpu_type="h200")[1]
    verdict, text = of_finetune(tmp_path, None, ranks=8, gpu_type="mystery")
    assert verdict == "unknown" and "gpu_memory_gb: in the cluster file" in text


def test_auto_is_legal_in_a_cluster_file_and_a_stage_that_is_none_is_not(tmp_path):
    stages = [p.stem for p in layout.JOBS.glob("*.py")]
    file = tmp_path / "c.yaml"
    file.write_text("kind: slurm\nstages: {finetune: {zero: auto, recompute: auto, gpu_memory_gb: 40}}\n")
    placed = read_cluster(layout.STAGES, file, stages).placements.of("finetune", "x")
    assert (placed.zero, placed.recompute, placed.gpu_memory_gb) == ("auto", "auto", 40)
    file.write_text("kind: slurm\nstages: {finetune: {zero: automatic}}\n")
    with pytest.raises(BadStudy, match="found 'automatic'"):
        read_cluster(layout.STAGES, file, stages)


def test_adapters_take_the_weights_of_their_base_and_little_more(tmp_path):
    lora = {"rank": 64, "alpha": None, "dropout": 0.0, "targets": "all-linear"}
    check = Artifact("check", 1, "m", {})
    a = Artifact(
        "finetune", 1, "m.ins.s1", {"base": BASE, "recipe": {"precision": "bf16", "lora": lora}}, gates={"check": check}
    )
    placements = Placements({"finetune": Placement(gpus_per_rank=1)})
    facts = {check.key: {"num_parameters": 7_000_000_000, fact(lora): 160_000_000}}
    found = list(room.rows(tmp_path, placements, [Item(a, "ready", "")], 1, lambda placed: 24.0, facts))
    told = {r.finding.what: (r.finding.verdict, r.finding.text) for r in found}
    assert told["GPU of finetune"][0] == "ok" and told["GPU of finetune"][1].startswith("19.8 GB at least")
    assert "up to 2.6 GB for 1 model" in told["disk"][1]


def answers(shared: int) -> Artifact:
    decoding = {"precision": "bf16", "engine": "vllm"} | ({"tensor_parallel": shared} if shared > 1 else {})
    return Artifact("generate", 1, "m.base", {"base": BASE, "decoding": decoding})


def test_answers_of_a_model_that_is_spread_over_gpus(tmp_path):
    def found(shared: int, **placed) -> tuple[str, str]:
        placements = Placements({"generate": Placement(**placed)})
        items = [Item(answers(shared), "ready", "")]
        return next(
            (r.finding.verdict, r.finding.text)
            for r in room.rows(tmp_path, placements, items, 1, lambda placed: 8.0, {})
        )

    verdict, text = found(1, gpus_per_rank=1)
    assert verdict == "problem" and "decoding: {engine: vllm, tensor_parallel: 2} and as many gpus_per_rank" in text
    assert found(2, gpus_per_rank=2) == ("ok", "7.0 GB at least for m.base on each of 2 GPUs; it has 8 GB")
    verdict, text = found(2, gpus_per_rank=1)
    assert verdict == "problem" and text.startswith("decoding.tensor_parallel is 2, and a rank of generate has 1 GPUs")


def test_a_rank_with_other_gpus_than_its_model_wants_is_refused_before_anything_starts(tmp_path):
    few = Placements({"generate": Placement(gpus_per_rank=1)})
    with pytest.raises(BadStudy, match=r"c.yaml: m.base: .*type stages: \{generate: \{gpus_per_rank: 4\}\}"):
        room.refuse_few(tmp_path / "c.yaml", [answers(4)], few)
    room.refuse_few(tmp_path / "c.yaml", [answers(1)], few)
    room.refuse_few(tmp_path / "c.yaml", [answers(4)], Placements({"generate": Placement(gpus_per_rank=4)}))


def test_what_zero_3_cannot_recompute_is_refused_before_anything_starts(tmp_path):
    def look(**placed) -> None:
        placements = Placements({"finetune": Placement(**placed)})
        room.refuse_few(tmp_path / "c.yaml", [finetune(), answers(1)], placements)

    for zero in ("zero3", "zero3_offload"):
        with pytest.raises(
            BadStudy, match=f"c.yaml: m.ins.s1: recompute is cheap with zero: {zero}, .*type recompute: full"
        ):
            look(zero=zero, recompute="cheap")
        look(zero=zero, recompute="full")
    look(zero="zero2", recompute="cheap")


def test_tensor_parallel_is_in_the_key_where_it_is_set_and_slots_refuse_it():
    assert "tensor_parallel" not in plain(Decoding()) and plain(Decoding(engine="vllm", tensor_parallel=2)) != plain(
        Decoding(engine="vllm")
    )
    for decoding, said in (
        ({"tensor_parallel": 2}, "found 2; 1 is legal, or with engine: vllm"),
        ({"tensor_parallel": 0}, "found 0"),
    ):
        with pytest.raises(BadStudy, match=rf"decoding.tensor_parallel: {said}"):
            Decoding(**decoding)
