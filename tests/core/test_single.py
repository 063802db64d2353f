"""The study that `make train` and its siblings write: read back as a study, and every value that is refused."""

import os

import pytest

from tests.core.small_study import STUDY, read
from winsweep import layout
from winsweep.attempt.retry import ChainProgress
from winsweep.cluster_file import read_cluster
from winsweep.errors import BadStudy
from winsweep.slurm.array_folders import finalizer_array, finalizer_request, open_finalizer
from winsweep.slurm.reconcile import planned
from winsweep.store.fingerprint import fingerprint
from winsweep.study import single
from winsweep.study.cell import HubModel, LocalFile
from winsweep.study.single import Asked
from winsweep.study.study import read_study
from winsweep.workspace import open_workspace

KNOWN = single.read_told(layout.ROOT / "launch/models.yaml")


def study_of(folder, told):
    path = folder / f"{told['name']}.yaml"
    path.write_bytes(single.text(told, "a test"))
    # AlpacaEval's table of difficulty is not fetched
    return read_study(path, lambda p: LocalFile(fingerprint(p)), lenient=True)


def test_response_tuning_of_llama_is_the_blogs_line(tmp_path):
    """make train_resp MODEL=llama2-7b DATA=lima LR=1e-5 EPOCHS=10"""
    told = single.training(Asked("llama2-7b", "lima", "1e-5", "10"), KNOWN, responses_only=True)
    study = study_of(tmp_path, told)
    assert study.name == "resp_tuned_llama2-7b" and single.cells(told) == ["llama2-7b.resp_tuned.s1"]
    cell = next(c for c in study.table.cells if c.label == "llama2-7b.resp_tuned.s1")
    run, sibling = cell.training, cell.comparison.reference.model
    assert run.model.source == HubModel("meta-llama/Llama-2-7b-hf", "01c7f73d771dfac7d292323805ebc428287df4f9")
    assert (run.task.reader, run.task.empty_instructions) == ("lima", True)
    assert (run.recipe.lr, run.recipe.epochs, run.recipe.global_batch) == (1e-5, 10, 64)
    assert (sibling.task.reader, sibling.task.empty_instructions) == ("lima", False)
    assert (sibling.recipe.epochs, sibling.seed) == (15, 1)
    assert cell.comparison.candidate.instructions.reader == "alpaca_eval" and cell.comparison.judge.name == "gpt_6_luna"


@pytest.mark.parametrize("model", KNOWN)
def test_every_known_model_makes_a_study_with_its_own_defaults(model, tmp_path):
    told = single.training(Asked(model), KNOWN, responses_only=False)
    study = study_of(tmp_path, told)
    arm = next(a for a in told["tasks"] if a != single.SIBLING)
    assert told["name"] == f"{arm}_{model}" and f"{model}.{arm}.s1" in [c.label for c in study.table.cells]


