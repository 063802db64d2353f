"""Rank and drift in a study: which cells they name, what they are made from, what is refused of them."""

from collections import Counter

import pytest

from tests.core.small_study import STUDY, artifacts, keys, read
from winsweep import layout
from winsweep.artifact import closure
from winsweep.cluster_file import read_cluster
from winsweep.errors import BadStudy
from winsweep.slurm.reconcile import planned
from winsweep.study.analyses import EMBEDDER
from winsweep.study.cell import HubModel
from winsweep.workspace import chain, columns, open_workspace

BOTH = """\
analyses:
  rank: {data: sum, arms: [base, ins]}
  drift: {arms: [sum], against: ins, models: [a], seed: 2}
"""


def test_each_is_of_a_cell_of_the_study(tmp_path):
    study = read(tmp_path, STUDY + BOTH)
    assert {label: a.cell.label for label, a in study.analyses.items()} == {
        "rank.a.base": "a.base.s1",
        "rank.a.ins.s1": "a.ins.s1",
        "rank.b.base": "b.base.s1",
        "rank.b.ins.s1": "b.ins.s1",
        "drift.a.sum.s2": "a.sum.s2",
    }
    rank, drift = study.analyses["rank.a.ins.s1"].ask, study.analyses["drift.a.sum.s2"].ask
    assert (rank.draws, rank.seed, rank.precision, rank.rows.options.kinds, rank.frame.user) == (
        5,
        0,
        "fp32",
        ("sum",),
        "<|user|>",
    )
    assert drift.outputs == study.analyses["drift.a.sum.s2"].cell.comparison.candidate and drift.embedder == EMBEDDER
    assert drift.task.options.kinds == ("sum",) and drift.general.options.kinds == ()


def test_an_embedder_is_the_directory_of_a_model_and_nothing_else(tmp_path):
    named = BOTH.replace("against: ins", "against: ins, embedder: {path: model}")
    with pytest.raises(BadStudy, match="no file at .*/model"):
        read(tmp_path, STUDY + named)
    (tmp_path / "model").mkdir()
    for text in (named, named.replace("model}", ".}")):
        with pytest.raises(BadStudy, match="found a directory without a model, .* type embedder: ngrams"):
            read(tmp_path, STUDY + text)
    (tmp_path / "model" / "modules.json").write_text("[]")
    assert read(tmp_path, STUDY + named).analyses["drift.a.sum.s2"].ask.embedder != EMBEDDER
    with pytest.raises(BadStudy, match="found a file, .*; the directory of a model is legal"):
        read(tmp_path, STUDY + named.replace("path: model", "path: model/modules.json"))


def test_they_are_made_from_what_the_table_is_made_from_and_little_more(tmp_path):
    study = read(tmp_path, STUDY + BOTH)
    own, table = artifacts(study), set().union(*keys(study).values())
    assert keys(study) == keys(read(tmp_path, STUDY))
    assert Counter(key.partition("/")[0] for key in {a.key for a in closure(own.values())} - table) == {
        "rank": 4,
        "drift": 1,
    }
    assert {n: a.stage for n, a in own["rank.a.ins.s1"].inputs.items()} == {"base": "collect", "rows": "prepare"}
    assert {n: a.stage for n, a in own["drift.a.sum.s2"].inputs.items()} == {
        "outputs": "generate",
        "task": "prepare",
        "general": "prepare",
    }
    assert (
        own["rank.b.base"].plain_params["base"]["source"]["hf_id"] == "some/model"
        and own["rank.a.base"].inputs["base"].stage == "pretrain"
    )


@pytest.mark.parametrize(
    ("old", "new", "moved"),
    [
        ("data: sum", "data: sum, draws: 3", {"rank"}),
        ("data: sum", "data: sum, draw_seed: 1", {"rank"}),
        ("data: sum", "data: ins", {"rank"}),
        ("data: sum", "data: sum, precision: bf16", {"rank"}),
        ("data: sum", "data: {from: toy, kinds: [sum]}", set()),
        ("against: ins", "against: sum", {"drift"}),
        ("against: ins", "against: ins, embedder: {hf_id: x/y, revision: z}", {"drift"}),
        ("models: [a], seed: 2", "seed: 2, models: [a]", set()),
        ("data: sum", "data: sum, models: [b, a]", set()),
    ],
)
def test_keys_move_with_what_is_asked_alone(tmp_path, old, new, moved):
    before, after = (artifacts(read(tmp_path, STUDY + text)) for text in (BOTH, BOTH.replace(old, new)))
    assert {a.stage for label, a in before.items() if a.key != after[label].key} == moved


def test_a_choice_of_recipe_and_a_grid_are_followed(tmp_path):
    study = read(
        tmp_path,
        STUDY.replace("seeds: [1, 2]", "seeds: [2, 1]\ngrid: {epochs: [5, 10]}")
        + BOTH.replace("models: [a], seed: 2", "models: [a]"),
    )
    assert [label for label in study.analyses if ".a." in label] == [
        "rank.a.base",
        "rank.a.ins.s2.epochs5",
        "rank.a.ins.s2.epochs10",
        "drift.a.sum.s2.epochs5",
        "drift.a.sum.s2.epochs10",
    ]


