"""What the doctor makes of what clusters say of themselves: samples of sinfo and sacctmgr in, verdicts and
advice out.
"""

import math
import re
from pathlib import Path

import pytest

from winsweep import layout
from winsweep.cluster_file import read_cluster
from winsweep.placement import Placement
from winsweep.slurm import node_facts, study_fit
from winsweep.slurm.doctor import check_right
from winsweep.slurm.inventory import Rights, gpus_of, minutes, parse_partitions, parse_rights
from winsweep.slurm.node_check import Seen, check_facts, check_probed, compare
from winsweep.slurm.partition_check import check_placement, fits
from winsweep.slurm.probe import Probed
from winsweep.workspace import open_workspace

SINFO = """\
cpu|cpu*|up|2-00:00:00|1-infinite|100|64|256000|(null)|intel,ib|mixed
gpu|gpu|up|12:00:00|1-4|6|96|1000000|gpu:a100:4(S:0-1),nvme:1|a100,ib|allocated
gpu|gpu|up|12:00:00|1-4|2|128|2000000|gpu:h100:8(S:0-1)|h100,ib|down*
old|old|down|infinite|1-infinite|3|16|64000|gpu:2|(null)|idle
"""
FOUND = parse_partitions(SINFO)


def verdicts(**asked) -> list[str]:
    return [str(f) for f in check_placement(Placement(**asked), "x", FOUND)]


def test_partitions_as_sinfo_tells_them():
    assert [(p.name, p.is_default, p.is_up, p.max_min, p.max_nodes) for p in FOUND.values()] == [
        ("cpu", True, True, 2880, math.inf),
        ("gpu", False, True, 720, 4),
        ("old", False, False, math.inf, math.inf),
    ]
    assert [(k.num, k.num_gpus, k.is_usable) for k in FOUND["gpu"].kinds] == [(6, 4, True), (2, 8, False)]
    assert (
        gpus_of("gpu:a100:4(S:0-1),gpu:v100:2,nvme:1") == {"a100": 4, "v100": 2}
        and gpus_of("gpu:2") == {"": 2}
        and gpus_of("(null)") == {}
    )
    assert [minutes(t) for t in ("30:00", "1:00:00", "1-12:00:00", "infinite")] == [30, 60, 2160, math.inf]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"partition": "gpus"},
            "problem  partition of x: 'gpus' does not exist; set partition: to one of cpu, gpu, old",
        ),
        ({"partition": "old"}, "problem  partition of x: old is down"),
        (
            {"partition": "gpu", "time_min": 721},
            "problem  time of x: 721 min; gpu allows 720; set time_min: 720 or less",
        ),
        ({"partition": "gpu", "time_min": 2, "signal_s": 90}, "problem  time of x: 2 min, and told to save 90 s"),
        ({"partition": "gpu", "nodes": 5, "ranks": 5}, "problem  nodes of x: 5; a job in gpu may have 4"),
        (
            {"gpus_per_rank": 1},
            "problem  nodes of x: 1 with 1 GPUs, 1 CPUs asked; 0 of cpu fit: .*the most on one node is GPUs: 0",
        ),
        (
            {"partition": "gpu", "gpus_per_rank": 8, "mem_gb": 900},
            r"unknown  nodes of x: .*2 of gpu fit, but only 0 are up",
        ),
        (
            {"partition": "gpu", "gpus_per_rank": 8, "nodes": 3, "ranks": 3},
            "problem  nodes of x: .*2 of gpu fit: .*set nodes: to less",
        ),
        ({"partition": "gpu", "threads": 129}, "problem .*the most on one node is CPUs: 128"),
        ({"partition": "gpu", "constraint": "v100"}, "problem .*no node has v100; constraint: may name a100, h100, ib"),
        (
            {"partition": "gpu", "gpus_per_rank": 4, "constraint": "a100&ib", "nodes": 4, "ranks": 4},
            "ok       nodes of x: 4 with 4 GPUs, 1 CPUs; 6 of gpu fit",
        ),
        ({"time_min": 2880}, "ok       time of x: 2880 min; cpu allows 2880"),
    ],
)
def test_a_placement_against_the_partitions(asked, said):
    assert any(re.match(said, line) for line in verdicts(**asked)), verdicts(**asked)


