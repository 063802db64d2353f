"""Which checks stand before what: of every base model and judge that a study comes to, validation runs included, and
none for models alone.
"""

from pathlib import Path

from winsweep.workspace import open_workspace

CHOOSE = """choose:
  grid: {epochs: [1, 2]}
  instructions: {from: toy, part: dev}
  reference: {outputs: ref.json}
  judge: {from: alpaca, model: small}"""
STUDY = (
    """\
name: uses
models:
  a: {pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}
  b: {pretrain: {num_tokens: 0, width: 24, layers: 1, heads: 2, mlp: 32}}
adapters: {base: {rules: []}}
tasks: {ins: {from: toy, num_examples: 24}, sum: {from: toy, kinds: [sum], num_examples: 24}}
seeds: [1, 2]
recipe: {lr: 1.0e-3, global_batch: 8, max_tokens: 128, precision: fp32}
"""
    + CHOOSE
    + """
instructions: {from: toy, part: test}
compare: {judge: {from: alpaca, model: large}, reference: {task: ins}}
analyses: {rank: {data: {from: toy, num_examples: 8}, arms: [base, ins]}}
"""
)


def workspace(tmp_path: Path):
    (tmp_path / "ref.json").write_text("[]")
    (tmp_path / "study.yaml").write_text(STUDY)
    return open_workspace(tmp_path / "study.yaml", tmp_path / "runs")


def test_every_finetune_waits_for_its_base_models_check_and_its_judges(tmp_path):
    order = workspace(tmp_path).order
    by_stage = {
        stage: [a for a in order if a.stage == stage]
        for stage in ("check", "check_judge", "finetune", "generate", "rank", "choose")
    }
    assert sorted(a.label for a in by_stage["check"]) == ["a", "b"] and len(by_stage["choose"]) == 4
    assert sorted(a.plain_params["judge"]["options"]["model"] for a in by_stage["check_judge"]) == ["large", "small"]
    for a in by_stage["finetune"]:
        assert {g.stage for g in a.gates.values()} == {"check", "check_judge"} and a.gates[
            "check"
        ].label == a.label.partition(".")[0]
    for a in (*by_stage["generate"], *by_stage["rank"]):
        assert ("check" in a.gates) == (".base" in a.label)
    for a in by_stage["check"]:
        assert a.plain_params["max_tokens"] == [128] and sorted(n for n in a.inputs) == [
            "base",
            "instructions0",
            "instructions1",
        ]
    assert [a.stage for a in order if a.gates and a.stage not in ("finetune", "generate", "rank")] == []


def test_models_alone_need_no_judge_and_no_instructions_but_those_of_their_choice(tmp_path):
    order = workspace(tmp_path).models().order
    checks = [a for a in order if a.stage == "check"]
    # those of the choice
    assert len(checks) == 2 and all(sorted(a.inputs) == ["base", "instructions0"] for a in checks)
    assert [a.plain_params["judge"]["options"]["model"] for a in order if a.stage == "check_judge"] == ["small"]
    by_hand = STUDY.replace(CHOOSE, "notes: x").replace("analyses: {", "#")
    (tmp_path / "study.yaml").write_text(by_hand)
    order = open_workspace(tmp_path / "study.yaml", tmp_path / "runs").models().order
    assert {a.stage for a in order} == {"pretrain", "prepare", "check", "finetune", "collect"}
    assert all(list(a.inputs) == ["base"] for a in order if a.stage == "check")


def test_a_context_moves_keys_only_where_it_is_given(tmp_path):
    before = {a.name: a.key for a in workspace(tmp_path).order}
    (tmp_path / "study.yaml").write_text(STUDY.replace("mlp: 32}}\n  b", "mlp: 32}, context: 64}\n  b"))
    after = {a.name: a.key for a in open_workspace(tmp_path / "study.yaml", tmp_path / "runs").order}
    moved = {name.rpartition("-")[0] for name in after.keys() - before.keys()}
    assert moved and not any(
        name.partition("/")[2].startswith("b") for name in moved if not name.startswith("aggregate")
    )