def test_an_embedder_may_lie_here(tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "config.json").write_text("{}")
    study = read(tmp_path, STUDY + BOTH.replace("against: ins", "against: ins, embedder: {path: own}"))
    embedder = study.analyses["drift.a.sum.s2"].ask.embedder
    assert not isinstance(embedder, HubModel) and study.files[embedder.sha256] == tmp_path / "own"


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        (
            "rank:",
            "ranks:",
            (
                r"study\.yaml:16: analyses\.ranks: unknown key 'ranks'; legal: rank, drift, containment; did you mean "
                r"rank\?"
            ),
        ),
        ("data: sum", "date: sum", r"analyses\.rank\.date: unknown key 'date'; .*did you mean data\?"),
        ("data: sum, ", "", r"analyses\.rank: data is missing; .*add data:"),
        (
            "data: sum",
            "data: summ",
            r"analyses\.rank\.data: no task or adapter 'summ' in this study; legal: ins, sum; did you mean sum\?",
        ),
        ("data: sum", "data: base", r"no task or adapter 'base' in this study; legal: ins, sum"),
        ("data: sum", "data: {from: tyo}", r"no file tyo\.py in tasks/; .*did you mean toy\?"),
        ("data: sum", "data: {from: toy, empty_instructions: true}", r"found rows whose instructions are emptied"),
        ("data: sum", "data: sum, draws: 0", r"analyses\.rank\.draws: found 0; at least 1 is legal"),
        (
            "[base, ins]",
            "[base, inns]",
            r"analyses\.rank\.arms: no task or adapter 'inns' in this study; .*did you mean ins\?",
        ),
        ("[base, ins]", "[ins, ins]", r"duplicate cell: the arm ins is listed twice"),
        ("arms: [base, ins]", "seed: 1", r"analyses\.rank: arms is missing"),
        (
            "arms: [sum]",
            "arms: [base]",
            r"analyses\.drift\.arms: no task or adapter 'base' in this study; legal: ins, sum",
        ),
        (
            "models: [a]",
            "models: [aa]",
            r"analyses\.drift\.models: no model 'aa' in this study; legal: a, b; did you mean a\?",
        ),
        ("seed: 2", "seed: 3", r"analyses\.drift\.seed: no seed 3 in this study; legal: 1, 2"),
        ("against: ins, ", "", r"analyses\.drift: against is missing"),
        ("against: ins", "against: ins, embedder: {hf_id: x/y}", r"analyses\.drift\.embedder: revision is missing"),
        ("against: ins", "against: ins, embedder: {path: gone}", r"analyses\.drift\.embedder\.path: no file at"),
    ],
)
def test_what_is_refused(tmp_path, old, new, match):
    assert old in BOTH
    with pytest.raises(BadStudy, match=match):
        read(tmp_path, STUDY + BOTH.replace(old, new, 1))


def test_arms_that_have_no_likelihood_or_no_cell_are_refused(tmp_path):
    rules = STUDY.replace("base: {rules: []}", "base: {rules: [eos]}")
    with pytest.raises(BadStudy, match=r"no task or adapter 'base' in this study; legal: ins, sum"):
        read(tmp_path, rules + BOTH)
    with pytest.raises(BadStudy, match=r"no cell of ins for a; .*remove ins or name its model"):
        read(
            tmp_path,
            STUDY.replace("ins: {from: toy}", "ins: {from: toy, models: [b]}").replace(
                "reference: {task: ins}", "reference: {task: sum}"
            )
            + BOTH.replace("data: sum", "data: sum, models: [a]"),
        )


def test_the_plan_the_arrays_and_the_columns_have_them(tmp_path):
    read(tmp_path, STUDY + BOTH)
    workspace = open_workspace(tmp_path / "study.yaml", tmp_path / "runs")
    cluster = read_cluster(layout.STAGES, layout.CLUSTERS / "gpu.yaml", workspace.need.stages)
    found = planned(workspace, workspace.plan(workspace.facts()), cluster)
    assert {a.label for array in found for task in array.tasks for a in task if a.stage == "rank"} == {
        "a.base",
        "b.base",
        "a.ins.s1",
        "b.ins.s1",
    }
    assert [len(array.tasks) for array in found if array.stage == "drift"] == [1]
    chains = {label: chain(workspace.ends(label)) for label in workspace.judged}
    assert columns(chains.values())[-3:] == ["judge", "rank", "drift"] and [
        c for c in chains if "drift" in chains[c]
    ] == ["a.sum.s2"]


def test_what_belongs_to_a_cell_goes_with_it(tmp_path):
    read(tmp_path, STUDY + BOTH)
    workspace = open_workspace(tmp_path / "study.yaml", tmp_path / "runs")
    assert set(workspace.only(["a.ins.s1", "b.sum.s2"]).analyses) == {"rank.a.ins.s1"}
    assert [a.stage for a in workspace.only(["a.sum.s2"]).wanted] == ["aggregate", "drift"] and len(
        workspace.wanted
    ) == 1 + 5