def test_a_constraint_that_is_more_than_words_is_left_to_sbatch():
    kind = FOUND["cpu"].kinds[0]
    assert (
        fits("intel&ib", kind)
        and fits("amd|ib", kind)
        and not fits("intel&amd", kind)
        and fits("[rack1*2&rack2*4]", kind)
    )


def test_accounts_and_qos():
    rights = Rights("ann", parse_rights(["lab|normal,long", "lab|gpu", "course|normal"]), enforced=True)
    assert (
        check_right("lab", "gpu", rights).verdict
        == check_right(None, "long", rights).verdict
        == check_right("course", None, rights).verdict
        == "ok"
    )
    assert (
        str(check_right("lba", None, rights))
        == "problem  account lba: ann may charge course, lab; set account: to one of these"
    )
    assert str(check_right("course", "long", rights)).startswith(
        "problem  account course and QOS long: ann may ask for normal; set qos:"
    )
    assert check_right("lba", None, Rights("ann", {}, enforced=False)).verdict == "unknown"
    assert "cannot be checked without accounting" in str(check_right("lab", None, None))


def test_what_a_node_saw():
    here = {"python": "3.11.7", "executable": "/shared/python", "packages": {"torch": "2.13.0", "numpy": "2.4.6"}}
    seen = {**here, "node": "n1", "finds_letter": True, "ahead_s": 0.1}

    def said(got: Probed, ahead_s: float = 0.0) -> list[str]:
        return [f.verdict for f in check_probed("a job in gpu", Path("/runs"), got, here, ahead_s)]

    assert said(Probed(seen)) == ["ok"] * 4
    assert said(Probed({**seen, "finds_letter": False})) == ["ok", "problem", "ok", "ok"]
    assert said(Probed(seen), ahead_s=45.0) == ["ok", "ok", "ok", "problem"] == said(Probed({**seen, "ahead_s": -45.0}))
    assert said(Probed(None, "waits for free nodes", waits=True)) == ["unknown"] and said(
        Probed(None, "env: python: no such file")
    ) == ["problem"]
    older = {**seen, "python": "3.10.2", "packages": {"torch": "2.12.0"}}
    assert str(compare("n1", here, older)).startswith(
        "problem  Python of n1: Python 3.11.7 here, 3.10.2 there; numpy 2.4.6 here, missing there; torch 2.13.0 here, "
        "2.12.0 there; use one"
    )


def test_a_python_of_the_cluster_file_may_have_other_versions_but_no_package_less():
    here = {"python": "3.11.7", "packages": {"torch": "2.13.0", "submitit": "1.5.4"}}
    assert compare("n1", here, {"python": "3.12.1", "packages": {"torch": "2.11.0"}}, has_own=True).verdict == "ok"
    lacking = compare("n1", here, {"python": "3.12.1", "packages": {}}, has_own=True)
    assert lacking.verdict == "problem" and "torch 2.13.0 here, missing there" in str(lacking)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "ok       torch on n1: 2.13.0, CUDA 13.0, NCCL 2.28; it sees 1 GPUs"),
        (
            {"torch": {"error": "ImportError: libcudart"}},
            "problem  torch on n1: ImportError: libcudart; look at setup:",
        ),
        ({"torch": {"version": "2", "cuda": None, "nccl": "", "devices": 0}}, "problem  torch on n1: 2, built for the"),
        ({"gpus": []}, "unknown  GPUs on n1: nvidia-smi shows none"),
        ({"scratch": "problem: /x: No such file"}, "problem  scratch on n1: /x: No such file; name another directory"),
        (
            {"locks": "problem: two processes get the same lock"},
            "problem  locks on n1: two processes get the same lock",
        ),
        ({"hub": "https://h cannot be reached (URLError)"}, "ok       hub from n1: https://h cannot be reached"),
    ],
)
def test_what_a_node_has(changed, said):
    seen = {
        "node": "n1",
        "torch": {"version": "2.13.0", "cuda": "13.0", "nccl": "2.28", "devices": 1},
        "gpus": ["H100, 80 GB, driver 580"],
        "scratch": "/tmp: 9 GB free",
        "locks": "work",
        "hub": "https://h answers",
    }
    found = [str(f) for f in check_facts(seen | changed, Placement(gpus_per_rank=1))]
    assert any(line.startswith(said) for line in found), found


