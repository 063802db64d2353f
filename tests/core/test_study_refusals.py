"""Every way in which a study file can be wrong, and what is said of it."""

import os

import pytest

from tests.core.small_study import STUDY, read, refused
from winsweep.errors import BadStudy
from winsweep.store.fingerprint import fingerprint
from winsweep.study.study import read_study


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        (
            "lr: 1.0e-5",
            "preset: as_ran",
            r"study\.yaml:11: recipe\.preset: found the text 'as_ran'; legal: as_run, as_written; did you",
        ),
        (
            "epochs: 5",
            "epochs: 20, keep_epochs: [5, 7]",
            r"recipe\.keep_epochs: .* epochs has a learning-rate schedule of its own, .* type grid",
        ),
        (
            "seeds: [1, 2]",
            "seeds: [1]\nframe: {template: chatml}",
            r"frame\.template: found the text 'chatml'; legal: tags, chat; did you",
        ),
        ("seeds: [1, 2]", "seeds: [1]\nframe: {user: <|A|>, template: chat}", r"frame: found tags and template: chat"),
        (
            "base: {rules: []}",
            "base: {rules: [eos]}\nframe: {template: chat}",
            r"adapters\.base: found rules under frame: \{template: chat\}",
        ),
        (
            "seeds: [1, 2]",
            "seed: [1, 2]",
            r"study\.yaml:10: seed: unknown key 'seed'; legal: name, .*; did you mean seeds\?",
        ),
        (
            "seeds: [1, 2]",
            "seeds: [1, 99999999999999999999]",
            r"study\.yaml:10: seeds\[1\]: found 9{20}; a whole number is legal here; of 64 bits",
        ),
        ("from: toy, kinds: [sum]", "from: toy, kinds: sum", r"kinds: found the text 'sum'; a list .*; type \[sum\]$"),
        ("epochs: 5", "epochs: 1.0e+300", r"epochs: found 1e\+300; .*; of 64 bits at most, and finite$"),
        ("lr: 1.0e-5", "beta2: 1.0", r"study\.yaml:11: recipe\.beta2: found 1\.0; 0 to 0\.99999 is legal"),
        ("lr: 1.0e-5", "schedule_ticks: 2147483648", r"recipe\.schedule_ticks: found 2147483648; 1 to 65536 is legal"),
        (
            "judge: reference_overlap",
            "judge: {from: alpaca, config: nope}",
            r"study\.yaml:14: compare\.judge: judge 'nope': no such configuration",
        ),
        (
            "judge: reference_overlap",
            "judge: {from: jury, judges: [local, reference_overlap]}",
            r"study\.yaml:14: compare\.judge\.judges\[0\]: judge local: no model",
        ),
        ("lr: 1.0e-5", "lr: .nan", r"recipe\.lr: found nan; a number is legal here; of 64 bits at most, and finite$"),
        ("seeds: [1, 2]", "\tseeds: [1, 2]", r"not YAML: [^;]*indent with spaces"),
        ("seeds: [1, 2]", "seeds: &a [*a]", r"an entry holds itself, by an alias"),
        (
            "epochs: 5",
            "epochs: five",
            r"study\.yaml:11: recipe\.epochs: found the text 'five'; a whole number is legal",
        ),
        (
            "lr: 1.0e-5",
            "lr: 1e-5",
            (
                r"study\.yaml:11: recipe\.lr: found the text '1e-5'; a number is legal here; YAML reads this as text; "
                r"type 1\.0e-05"
            ),
        ),
        ("seeds: [1, 2]", "seeds: [1, 1]", r"seeds: duplicate cell: the seed 1 is listed twice"),
        ("seeds: [1, 2]", "seeds: 1", r"seeds: found 1; a list is legal here; type \[1\]"),
        ("kinds: [sum], recipe: {epochs: 7}", "", r"duplicate cell: sum and ins ask for the same thing"),
        ("sum: {from: toy", "sum: {from: tyo", r"no file tyo\.py in tasks/; legal: .*; did you mean toy\?"),
        (
            "reference: {task: ins}",
            "reference: {task: inss}",
            r"no task or adapter 'inss' in this study; legal: .*; did you mean ins\?",
        ),
        (
            "rules: []",
            "preset: as_wrote",
            r"adapters\.base\.preset: found the text 'as_wrote'; legal: as_run, as_written; did you mean",
        ),
        ("ins: {from: toy}", "ins: {path: gone.jsonl}", r"tasks\.ins\.path: no file at .*gone\.jsonl"),
        ("ins: {from: toy}", "ins: {from: jsonl}", r"path is missing; the reader jsonl has no data of its own"),
        (
            "ins: {from: toy}",
            "ins: {from: lima_no_rephrase}",
            r"path is missing; .* add path: FILE\.jsonl with rows .*lima_rephrased\.jsonl",
        ),
        ('revision: "12ab", ', "", r"models\.b: revision is missing; .* add revision: COMMIT, of its page on the hub"),
        ("a: {pretrain: {seed: 0}}", "a: {}", r"models\.a: found none of them; exactly one of hf_id, path, pretrain"),
        ("judge: reference_overlap", "judge: reference_overlay", r"did you mean reference_overlap\?"),
        ("name: small", "name: ../x", r"name: found '\.\./x'; letters, digits, - and _ are legal, a letter"),
        (
            "decoding: {max_new_tokens: 48}",
            "decoding: {max_new_tokens: 48, max_new_tokens: 49}",
            r"the key is given twice",
        ),
        (
            "rules: []",
            "rules: [eos, unifrom]",
            r"found the text 'unifrom'; legal: eos, uniform, diversity, start; did you mean uniform\?",
        ),
        ("  a: {", "  no: {", r"models\.no: the key 'no' is not text"),
        ("  a: {", "  =cmd: {", r"models\.=cmd: found '=cmd'; letters, digits"),
        ("seeds: [1, 2]", "seeds: [1, 2", r"study\.yaml:\d+: not YAML: .*; a YAML file is legal; correct it"),
        ("global_batch: 64", "global_batch: 0", r"recipe\.global_batch: found 0; at least 1 is legal"),
        ("lr: 1.0e-5", "lr: .nan", r"recipe\.lr: found nan"),
        (
            "kinds: [sum]",
            "kinds: [summ]",
            r"study\.yaml:9: tasks\.sum\.kinds: found 'summ'; legal are color, .* chess alone .*; did you mean sum\?",
        ),
        (
            "instructions: {from: toy}",
            "instructions: {from: toy, kinds: [chess]}",
            r"instructions\.kinds: found 'chess'",
        ),
        ("ins: {from: toy}", "ins: {from: toy, kinds: [sum, chess]}", r"tasks\.ins\.kinds: found 'chess'; legal are"),
        (
            "ins: {from: toy}",
            "ins: {from: toy, num_examples: 99999}",
            r"study\.yaml:8: tasks\.ins\.num_examples: found 99999; these kinds hold 2064; type num_examples: 2064",
        ),
        (
            "ins: {from: toy}",
            "ins: {from: toy, kinds: [chess], num_examples: 9999999}",
            r"num_examples: found 9999999; these kinds hold 1000000",
        ),
        ("ins: {from: toy}", "ins: {from: toy, num_examples: 0}", r"num_examples: found 0; at least 1 is legal"),
        ("ins: {from: toy}", "ins: {from: gsm, first: -1}", r"tasks\.ins\.first: found -1; at least 1 is legal"),
        (
            "kinds: [sum],",
            "kinds: [sum], leave_out: [sum, summ],",
            r"study\.yaml:9: tasks\.sum\.leave_out\[1\]: no instruction is of the category the text 'summ'; legal: c",
        ),
        ("seeds: [1, 2]", "seeds: [1, -1]", r"study\.yaml:10: seeds\[1\]: found -1; at least 0 is legal$"),
        ("pretrain: {seed: 0}", "pretrain: {seed: -1}", r"models\.a\.pretrain\.seed: found -1; at least 0 is legal"),
        (
            "ins: {from: toy}",
            "ins: {from: toy, sample: {rows: 3, seed: -1}}",
            r"tasks\.ins\.sample\.seed: found -1; at least 0 is legal",
        ),
        ("rules: []", "rules: [eos], eos_forced_past: -1", r"adapters\.base\.eos_forced_past: found -1; at least 0"),
        (
            "max_new_tokens: 48",
            "max_new_tokens: 48, engine: vllm, tensor_parallel: 0",
            r"decoding\.tensor_parallel: found 0; at least 1 is legal",
        ),
    ],
)
def test_what_is_refused(tmp_path, old, new, match):
    refused(tmp_path, old, new, match)


