"""Which cells a name means that a person types behind `--only`."""

import pytest

from tests.core.faulty import STUDY
from winsweep.cell_results import several
from winsweep.errors import BadStudy
from winsweep.workspace import Workspace, open_workspace

TINY = "{pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}"
VERSIONS = STUDY.replace(
    f"{{a: {TINY}}}", f"{{llama3: {TINY}, llama3.1: {TINY.replace('width', 'seed: 1, width')}}}"
).replace(
    "{ins: {from: toy, num_examples: 24}}",
    "{ins: {from: toy, num_examples: 24}, ins.long: {from: toy, trajectory: [1]}}",
)
GRID = VERSIONS.replace("seeds: [1]", "seeds: [1, 2]\ngrid: {lr: [0.001, 0.002]}")


def opened(folder, text) -> Workspace:
    (folder / "one.yaml").write_text(text)
    return open_workspace(folder / "one.yaml", folder / "runs")


def test_a_name_is_not_the_beginning_of_another_one(tmp_path):
    workspace = opened(tmp_path, VERSIONS)
    assert several(workspace, "llama3") == ["llama3.ins.s1", "llama3.ins.long.s1", "llama3.ins.long.s1@epoch1of5"]
    assert several(workspace, "llama3.1") == [x.replace("llama3", "llama3.1") for x in several(workspace, "llama3")]
    assert several(workspace, "llama3.ins") == several(workspace, "llama3.ins.s1") == ["llama3.ins.s1"]
    assert several(workspace, "llama3.ins.long@epoch1of5") == ["llama3.ins.long.s1@epoch1of5"]


def test_points_of_a_grid_and_seeds_are_chosen_apart_or_together(tmp_path):
    workspace = opened(tmp_path, GRID)
    assert several(workspace, "llama3.ins") == [f"llama3.ins.s{s}.lr{lr}" for s in (1, 2) for lr in ("0.001", "0.002")]
    assert several(workspace, "llama3.ins.lr0.001") == ["llama3.ins.s1.lr0.001", "llama3.ins.s2.lr0.001"]
    assert several(workspace, "llama3.ins.s1") == ["llama3.ins.s1.lr0.001", "llama3.ins.s1.lr0.002"]


@pytest.mark.parametrize("typed", ["llama3.inz", "llama3.ins.", "llama3.ins.lon", "lama3", ""])
def test_a_name_of_nothing_is_answered_with_arms_and_models_too(tmp_path, typed):
    with pytest.raises(BadStudy, match=r"legal: llama3, llama3\.1, llama3\.ins, llama3\.ins\.long, .*llama3\.ins\.s1"):
        several(opened(tmp_path, VERSIONS), typed)