STUDY = """\
name: s
models:
  big: {hf_id: some/model-7b, revision: "0"}
  mid: {hf_id: some/model-1b, revision: "0"}
  x: {hf_id: some/x, revision: "0"}
tasks: {gsm: {from: toy}}
seeds: [1, 2]
instructions: {from: toy, part: dev}
compare: {judge: reference_overlap, reference: {task: gsm}}
"""


def fit(tmp_path, finetune: str, gpus_gb: list[float]) -> list[str]:
    """What the doctor finds of a study on nodes whose GPUs have so much memory."""
    (tmp_path / "s.yaml").write_text(STUDY)
    (tmp_path / "c.yaml").write_text(
        f"kind: slurm\nall: {{partition: gpu, constraint: a100}}\nstages: {{finetune: {finetune}}}\n"
    )
    workspace = open_workspace(tmp_path / "s.yaml", tmp_path / "runs")
    cluster, seen = read_cluster(layout.STAGES, tmp_path / "c.yaml", workspace.need.stages), Seen()
    for stage in ("finetune", "generate", "judge"):
        seen.note(cluster.placements.of(stage, "x"), gpus_gb if stage != "judge" else [])
    return [str(f) for f in study_fit.findings(workspace, cluster, seen, FOUND)]


def test_each_model_of_a_study_is_set_against_the_gpus_that_were_seen(tmp_path):
    found = fit(tmp_path, "{ranks: 2}", [42.9, 42.5])
    line = next(f for f in found if "big.gsm.s1, on 2 ranks" in f)
    assert line.startswith("problem  GPU of finetune: 84.0 GB at least") and "it has 42 GB" in line
    assert "type zero: zero3_offload, recompute: none, or ranks: 8 with zero: zero2" in line
    assert any(f.startswith("ok       GPU of finetune") and "mid.gsm.s1" in f for f in found)
    assert any(f.startswith("ok       GPU of generate: 28.0 GB at least for big") and "42 GB" in f for f in found)
    assert sum("nothing here says how large its model is" in f for f in found) == 2  # its finetunes, its answers
    assert sum(" GPU of " in f for f in found) == 4, "seeds of a model are one"


def test_where_no_node_was_seen_the_type_says_what_there_is(tmp_path):
    assert any("it has 80 GB" in f and "big" in f for f in fit(tmp_path, "{ranks: 4, zero: zero2}", []))


def test_a_model_that_fits_nowhere_is_a_problem_with_auto_too(tmp_path):
    (found,) = [f for f in fit(tmp_path, "{placement: auto}", [1.5]) if "problem" in f]
    assert found.startswith("problem  placement: auto: ") and "GB of each of 24 GPUs at least" in found
    assert "train adapters (recipe.lora)" in found


def test_facts_of_this_node(tmp_path, monkeypatch):
    """A lock that holds, scratch that is there or not, a hub that answers, refuses or is away."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    found = node_facts.facts(tmp_path, str(tmp_path))
    assert len(found["gpu_gb"]) == len(found["gpus"])
    assert found["locks"] == "work" and "GB free" in str(found["scratch"]) and "cannot be reached" in str(found["hub"])
    assert (
        node_facts.scratch_text("NO_SUCH_VARIABLE") == "problem: the variable NO_SUCH_VARIABLE is not set on the node"
    )
    assert node_facts.scratch_text("/no/such").startswith("problem: /no/such: No such file")
    assert node_facts.hub_text({"HF_HUB_OFFLINE": "1"}) == "not asked: HF_HUB_OFFLINE is set"
    assert node_facts.locks_text(tmp_path / "none").startswith("problem: ")
