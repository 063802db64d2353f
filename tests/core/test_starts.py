"""Models that start from a cell of their study: what they are made from, their keys, and what is refused."""

import json

import pytest

from tests.core.chains import BY_STAGE, sound
from tests.core.small_study import STUDY, keys, read
from tests.core.test_selection import CHOOSE
from winsweep.costs.gpu_cost import num_parameters
from winsweep.errors import BadStudy
from winsweep.placement import Placement, Placements
from winsweep.plan import Facts, plan
from winsweep.prefetch import on_hub
from winsweep.slurm.chain import arrays
from winsweep.store.siblings import nearest
from winsweep.store.store import Store
from winsweep.study.origin import root_of, starts_text
from winsweep.workspace import chain, open_workspace

ADAPTERS = "adapters:\n"


def started(models: str, text: str = STUDY) -> str:
    return text.replace(ADAPTERS, f"{models}\n{ADAPTERS}", 1)


def cells(folder, text: str) -> dict:
    return {c.label: c for c in read(folder, text).table.cells}


def model(cell):
    return cell.comparison.candidate.model


def test_a_seed_that_is_not_named_is_the_cells_own(tmp_path):
    found = cells(tmp_path, started("  x: {from: a.sum}\n  y: {from: a.sum.s1}"))
    starts = {label: starts_text(model(cell)) for label, cell in found.items() if label[0] in "xy"}
    assert starts == {
        f"{x}.{arm}.s{seed}": f"a.sum.s{seed if x == 'x' else 1}"
        for x in "xy"
        for arm in ("base", "ins", "sum")
        for seed in (1, 2)
    }
    assert found["x.ins.s2"].training.model.source == found["a.sum.s2"].training
    assert found["y.base.s1"].comparison.candidate is found["y.base.s2"].comparison.candidate
    assert found["x.base.s1"].comparison.candidate is not found["x.base.s2"].comparison.candidate


def test_its_key_hangs_on_that_cell_and_moves_no_other(tmp_path):
    before, found = keys(read(tmp_path, STUDY)), keys(read(tmp_path, started("  x: {from: a.sum}")))
    assert before.items() <= found.items()
    stages = ("finetune", "collect")
    of_start = {k for k in before["a.sum.s1"] if k.startswith(stages)} - before["a.ins.s1"]
    assert len(of_start) == 2 and of_start <= found["x.ins.s1"]
    other = keys(read(tmp_path, started("  x: {from: a.sum}").replace("epochs: 7", "epochs: 8")))
    assert all(not (other[cell] & found[cell] & {k for k in found[cell] if k.startswith("fine")} - before["a.ins.s1"])
               for cell in ("x.ins.s1", "x.sum.s2"))  # fmt: skip


def test_the_model_as_it_is_has_the_answers_of_that_cell(tmp_path):
    (tmp_path / "study.yaml").write_text(started("  x: {from: a.sum}"))
    judged = open_workspace(tmp_path / "study.yaml", tmp_path / "runs").judged
    assert judged["x.base.s2"].inputs["candidate"] == judged["a.sum.s2"].inputs["candidate"]


def test_a_start_from_a_start_goes_down_to_the_base(tmp_path):
    text = started("  x: {from: b.sum, recipe: {epochs: 3}}\n  y: {from: x.ins.s2, context: 99}")
    found = cells(tmp_path, text.replace('"12ab"', '"12ab", context: 300'))
    y = found["y.ins.s1"].training
    assert starts_text(y) == "x.ins.s2 from b.sum.s2" and root_of(y).name == "b"
    # what is said of b and x holds for y, too
    assert (y.recipe.lr, y.recipe.epochs) == (3e-6, 3) and y.model.context == 99
    assert found["x.ins.s1"].training.model.context == 300


def test_a_point_of_a_grid_or_of_a_trajectory_is_a_start_too(tmp_path):
    grid = STUDY.replace("seeds:", "grid: {warmup_ratio: [0.0, 0.1]}\nseeds:")
    found = cells(tmp_path, started("  x: {from: a.sum}\n  y: {from: a.sum.s1.warmup_ratio0.1}", grid))
    assert starts_text(model(found["x.base.s2.warmup_ratio0.1"])) == "a.sum.s2.warmup_ratio0.1"
    assert starts_text(model(found["y.ins.s2.warmup_ratio0.0"])) == "a.sum.s1.warmup_ratio0.1"
    assert "y.base.s2.warmup_ratio0.0" not in found and dict(found["x.base.s1.warmup_ratio0.0"].varying) == {
        "warmup_ratio": 0.0
    }
    points = STUDY.replace("kinds: [sum],", "kinds: [sum], trajectory: [2],")
    found = cells(tmp_path, started("  x: {from: a.sum@epoch2of7}", points))
    assert found["x.ins.s1"].training.model.source == found["a.sum.s1@epoch2of7"].training


