"""Names with dots, labels that join names with dots, and lists of nothing."""

import json
from pathlib import Path

import pytest

from tests.core.small_study import STUDY, keys, read, refused
from winsweep import results
from winsweep.errors import BadStudy
from winsweep.workspace import open_workspace

DOTTED = """\
name: qwen2.5
models: {qwen2.5-7b: {pretrain: {seed: 0}}, qwen2.5: {pretrain: {seed: 1}}}
adapters: {v1.0: {rules: []}}
tasks: {ins: {from: toy}, sum.v2: {from: toy, kinds: [sum]}}
seeds: [1]
instructions: {from: toy}
compare: {judge: reference_overlap, reference: {task: ins}}
choose:
  grid: {epochs: [5, 7]}
  instructions: {from: toy, part: dev}
  reference: {outputs: others.json}
  picks: {qwen2.5-7b.sum.v2: {epochs: 7}}
published: {qwen2.5.sum.v2: [23.7, 0.74]}
analyses:
  drift: {arms: [sum.v2], against: ins}
"""


def test_names_may_have_dots_wherever_they_are_joined(tmp_path):
    (tmp_path / "others.json").write_text("[]")
    (tmp_path / "study.yaml").write_text(DOTTED)
    workspace = open_workspace(tmp_path / "study.yaml", tmp_path / "runs")
    assert set(workspace.judged) == {
        f"{m}.{a}.s1" for m in ("qwen2.5-7b", "qwen2.5") for a in ("v1.0", "ins", "sum.v2")
    }
    assert set(workspace.only(["qwen2.5.sum.v2.s1"]).analyses) == {"drift.qwen2.5.sum.v2.s1"}
    picked = next(c for c in workspace.study.table.cells if c.label == "qwen2.5-7b.sum.v2.s1")
    assert (
        picked.training.recipe.epochs == 7
        and picked.training.choice is None
        and (picked.model, picked.task) == ("qwen2.5-7b", "sum.v2")
    )
    assert workspace.study.table.published == (("qwen2.5.sum.v2", 23.7, 0.74),)
    assert (
        results.path_of(workspace).name == "qwen2.5.csv"
        and results.path_of(workspace).with_suffix(".differences.csv").name == "qwen2.5.differences.csv"
    )


def test_a_dot_moves_no_key(tmp_path):
    plain, dotted = (
        keys(read(tmp_path, STUDY)),
        keys(read(tmp_path, STUDY.replace("  a: {", "  a.b: {").replace("  sum:", "  sum.x:"))),
    )
    assert list(plain.values()) == list(dotted.values()) and "a.b.sum.x.s1" in dotted


@pytest.mark.parametrize(("models", "tasks"), [("a, a.b", "b.ins, ins"), ("a.s1.x, a", "y, s1.x.y")])
def test_labels_that_would_be_the_same_are_refused(tmp_path, models, tasks):
    text = (
        STUDY[: STUDY.index("models:")]
        + "models: {"
        + ", ".join(f"{m}: {{pretrain: {{seed: {n}}}}}" for n, m in enumerate(models.split(", ")))
        + "}\n"
    )
    text += (
        "tasks: {"
        + ", ".join(f"{t}: {{from: toy, num_examples: {n + 8}}}" for n, t in enumerate(tasks.split(", ")))
        + "}\n"
    )
    text += (
        "seeds: [1]\ninstructions: {from: toy}\ncompare: {judge: reference_overlap, reference: {task: "
        + tasks.split(", ")[0]
        + "}}\n"
    )
    with pytest.raises(
        BadStudy,
        match=r"two cells would be called .*; names that differ when joined by dots are legal; rename one of them",
    ):
        read(tmp_path, text)


@pytest.mark.parametrize("name", ["x.", ".x", "..", "a/b", "a b", "", "-a"])
def test_other_names_are_refused(tmp_path, name):
    refused(
        tmp_path,
        "  sum: {",
        f"  {json.dumps(name)}: {{",
        "letters, digits, - and _ are legal, a letter or digit first, and . between them",
    )


@pytest.mark.parametrize("name", ["a.differences", "a.rank", "a.drift.m.sum.s1", "a.instructions"])
def test_a_study_is_not_called_like_anothers_files(tmp_path, name):
    refused(tmp_path, "name: small", f"name: {name}", "another study's files in results/ end so")


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        (
            "seeds: [1, 2]",
            "seeds: []",
            r"study\.yaml:\d+: seeds: found nothing in it; at least one entry is legal; type seeds: \[1\]",
        ),
        ("seeds: [1, 2]", "seeds: [1]\ngrid: {epochs: []}", r"grid\.epochs: found nothing in it"),
        (
            "seeds: [1, 2]",
            "seeds: [1]\nanalyses: {rank: {data: ins, arms: []}}",
            r"analyses\.rank\.arms: found nothing in it",
        ),
        (
            "seeds: [1, 2]",
            "seeds: [1]\nanalyses: {rank: {data: ins, arms: [base], models: []}}",
            r"analyses\.rank\.models: found nothing in it",
        ),
        ("  ins: {from: toy}", "  ins: {from: toy, models: []}", r"tasks\.ins\.models: found nothing in it"),
    ],
)
def test_lists_of_nothing_are_refused(tmp_path, old, new, match):
    refused(tmp_path, old, new, match)


def test_sections_of_nothing_are_refused(tmp_path):
    head, rest = STUDY[: STUDY.index("models:")], STUDY[STUDY.index("adapters:") :]
    with pytest.raises(BadStudy, match="models: found nothing in it"):
        read(tmp_path, f"{head}models: {{}}\n{rest}")
    tail = STUDY[STUDY.index("seeds:") :].replace("{task: ins}", "{outputs: o.json}")
    for tasks in ("tasks: {}", "tasks: []", "adapters: {}\ntasks: {}"):
        with pytest.raises(BadStudy, match=r"tasks: found nothing in it; .*; name a task, or an adapter"):
            read(tmp_path, f"{head}models: {{a: {{pretrain: {{seed: 0}}}}}}\n{tasks}\n{tail}")
    Path(tmp_path / "o.json").write_text("[]")
    choose = "choose: {grid: {epochs: []}, instructions: {from: toy}, reference: {outputs: o.json}}\n"
    for grid in ("{epochs: []}", "{}"):
        with pytest.raises(BadStudy, match=r"choose\.grid.*: found nothing in it"):
            read(tmp_path, STUDY + choose.replace("{epochs: []}", grid))
