"""Names that other trainers use are answered with ours, and all errors of a file are told at once."""

import dataclasses

import pytest

from tests.core.small_study import STUDY, read
from winsweep import layout, synonyms
from winsweep.cluster_file import read_cluster
from winsweep.errors import BadStudy
from winsweep.placement import Placement
from winsweep.study.cell import Decoding
from winsweep.study.recipe import Recipe
from winsweep.study.study import SECTIONS

LEGAL = {
    "recipe": ["preset", "eval", *(f.name for f in dataclasses.fields(Recipe))],
    "decoding": [f.name for f in dataclasses.fields(Decoding)],
    "the study": SECTIONS,
    "a cluster file": [f.name for f in dataclasses.fields(Placement)],
}


def refused(folder, text: str) -> list[str]:
    with pytest.raises(BadStudy) as e:
        read(folder, text)
    return str(e.value).splitlines()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("batch_size", "did you mean global_batch?"),
        ("per_device_train_batch_size", "did you mean global_batch?"),
        ("gradient_accumulation_steps", "did you mean global_batch? (examples of an optimizer step, over all ranks"),
        ("max_length", "did you mean max_tokens?"),
        ("max_seq_len", "did you mean max_tokens?"),
        ("learning_rate", "did you mean lr?"),
        ("learning-rate", "did you mean lr?"),
        ("LearningRate", "did you mean lr?"),
        ("num_train_epochs", "did you mean epochs?"),
        ("peft", "did you mean lora? (a mapping: {rank: 64})"),
        ("lora_r", "type rank: … under recipe.lora"),
        ("quantize", "type quantize: … under recipe.lora (nf4: 4 bits)"),
        ("load_in_4bit", "type quantize: … under recipe.lora"),
        ("load_in_8bit", "there is none: weights are in 16 or 32 bits, or in 4 under adapters"),
        ("max_new_tokens", "type max_new_tokens: … under decoding:"),
        ("warmup_steps", "did you mean warmup_ratio? (a share of the run)"),
        ("bf16", "did you mean precision? (bf16 or fp32)"),
        ("fp16", "did you mean precision?"),
        ("temperature", "there is none: decoding is greedy"),
        ("seed", "type seeds: … at the top of the study (a list: seeds: [1])"),
        ("optim", "the optimizer is AdamW"),
        ("max_steps", "epochs: says how long"),
        ("gradient_checkpointing", "type recompute: … in a cluster file"),
        ("save_steps", "type checkpoint_steps: … in a cluster file"),
        ("epoch", "did you mean epochs?"),
        ("globl_batch", "did you mean global_batch?"),
        ("learning_rte", "did you mean lr?"),
    ],
)
def test_a_usual_name_in_the_recipe(name, told, tmp_path):
    (line,) = refused(tmp_path, STUDY.replace("epochs: 5", f"{name}: 5"))
    assert (
        line.startswith(f"{tmp_path}/study.yaml:11: recipe.{name}: unknown key {name!r}; legal: lr, epochs, ")
        and told in line
    )


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("seeds: [1, 2]", "seed: 1\nseeds: [1]", "seed: unknown key 'seed'; legal: name, .*did you mean seeds"),
        ("seeds: [1, 2]", "seeds: [1]\nepochs: 3", "type epochs: … under recipe:"),
        ("seeds: [1, 2]", "seeds: [1]\nbatch_size: 3", "type global_batch: … under recipe:"),
        ("seeds: [1, 2]", "seeds: [1]\nmodel_name: x", "did you mean models"),
        ("seeds: [1, 2]", "seeds: [1]\njudge: x", "did you mean compare"),
        ("seeds: [1, 2]", "seeds: [1]\nprompt: x", "did you mean frame"),
        ("seeds: [1, 2]", "seeds: [1]\noutput_dir: x", "--store DIR"),
        ("hf_id: some/model", "model_name: some/model", "unknown key 'model_name'; .*did you mean hf_id"),
        ('revision: "12ab"', "commit: ab", "did you mean revision"),
        ("max_new_tokens: 48", "max_length: 48", "did you mean max_new_tokens"),
        ("max_new_tokens: 48", "batch_size: 48", "did you mean batch\\?"),
        ("max_new_tokens: 48", "temperature: 0.7", "there is none: decoding is greedy"),
        ("max_new_tokens: 48", "lr: 48", "type lr: … under recipe:"),
        ("ins: {from: toy}", "ins: {from: toy, max_samples: 3}", "did you mean first"),
        ("ins: {from: toy}", "ins: {dataset: toy}", "unknown key 'dataset'; .*did you mean from"),
        ("judge: reference_overlap", "judge: {from: alpaca, budget: 3}", "did you mean limits"),
        ("judge: reference_overlap", "judge: {from: alpaca, limits: {budget: 3}}", "did you mean dollars"),
    ],
)
def test_a_usual_name_elsewhere(old, new, told, tmp_path):
    with pytest.raises(BadStudy, match=told):
        read(tmp_path, STUDY.replace(old, new))