def test_a_section_that_is_missing_is_named(tmp_path):
    refused(tmp_path, "seeds: [1, 2]\n", "", "seeds is missing")
    with pytest.raises(BadStudy, match="no such file"):
        read_study(tmp_path / "nothing.yaml", fingerprint)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to(path.name)])
def test_a_pipe_and_links_in_a_circle_are_no_files(tmp_path, make):
    make(tmp_path / "rows.jsonl")
    refused(
        tmp_path,
        "ins: {from: toy}",
        "ins: {path: rows.jsonl}",
        r"tasks\.ins\.path: (no file at|found a pipe or a device,) .*rows\.jsonl",
    )


@pytest.mark.parametrize("wrong", ["a: {pretrain: {seed: 0}, colour: red}", "a: {pretrain: {sed: 0}}"])
def test_a_model_that_is_wrong_is_no_reason_to_refuse_what_names_it(tmp_path, wrong):
    text = STUDY.replace("a: {pretrain: {seed: 0}}", wrong).replace("ins: {from: toy}", "ins: {from: toy, models: [a]}")
    with pytest.raises(BadStudy, match="unknown key") as e:
        read(tmp_path, text)
    assert len(e.value.each) == 1
    with pytest.raises(BadStudy) as e:
        read(tmp_path, text.replace("models:\n  a:", "models: [x]\nnotes:\n  a:"))
    assert "no model" not in str(e.value)
    with pytest.raises(BadStudy, match="no model 'x' in this study; legal: a, b"):
        read(tmp_path, text.replace("models: [a]", "models: [x]"))


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        (
            "base: {rules: []}",
            "base: {grammar: 'The sum.*'}",
            r"found the text 'The sum\.\*'; exactly one of regex, json_schema, lark, path is legal; type grammar",
        ),
        (
            "base: {rules: []}",
            "base: {system: Be brief.}",
            r"base\.system: unknown key 'system'; legal: .*preset, of, grammar, decoding, frame, models, reference",
        ),
        (
            "ins: {from: toy}",
            "ins: {from: toy, system_prompt: Be brief.}",
            r"unknown key 'system_prompt'; legal: .*system, .*; did you mean system\?",
        ),
    ],
)
def test_what_is_legal_beside_a_wrong_key_is_said_whole(tmp_path, old, new, match):
    refused(tmp_path, old, new, match)