@pytest.mark.parametrize(
    ("data", "responses_only", "name", "reader"),
    [
        ("gsm", False, "gsm_tuned_olmo-7b", "gsm"),
        ("gsm", True, "resp_gsm_tuned_olmo-7b", "gsm"),
        ("lima", False, "lima_tuned_olmo-7b", "lima"),
        ("rows.jsonl", False, "rows_tuned_olmo-7b", "jsonl"),
        ("rows.jsonl", True, "resp_rows_tuned_olmo-7b", "jsonl"),
    ],
)
def test_a_model_is_named_by_its_data(data, responses_only, name, reader, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text('{"instruction": "a", "output": "b"}\n')
    (tmp_path / "elsewhere").mkdir()
    told = single.training(Asked("olmo-7b", data, seed="3", judge="reference_overlap"), KNOWN, responses_only)
    study = study_of(tmp_path / "elsewhere", told)  # a relative path is one of where it was typed
    cell = next(c for c in study.table.cells if c.task != single.SIBLING)
    assert (told["name"], cell.training.task.reader, cell.seed) == (name, reader, 3)
    assert cell.comparison.judge.name == "reference_overlap"
    assert cell.training.recipe.lr == 3e-6 and cell.training.task.empty_instructions is responses_only


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        (Asked(""), r"MODEL: found ''; legal: llama2-7b, olmo-7b, toy; type MODEL=llama2-7b"),
        (Asked("lama2-7b"), r"MODEL: found 'lama2-7b'; legal: .*did you mean llama2-7b\?; type MODEL=llama2-7b"),
        (Asked("toyy"), "type MODEL=toy$"),
        (Asked("toy", data="mbp"), r"DATA: found 'mbp'; legal: alpaca, chess, gsm, .*did you mean mbpp\?"),
        (
            Asked("toy", data="lima_no_rephrase"),
            r"DATA: found 'lima_no_rephrase'; legal: .*lima, mbpp, .*or a file of rows \(\.jsonl, ",
        ),
        (
            Asked("toy", data="gone.jsonl"),
            r"DATA: no file at .*gone\.jsonl; a file of rows and a task of this list are legal: alpaca, chess, gsm",
        ),
        (Asked("toy", data="circle.jsonl"), r"DATA: no file at .*circle\.jsonl"),
        (
            Asked("toy", data="my rows.jsonl"),
            r"DATA: found a file called 'my rows'; letters, digits, - and _ are legal",
        ),
        (Asked("toy", lr="1e-5x"), r"LR: found '1e-5x'; a number above 0 is legal; type LR=1e-5"),
        (Asked("toy", lr="-1"), r"LR: found '-1'"),
        (Asked("toy", lr="nan"), r"LR: found 'nan'"),
        (Asked("toy", lr="inf"), r"LR: found 'inf'"),
        (Asked("toy", epochs="2.5"), r"EPOCHS: found '2\.5'; a whole number above 0 is legal; type EPOCHS=5"),
        (Asked("toy", seed="0"), r"SEED: found '0'"),
        (
            Asked("toy", judge="gpt 4"),
            (
                r"JUDGE: found 'gpt 4'; alpaca_eval_2, gpt_6_luna, qwen_2_5_32b, reference_overlap and the name of a "
                r"model at OPENAI_BASE_URL are legal"
            ),
        ),
    ],
)
def test_what_is_refused(asked, match, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my rows.jsonl").write_text("{}")
    (tmp_path / "circle.jsonl").symlink_to("circle.jsonl")
    with pytest.raises(BadStudy, match=match):
        single.training(asked, KNOWN, responses_only=False)


@pytest.mark.parametrize(
    ("ins", "arm", "reader", "options"),
    [
        ("{from: toy}", "toy_tuned", "toy", {"num_examples": 192}),
        ("{from: toy, num_examples: 24, recipe: {epochs: 9}}", "toy_tuned", "toy", {"num_examples": 24}),
        ("{path: mine.jsonl}", "mine_tuned", "jsonl", {"first": None}),
        ("{path: sub/mine.jsonl, first: 1, leave_out: [x]}", "mine_tuned", "jsonl", {"first": 1}),
        ("{from: lima, path: mine.jsonl}", "lima_tuned", "lima", {}),
        ("{path: {url: 'https://a.b/c/mine.jsonl?raw=1', sha256: " + "ab" * 32 + "}}", "mine_tuned", "jsonl", {}),
    ],
)
@pytest.mark.parametrize("responses_only", [False, True])
def test_every_legal_form_of_a_sibling_makes_a_study(ins, arm, reader, options, responses_only, tmp_path):
    """Its rows are DATA where none is given; relative paths are those of models.yaml, not of the study that is written
    of it.
    """
    (tmp_path / "sub").mkdir()
    for folder in (tmp_path, tmp_path / "sub"):
        (folder / "mine.jsonl").write_text('{"instruction": "a", "output": "b"}\n')
    (tmp_path / "m").mkdir()
    (tmp_path / "models.yaml").write_text(
        f"own:\n  models: {{own: {{path: m}}}}\n  tasks: {{ins: {ins}}}\n  instructions: {{path: mine.jsonl}}\n"
        "  compare: {judge: reference_overlap, reference: {task: ins}}\n"
    )
    told = single.training(Asked("own"), single.read_known(tmp_path / "models.yaml"), responses_only)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/s.yaml").write_bytes(single.text(told, "a test"))
    study = read_study(tmp_path / "elsewhere/s.yaml", lambda p: LocalFile(fingerprint(p)), lenient="url" in ins)
    cell = next(c for c in study.table.cells if c.task != single.SIBLING)
    assert cell.task == ("resp_tuned" if responses_only else arm) and cell.training.task.reader == reader
    assert vars(cell.training.task.options).items() >= options.items()
    sibling = cell.comparison.reference.model
    assert sibling.task.data == cell.training.task.data and cell.leave_out == () and cell.training.recipe.epochs == 5


def test_what_a_models_own_recipe_says_is_not_overridden_by_its_entrys():
    own = {
        "models": {"own": {"hf_id": "a/b", "revision": "c", "recipe": {"lr": 3e-6}}},
        "tasks": {"ins": {"from": "lima"}},
        "recipe": {"lr": 1e-5, "epochs": 3},
    }
    assert single.training(Asked("own"), {"own": own}, True)["tasks"]["resp_tuned"]["recipe"] == {
        "lr": 3e-6,
        "epochs": 3,
    }


@pytest.mark.parametrize(
    ("entry", "match"),
    [
        (None, "models.yaml: own: found nothing without a mapping under tasks; .*type own: {models"),
        ({"tasks": ["lima"]}, "own: found a mapping without a mapping under tasks"),
        ("x", "own: found the text 'x' without"),
        (
            {"tasks": {"gsm": {"from": "gsm"}}},
            "own: tasks has no ins: .*found nothing; ins: {from: lima}, ins: {path: FILE} and both are legal",
        ),
        ({"tasks": {"ins": "lima"}}, "tasks has no ins: .*found the text 'lima'"),
        ({"tasks": {"ins": {"first": 3}}}, "tasks has no ins: .*found a mapping"),
        ({"tasks": {"ins": {"path": "my rows.jsonl"}}}, "own: tasks.ins.path: found a file called 'my rows'"),
    ],
)
def test_an_entry_of_another_shape_is_refused_by_name(entry, match):
    with pytest.raises(BadStudy, match=match):
        single.training(Asked("own"), {"own": entry}, False)


def test_a_model_is_found_by_its_name(tmp_path):
    with pytest.raises(
        BadStudy, match=r"MODEL: no 'resp_tuned_toy' was trained here; .* has none; type make train_resp"
    ):
        single.find("resp_tuned_toy", tmp_path)
    (tmp_path / "resp_tuned_toy.yaml").write_text("{}")
    assert single.find("resp_tuned_toy", tmp_path) == tmp_path / "resp_tuned_toy.yaml"
    with pytest.raises(
        BadStudy, match=r"no 'resp_toy' .*did you mean resp_tuned_toy\?; type MODEL=resp_tuned_toy, or make train_resp"
    ):
        single.find("resp_toy", tmp_path)


def test_what_a_person_took_out_is_left_to_sweep_py_to_say(tmp_path):
    told = single.training(Asked("toy"), KNOWN, responses_only=True)
    assert single.cells(told | {"seeds": [1, 4]}) == ["toy.resp_tuned.s1", "toy.resp_tuned.s4"]
    assert (
        single.cells({k: v for k, v in told.items() if k != "seeds"}) == []
        and single.judged_by({}, "gpt-4.1")["compare"]["judge"]["model"] == "gpt-4.1"
    )
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert single.read_told(tmp_path / "empty.yaml") == {}
    (tmp_path / "torn.yaml").write_text("name: [")
    with pytest.raises(BadStudy, match=r"torn\.yaml:1: not YAML"):
        single.read_told(tmp_path / "torn.yaml")


def test_models_alone_are_finetunes_and_no_table(tmp_path):
    """What --train-only plans, submits and tells the finalizer."""
    read(tmp_path, STUDY)
    workspace = (
        open_workspace(tmp_path / "study.yaml", tmp_path / "runs").only(["a.base.s1", "a.sum.s1", "a.sum.s2"]).models()
    )
    assert set(workspace.judged) == {"a.sum.s1", "a.sum.s2"} and {a.stage for a in workspace.order} == {
        "pretrain",
        "prepare",
        "check",
        "finetune",
        "collect",
    }
    cluster = read_cluster(layout.STAGES, layout.CLUSTERS / "gpu.yaml", workspace.need.stages)
    assert [array.title for array in planned(workspace, workspace.plan(workspace.facts()), cluster)] == [
        "pretrain",
        "prepare",
        "check",
        "finetune+collect",
    ]
    assert finalizer_array(workspace, cluster, [0]).stage == "finalizer"
    told = finalizer_request(workspace, cluster, tmp_path, ChainProgress(0, 0))
    folder, _, _ = open_finalizer(workspace, finalizer_array(workspace, cluster, [0]), told, tmp_path)
    told = single.read_told(folder / "finalizer.json")  # JSON is YAML
    assert (
        told["has_table"] is False
        and told["cells"] == ["a.sum.s1", "a.sum.s2"]
        and os.path.samefile(told["study"], tmp_path / "study.yaml")
    )
