"""`placement: auto`: the fewest GPUs that hold a finetune, said with why, refused where too little is known."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from winsweep import layout
from winsweep.check import auto_placement
from winsweep.check.auto_placement import Machine, Pick, chosen, counts, fewest
from winsweep.cluster_file import read_cluster
from winsweep.errors import BadStudy
from winsweep.gpu_memory import Choice, Model
from winsweep.placement import Placement
from winsweep.workspace import open_workspace
from winsweep.zero import read_all

ZEROS = read_all(layout.DS_CONFIGS)
AUTO = Placement(placement="auto", gpus_per_rank=1, zero="auto", recompute="auto")
SEVEN = Model(7e9, activations={"none": 60e9, "cheap": 30e9, "full": 5e9})
STUDY = """\
name: s
models: {MODELS}
tasks: {gsm: {from: toy}}
seeds: [1, 2]
instructions: {from: toy, part: dev}
compare: {judge: reference_overlap, reference: {task: gsm}}
"""
STAGES = [p.stem for p in layout.JOBS.glob("*.py")]


def test_powers_of_two_up_to_a_node_then_whole_nodes():
    assert list(counts(Machine(80, 6, 3))) == [(1, 1), (2, 1), (4, 1), (6, 1), (12, 2)]
    assert list(counts(Machine(80, 1, 1))) == [(1, 1)]


@pytest.mark.parametrize(
    ("gb", "gpus", "nodes", "found"),
    [
        (200, 8, 1, Pick(1, 1, Choice("zero1", "cheap"))),  # 126 of state and 30
        (80, 8, 1, Pick(4, 1, Choice("zero2", "full"))),  # 14 + 21 + 7 + 4 of buckets, and 5
        (40, 8, 1, Pick(8, 1, Choice("zero3", "full"))),  # 1.75 + 2 + 10.5 + 7, and 5
        (20, 8, 4, Pick(16, 2, Choice("zero3", "full"))),
        (20, 8, 1, Pick(8, 1, Choice("zero3_offload", "full"))),  # there is no second node
        (5, 8, 4, None),
    ],
)
def test_the_fewest_gpus_that_hold_a_7b(gb, gpus, nodes, found):
    picked = fewest(SEVEN, ZEROS, AUTO, Machine(gb, gpus, nodes))
    assert (picked and (picked.gpus, picked.nodes)) == (found and (found.gpus, found.nodes))
    assert (picked and picked.expected) == (found and found.expected)


def test_where_activations_are_not_known_a_part_of_the_gpu_is_left_for_them():
    one = Model(7e9)
    assert fewest(one, ZEROS, AUTO, Machine(210, 8)).gpus == 1  # 126 + 14 in three quarters of 193
    assert fewest(one, ZEROS, AUTO, Machine(140, 8)).gpus == 2
    assert "Activations are not known here: 25% of a GPU" in chosen(one, ZEROS, AUTO, Machine(140, 8))[1]


def test_what_is_written_beside_auto_stays():
    fixed = replace(AUTO, zero="zero1", recompute="full")
    assert fewest(SEVEN, ZEROS, fixed, Machine(80, 8)) == Pick(8, 1, Choice("zero1", "full"))  # 52.5 + 14


def test_what_no_number_of_gpus_holds_is_refused_with_what_to_type():
    with pytest.raises(BadStudy, match=r"^.* GB of each of 16 GPUs at least \(with zero3_offload\), and they have"):
        chosen(SEVEN, ZEROS, AUTO, Machine(2, 8, 2))
    wide = Model(1e8, activations={"none": 90e9, "cheap": 90e9, "full": 90e9})
    with pytest.raises(BadStudy, match=r"rows of the longest length need 9\d\.\d GB .* lower recipe.max_tokens"):
        chosen(wide, ZEROS, AUTO, Machine(80, 8, 2))


def opened(tmp_path, models: str, cluster: str):
    (tmp_path / "s.yaml").write_text(STUDY.replace("MODELS", models))
    (tmp_path / "c.yaml").write_text(cluster)
    workspace = open_workspace(tmp_path / "s.yaml", tmp_path / "runs")
    return workspace, read_cluster(layout.STAGES, tmp_path / "c.yaml", workspace.need.stages)


HUB = 'big: {hf_id: some/model-7b, revision: "0"}, small: {hf_id: some/model-160m, revision: "0"}'


def test_each_model_gets_its_own_number_and_no_key_moves(tmp_path):
    text = "kind: slurm\nstages: {finetune: {placement: auto, partition: gpu, time_min: 99}}\n"
    workspace, cluster = opened(tmp_path, HUB, text)
    keys = [a.key for a in workspace.order]
    sized, told = auto_placement.sized(workspace, cluster, lambda placed: Machine(80, 8))
    of = {a.label: sized.placements.of("finetune", a.label) for a in workspace.order if a.stage == "finetune"}
    assert {label: p.gpus for label, p in of.items()} == {
        "big.gsm.s1": 4, "big.gsm.s2": 4, "small.gsm.s1": 1, "small.gsm.s2": 1
    }  # fmt: skip
    assert {(p.zero, p.recompute, p.partition, p.time_min) for p in of.values()} == {("auto", "auto", "gpu", 99)}
    assert sized.placements.of("generate", "big.gsm.s1").placement == "given"
    assert [a.key for a in workspace.order] == keys
    assert len(told) == 2 and told[0].startswith("placement: auto: big.gsm.s1, big.gsm.s2: 4 GPUs a cell, the fewest")
    assert "of 80 GB each" in told[0] and "by what is known here" in told[0]


def test_a_cluster_file_without_auto_costs_no_look(tmp_path):
    workspace, cluster = opened(tmp_path, HUB, "kind: slurm\nstages: {finetune: {ranks: 2}}\n")
    assert auto_placement.sized(workspace, cluster, None) == (cluster, [])


@pytest.mark.parametrize(
    ("models", "machine", "said"),
    [
        (HUB, Machine(None, 8), r"big.gsm.s1: the memory of its GPUs is not known here; .*type gpu_memory_gb: NUMBER"),
        (
            'x: {hf_id: some/model, revision: "0"}',
            Machine(80, 8),
            r"nothing here says how large .*type --prefetch first",
        ),
    ],
)
def test_what_is_not_known_is_refused(tmp_path, models, machine, said):
    workspace, cluster = opened(tmp_path, models, "kind: slurm\nall: {placement: auto}\n")
    with pytest.raises(BadStudy, match=r"c\.yaml: placement: auto for .*" + said.removeprefix("big.gsm.s1: ")):
        auto_placement.sized(workspace, cluster, lambda placed: machine)


def test_a_model_that_the_study_makes_has_one_rank_and_a_machine_without_gpus_its_cpu(tmp_path):
    toy = "m: {pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}"
    for models, machine, said in (
        (toy, Machine(80, 8), "makes the model itself"),
        (HUB, Machine(None, 0), "on the CPU"),
    ):
        workspace, cluster = opened(tmp_path, models, "kind: local\nall: {placement: auto}\n")
        sized, told = auto_placement.sized(workspace, cluster, lambda placed, machine=machine: machine)
        assert {sized.placements.of("finetune", a.label).ranks for a in workspace.order} == {1}
        assert all(said in line for line in told) and told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "stages: {finetune: {placement: auto, ranks: 4}}",
            r"ranks: found 4 beside placement: auto; .*leave ranks out",
        ),
        ("stages: {finetune: {placement: auto, gpus_per_rank: 2}}", r"found 2 beside placement: auto"),
        ("stages: {generate: {placement: auto}}", r"found auto for generate; finetune alone is legal"),
        ("stages: {finetune: {placement: automatic}}", r"legal: given, auto"),
    ],
)
def test_auto_in_a_cluster_file_is_refused_where_it_has_no_choice(tmp_path, text, said):
    (tmp_path / "c.yaml").write_text(f"kind: slurm\n{text}\n")
    with pytest.raises(BadStudy, match=said):
        read_cluster(layout.STAGES, tmp_path / "c.yaml", STAGES)


def test_the_layer_that_says_auto_takes_the_place_of_those_below(tmp_path):
    (tmp_path / "c.yaml").write_text(
        "kind: slurm\nall: {placement: auto, partition: gpu}\nstages: {generate: {gpus_per_rank: 1}}\n"
        'labels: {"small-*": {finetune: {placement: given, ranks: 2, zero: zero2}}, "big-*": {finetune: {zero: zero3}}}'
    )
    placed = read_cluster(layout.STAGES, tmp_path / "c.yaml", STAGES).placements
    of = {name: placed.of("finetune", name) for name in ("x", "small-x", "big-x")}
    assert [(p.placement, p.ranks, p.gpus_per_rank, p.zero) for p in of.values()] == [
        ("auto", 1, 1, "auto"), ("given", 2, 1, "zero2"), ("auto", 1, 1, "zero3")
    ]  # fmt: skip
    assert placed.of("judge", "x").placement == "given" and placed.of("judge", "x").gpus == 0


def test_what_no_number_of_gpus_holds_is_left_out_and_the_rest_is_placed(tmp_path):
    workspace, cluster = opened(tmp_path, HUB, "kind: slurm\nall: {placement: auto}\n")

    def machines(placed: Placement) -> Machine:
        return Machine(2, 1)

    with pytest.raises(BadStudy, match=r"c\.yaml: placement: auto for big\.gsm\.s1, big\.gsm\.s2: \d"):
        auto_placement.sized(workspace, cluster, machines)
    kept, (line,) = auto_placement.without(workspace, cluster, machines)
    assert set(kept.judged) == {"small.gsm.s1", "small.gsm.s2"}
    assert "c.yaml: placement: auto for big.gsm.s1, big.gsm.s2: " in line and "train adapters" in line
    assert len(auto_placement.sized(kept, cluster, machines)[1]) == 1
    assert auto_placement.without(kept, cluster, machines) == (kept, [])


@pytest.mark.slow
def test_a_dry_run_plans_the_cells_that_can_be_placed_and_says_which_cannot(tmp_path):
    opened(tmp_path, HUB, "kind: local\nall: {placement: auto, gpu_memory_gb: 2}\n")
    words = [layout.LAUNCH / "sweep.py", "s.yaml", "--cluster", "c.yaml", "--dry-run"]
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "0"}
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 1 and "placement: auto for big.gsm.s1, big.gsm.s2: " in done.stderr
    assert "left alone until then: big.gsm.s1, big.gsm.s2" in done.stderr
    assert "placement: auto: small.gsm.s1, small.gsm.s2: " in done.stdout
