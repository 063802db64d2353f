"""Stages: found as files, asked once, refused in circles."""

from pathlib import Path

import pytest

from winsweep.errors import BadStudy
from winsweep.graph import Need, discover


def stage(folder: Path, name: str, body: str) -> None:
    (folder / f"{name}.py").write_text(
        f"from winsweep.graph import Want\nVERSION = 1\ndef want(ask, need):\n    return {body}\n"
    )


def test_a_file_is_its_own_registration_and_an_answer_is_remembered(tmp_path):
    stage(tmp_path, "make", "Want(ask, {'ask': ask}, {})")
    stage(tmp_path, "use", "Want(ask, {}, {'made': need('make', ask)})")
    need = Need(discover(tmp_path, "test_graph_a"))
    assert need("use", "x").inputs["made"] is need("make", "x")
    assert need("make", "x") != need("make", "y") and need("make", "x").name.startswith("make/x-")


def test_a_gate_is_an_artifact_that_no_key_holds(tmp_path):
    stage(tmp_path, "look", "Want(ask, {'ask': ask}, {})")
    stage(tmp_path, "make", "Want(ask, {'ask': ask}, {})")
    stages = discover(tmp_path, "test_graph_g")
    need = Need(stages, lambda stage, ask: {"look": ("look", ask)} if stage == "make" else {})
    assert (
        need("make", "x").gates == {"look": need("look", "x")}
        and need("make", "x").key == Need(stages)("make", "x").key
    )


def test_a_circle_is_named(tmp_path):
    stage(tmp_path, "a", "Want(ask, {}, {'b': need('b', ask)})")
    stage(tmp_path, "b", "Want(ask, {}, {'a': need('a', ask)})")
    with pytest.raises(BadStudy, match="circle: a -> b -> a"):
        Need(discover(tmp_path, "test_graph_b"))("a", "x")


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "bad.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(BadStudy, match=r"bad\.py: cannot be loaded: ModuleNotFoundError"):
        discover(tmp_path, "test_graph_c")


def test_an_unknown_stage_is_answered_with_those_there_are(tmp_path):
    stage(tmp_path, "make", "Want(ask, {}, {})")
    with pytest.raises(BadStudy, match="no such file in jobs/; there are make"):
        Need(discover(tmp_path, "test_graph_d"))("mak", "x")