def test_validation_runs_start_from_the_run_of_their_own_seed(tmp_path):
    (tmp_path / "others.json").write_text("[]")
    found = cells(tmp_path, started("  x: {from: a.sum}\n  y: {from: a.sum.s1}", STUDY) + CHOOSE)
    for x, seed in (("x", 42), ("y", 1)):
        first, second = (found[f"{x}.ins.s{n}"].training.choice for n in (1, 2))
        assert first == second and {starts_text(run.candidate.model) for run in first.runs} == {f"a.sum.s{seed}"}


def test_checks_look_at_the_base_underneath(tmp_path):
    (tmp_path / "study.yaml").write_text(
        started("  x: {from: a.sum, recipe: {max_tokens: 77}}").replace(
            "rules: []}", "rules: []}\n  short: {rules: [eos]}"
        )
    )
    workspace = open_workspace(tmp_path / "study.yaml", tmp_path / "runs")
    checks = [a for a in workspace.order if a.stage == "check"]
    assert [a.label for a in checks] == ["a", "b"] and checks[0].plain_params["max_tokens"] == [77, 2048]
    gates = {(a.stage, a.label): a.gates.get("check") for a in workspace.order}
    assert (
        gates["finetune", "x.ins.s1"] == gates["generate", "x.short.s1"] == gates["finetune", "a.ins.s1"] == checks[0]
    )


def test_costs_and_analyses_see_the_model_at_the_bottom(tmp_path):
    text = started("  x: {from: b.sum}").replace("some/model", "some/model-7b")
    (tmp_path / "study.yaml").write_text(text + "analyses: {rank: {data: ins, arms: [base, ins], models: [x]}}\n")
    workspace = open_workspace(tmp_path / "study.yaml", tmp_path / "runs")
    tuned = {a.label: num_parameters(a) for a in workspace.order if a.stage == "finetune"}
    assert tuned["x.ins.s1"] == tuned["b.sum.s1"] == 7e9 and tuned["a.ins.s1"] is None
    start = workspace.judged["b.sum.s1"].inputs["candidate"].inputs["base"]
    assert workspace.analyses["rank.x.base.s1"].inputs["base"] == start
    assert [part.hf_id for part in on_hub(workspace.order)] == ["some/model-7b"]


@pytest.mark.parametrize("together", [(), ("collect",), ("collect", "generate")])
def test_arrays_make_it_behind_the_cell_that_it_starts_from(tmp_path, together):
    (tmp_path / "study.yaml").write_text(started("  x: {from: a.sum}\n  y: {from: x.ins.s1}"))
    workspace = open_workspace(tmp_path / "study.yaml", tmp_path / "runs")
    of_stage = {s: Placement() for s in [*BY_STAGE, "check", "aggregate"]}
    placed = Placements(of_stage | {s: Placement(where="with_input") for s in together})
    found = arrays(workspace.plan(Facts()), placed, 1000)
    assert sound(found)
    assert {a.key for array in found for task in array.tasks for a in task} == {a.key for a in workspace.order}


def test_of_a_store_with_a_part_just_the_rest_is_made(tmp_path):
    (tmp_path / "study.yaml").write_text(started("  x: {from: a.sum.s1}").replace("[1, 2]", "[1]"))
    workspace = open_workspace(tmp_path / "study.yaml", tmp_path / "runs")
    own = chain([workspace.judged["x.ins.s1"]])
    assert [a.label for a in own["finetune"]] == ["x.ins.s1"]
    start = own["finetune"][0].inputs["base"]
    everything = {a.key for a in workspace.order}

    def left(gone: set[str], **more) -> dict[str, str]:
        items = plan(workspace.wanted, Facts(present=everything - gone, **more))
        return {f"{i.artifact.stage}/{i.artifact.label}": i.state for i in items if i.state != "done"}

    ends = {a.key for a in workspace.order if a.stage in ("judge", "aggregate")}
    assert left(ends | {own["finetune"][0].key, own["collect"][0].key, own["generate"][0].key}) == {
        "finetune/x.ins.s1": "ready", "collect/x.ins.s1": "waiting", "generate/x.ins.s1": "waiting",
    } | {f"judge/{label}": "waiting" if "x" in label else "ready" for label in workspace.judged} | {
        "aggregate/small": "waiting"}  # fmt: skip
    lost = left({start.key})
    assert lost["collect/a.sum.s1"] == "ready" and lost["finetune/x.sum.s1"] == "waiting"
    held = left({start.key, own["finetune"][0].key}, failed={start.key: "no room"})
    assert held["finetune/x.ins.s1"] == "blocked"