def test_every_key_of_ours_stands_where_the_table_says():
    """So that no hint sends anybody to a section in which its key is unknown, and no key of recipe, decoding or a
    cluster file is left out.
    """
    homes = {(ours.name, ours.home) for ours, _ in synonyms.KEYS if isinstance(ours, synonyms.Ours)}
    assert not [(name, home) for name, home in homes if home in LEGAL and name not in LEGAL[home]]
    assert set(LEGAL["recipe"]) <= {name for name, home in homes if home == "recipe"}
    assert set(LEGAL["decoding"]) <= {name for name, home in homes if home == "decoding"}
    assert not set(LEGAL["the study"]) & {
        theirs for ours, others in synonyms.KEYS for theirs in others.split() if ours == synonyms.WHOLE
    }


def test_all_errors_of_a_study_are_told_at_once_in_the_order_of_the_file(tmp_path):
    text = """\
name: ../x
models:
  a: {}
  b: {hf_id: some/model, revsion: ab}
adapters: {base: {rules: [eso]}}
tasks:
  ins: {from: tyo}
  sum: {from: toy, num_examples: many, recipe: {lr: fast}}
  gone: {path: gone.jsonl}
seeds: [1, two]
recipe: {learning_rate: 1, epochs: five, clip_norm: -1}
grid: {epochs: [1, x]}
frame: {template: chatml}
instructions: {path: gone.jsonl, first: x}
decoding: {batch_size: 3, max_new_tokens: 0}
compare: {judg: x, judge: gpt5, reference: ins}
extra: 1
"""
    told = refused(tmp_path, text)
    assert [int(line.split(":")[1]) for line in told] == sorted(int(line.split(":")[1]) for line in told)
    for line, what in [
        (1, "name: found '../x'"),
        (3, "models.a: found none of them"),
        (4, "revision is missing"),
        (4, "unknown key 'revsion'"),
        (5, "'eso'"),
        (7, "tyo"),
        (8, "num_examples: found the text 'many'"),
        (8, "recipe.lr: found the text 'fast'"),
        (10, "seeds[1]: found the text 'two'"),
        (11, "learning_rate"),
        (11, "recipe.epochs: found the text 'five'"),
        (11, "clip_norm: found -1"),
        (12, "grid.epochs[1]"),
        (13, "frame.template"),
        (14, "instructions.first: found the text 'x'"),
        (15, "batch_size"),
        (15, "max_new_tokens: found 0"),
        (16, "unknown key 'judg'"),
        (16, "gpt5"),
        (16, "reference: found the text 'ins'"),
        (17, "extra"),
    ]:
        assert [x for x in told if x.startswith(f"{tmp_path}/study.yaml:{line}: ") and what in x], (line, what, told)
    assert len(told) == len(set(told)) <= 23