def test_adapters_alone_are_no_start_and_may_stand_on_one(tmp_path):
    lora = STUDY.replace("kinds: [sum], recipe: {epochs: 7}", "kinds: [sum], recipe: {lora: {rank: 4}}")
    with pytest.raises(BadStudy, match=r"x\.from: found a\.sum, which makes adapters and no model; .*type merge: true"):
        read(tmp_path, started("  x: {from: a.sum}", lora))
    merged = lora.replace("rank: 4}", "rank: 4, merge: true}")
    assert "x.ins.s1" in cells(tmp_path, started("  x: {from: a.sum}", merged))
    (tmp_path / "study.yaml").write_text(started("  x: {from: a.ins}", lora))
    workspace = open_workspace(tmp_path / "study.yaml", tmp_path / "runs")
    answers = workspace.judged["x.sum.s1"].inputs["candidate"]
    assert answers.inputs["base"] == workspace.judged["a.ins.s1"].inputs["candidate"].inputs["base"]
    assert answers.inputs["lora"].label == "x.sum.s1"
    assert [a.label for a in chain([workspace.judged["x.sum.s1"]])["finetune"]] == ["x.sum.s1"]


@pytest.mark.parametrize(
    ("models", "match"),
    [
        ("  x: {from: a.base}", r"x\.from: found a\.base, which trains nothing; a cell that is trained is legal"),
        ("  x: {from: a.sun}", r"no cell 'a\.sun' to start from; legal: a\.ins, .*; did you mean a\.sum"),
        ("  x: {from: a.sum.s3}", r"no cell 'a\.sum\.s3' to start from"),
        ("  x: {from: x.ins}", r"found a circle of starts: x from x; a model that comes from hf_id:, path:"),
        ("  x: {from: y.ins}\n  y: {from: x.ins}", r"models\.x\.from: found a circle of starts: x from y from x"),
        ("  x: {from: a.sum, path: a}", r"found path and from; exactly one of hf_id, path, pretrain, from is legal"),
        ("  x: {from: a.sum, tokenizer: a}", r"models\.x\.tokenizer: found it beside from:; it is that of the cell"),
        ("  x: {from: a.sum, context: 1}", r"context: found 1; a number of tokens from 2 is legal"),
        ("  x: {from: [a.sum]}", r"models\.x\.from: found a list; text is legal here"),
        ("  x: {from: a.sum@epoch3of7}", r"no cell 'a\.sum@epoch3of7' to start from; legal: a\.sum\.s1; type one"),
        ("  x: {from: a.sum.s1}\n  y: {from: a.sum.s1}", r"duplicate cell: y and x ask for the same thing"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path, models, match):
    with pytest.raises(BadStudy, match=match):
        read(tmp_path, started(models))


def test_an_arm_that_the_model_does_not_have_is_no_start(tmp_path):
    text = started("  x: {from: b.sum}").replace("recipe: {epochs: 7}", "recipe: {epochs: 7}, models: [a, x]")
    with pytest.raises(BadStudy, match=r"no cell 'b\.sum' to start from; legal: a\.ins, a\.sum, b\.ins, a\.ins"):
        read(tmp_path, text)


def test_what_a_model_starts_from_is_told_by_its_label_not_by_every_field(tmp_path):
    (tmp_path / "study.yaml").write_text(started("  x: {from: a.sum}"))
    workspace = open_workspace(tmp_path / "study.yaml", tmp_path / "runs")
    found = {(a.stage, a.label): a for a in workspace.order}
    store = workspace.store
    for made in (found["pretrain", "a"], there := found["finetune", "a.ins.s1"]):
        folder = store.root / made.name
        folder.mkdir(parents=True)
        record = {
            "version": made.version,
            "params": made.plain_params,
            "inputs": {k: i.key for k, i in made.inputs.items()},
        }
        for name, content in (("record.json", record), ("manifest.json", {"key": made.key})):
            (folder / name).write_text(json.dumps(content))
    name, differences = nearest(found["finetune", "x.ins.s1"], Store(store.root))
    assert name == there.name.partition("/")[2]
    assert [d.text({}, {}) for d in differences] == ["starts from a.sum.s1 here, a there"]