def test_sections_that_depend_on_others_are_told_at_once_too(tmp_path):
    told = refused(
        tmp_path,
        STUDY.replace("reference: {task: ins}", "reference: {task: inss}")
        + """\
choose: {grid: {epochs: [1, x]}, instructions: {from: toy}, reference: {outputs: gone.json}, picks: {c.ins: {lr: fast}}}
""",
    )
    for what in ("inss", "choose.grid.epochs[1]", "choose.picks.c.ins.lr"):
        assert [line for line in told if what in line], (what, told)
    told = refused(
        tmp_path,
        STUDY
        + """\
published: {a.nsi: [1, 2], a.ins: [1]}
analyses: {rank: {data: nothing, arms: [base]}, drift: {arms: [base]}, ranks: {}}
""",
    )
    for what in ("a.nsi", "found 1 numbers", "analyses.ranks", "analyses.rank.data", "analyses.drift"):
        assert [line for line in told if what in line], (what, told)


def test_files_that_are_not_there_are_told_with_the_errors(tmp_path):
    told = refused(
        tmp_path, STUDY.replace("ins: {from: toy}", "ins: {path: gone.jsonl}").replace("epochs: 5", "epochs: five")
    )
    assert len(told) == 2 and "gone.jsonl" in told[0] and "five" in told[1]


def test_all_errors_of_a_cluster_file_are_told_at_once(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        "kind: slrum\nall: {time: 3, partition: 'a b'}\nstages:\n  finetune: {gpus: 8, mem_gb: lots, ranks: 3}\n  "
        "fintune: {}\nlabels:\n"
        "  '*': {generate: {cpus_per_task: 2}}\n"
    )
    with pytest.raises(BadStudy) as e:
        read_cluster(layout.STAGES, path, [p.stem for p in layout.JOBS.glob("*.py")])
    told = str(e.value).splitlines()
    for line, what in [
        (1, "slrum"),
        (2, "did you mean time_min"),
        (2, "one word"),
        (4, "did you mean gpus_per_rank"),
        (4, "mem_gb: found the text 'lots'"),
        (5, "did you mean finetune"),
        (7, "did you mean threads"),
    ]:
        assert [x for x in told if x.startswith(f"{path}:{line}: ") and what in x], (line, what, told)
    assert len(told) == 7


def test_keys_given_twice_are_told_at_once(tmp_path):
    assert len(refused(tmp_path, STUDY.replace("epochs: 5", "epochs: 5, epochs: 6") + "name: again\n1: x\n")) == 3


@pytest.mark.parametrize(
    ("given", "type_this"),
    [("Qwen/Qwen2.5-7B", "a: {hf_id: Qwen/Qwen2.5-7B, revision: COMMIT}"), ("./qwen", "a: {path: ./qwen}")],
)
def test_a_model_that_is_only_a_name_is_answered_with_what_to_type(tmp_path, given, type_this):
    (tmp_path / "study.yaml").write_text(f"name: x\nmodels:\n  a: {given}\ntasks: {{ins: {{from: toy}}}}\nseeds: [1]\n")
    with pytest.raises(BadStudy) as told:
        read(tmp_path, (tmp_path / "study.yaml").read_text())
    assert f"study.yaml:3: models.a: found the text '{given}'; a mapping is legal here; type {type_this}" in str(
        told.value
    )


def test_rows_that_are_only_a_path_are_answered_with_what_to_type(tmp_path):
    text = "name: x\nmodels: {a: {path: m}}\ntasks:\n  ins: data/rows.jsonl\nseeds: [1]\ninstructions: test.jsonl\n"
    told = "\n".join(refused(tmp_path, text))
    assert (
        "4: tasks.ins: found the text 'data/rows.jsonl'; a mapping (key: value) is legal here; type ins: {path: "
        in told
    )
    assert "6: instructions: found the text 'test.jsonl'; " in told and "type instructions: {path: test.jsonl}" in told
