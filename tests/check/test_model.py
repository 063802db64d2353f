"""The findings of a model: each fault of its files, its vocabulary and its context, in words that say what to type."""

import json
import re

import pytest
from safetensors.torch import load_file, save_file

from tests.check.made import SAID, problems, toy, with_tokens, without
from winsweep.check import early, model


def test_a_sound_model_has_no_problem_and_tells_its_numbers(tmp_path):
    found = model.look(str(toy(tmp_path / "m")), None, SAID, ["What is 1 and 2?"])
    told = {f.what: f.found for f in found.findings}
    assert {f.verdict for f in found.findings} == {"ok"} and found.facts["num_parameters"] == 835_360
    assert (
        told["end of a turn"] == "'</s>' (tokenizer, generation_config, config)"
        and told["added tokens"] == "<s> before each text"
        and told["context"] == "512 tokens; max_tokens 128"
    )


def edit(folder, **said) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | said))


def halved(folder) -> None:
    """Weights in two shards, of which both have one tensor."""
    found = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    save_file(found, folder / "a.safetensors", metadata={"format": "pt"})
    save_file(
        {"model.norm.weight": found["model.norm.weight"] * 0}, folder / "b.safetensors", metadata={"format": "pt"}
    )
    named = dict.fromkeys(found, "a.safetensors") | {"nobody": "b.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": named}))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            lambda m: without(m, "model.layers.1.mlp.down_proj.weight"),
            "weights: has no weights for model.layers.1.mlp.down_proj.weight; legal is .*fetch it again",
        ),
        (
            lambda m: (m / "model.safetensors").write_bytes((m / "model.safetensors").read_bytes()[:-9]),
            "weights: .*model.safetensors: cannot be read",
        ),
        (
            lambda m: (m / "model.safetensors").write_bytes((m / "model.safetensors").read_bytes()[:-9]),
            r"found 1,672,855 bytes of 1,672,864\); legal is a whole",
        ),
        (
            lambda m: (m / "model.safetensors").write_bytes(b"{"),
            r"weights: .*cannot be read .*; 1 bytes\); legal is a whole file",
        ),
        (lambda m: (m / "model.safetensors").unlink(), "weights: .*has no weights"),
        (
            lambda m: (m / "generation_config.json").write_text('{"eos_token_id": [2,'),
            "end of a turn: .*generation_config.json: cannot be read .*or remove the file",
        ),
        (
            lambda m: (m / "generation_config.json").write_text("[2]"),
            "end of a turn: .*generation_config.json: cannot be read .*legal is a JSON object",
        ),
        (
            lambda m: (m / "generation_config.json").write_text('{"eos_token_id": "2"}'),
            "end of a turn: .*eos_token_id: found '2'; the number of a token is legal",
        ),
        (
            lambda m: (m / "generation_config.json").write_text(json.dumps({"eos_token_id": [2] * 1001})),
            "end of a turn: .*eos_token_id: found 1,001 tokens; 1,000 at most are legal",
        ),
        (
            lambda m: (m / "adapter_config.json").write_text('{"peft_type": "LORA"}'),
            "configuration: .*adapter_config.json: found adapters; legal is a whole model; merge them first",
        ),
        (halved, "weights: .*b.safetensors: has model.norm.weight, which another shard has, too; each tensor in one"),
        (lambda m: edit(m, num_attention_heads=7), "configuration: .*7.*give the model a config.json"),
        (
            lambda m: edit(m, max_position_embeddings="512"),
            "configuration: .*max_position_embeddings.*give the model a config.json",
        ),
        (lambda m: (m / "config.json").write_text("{}"), "configuration: .*give the model a config.json"),
        (lambda m: (m / "tokenizer.json").unlink(), "tokenizer: "),
        (
            lambda m: with_tokens(m, "<|user|>"),
            r"vocabulary: 1,537 tokens; 1,536 rows of its embedding; no row for '<\|user\|>'",
        ),
    ],
)
def test_a_fault_of_the_files_is_named(fault, words, tmp_path):
    folder = toy(tmp_path / "m")
    fault(folder)
    assert re.search(words, problems(folder)), problems(folder)


def test_shapes_and_context_against_the_study(tmp_path):
    assert (
        "weights: has model.embed_tokens.weight of shape [1536, 160] where its configuration makes [1600, 160]"
        in problems(toy(tmp_path / "a", vocab_size=1600))
    )
    short = toy(tmp_path / "b", max_position_embeddings=32)
    assert (
        problems(short)
        == "context: recipe.max_tokens 128, and the model holds 32 tokens; legal are 32 or less; type recipe: "
        "{max_tokens: 32} at the model in the study"
    )
    assert "prompts: instruction 2 has " in problems(
        short, ["a", "one two three four five six seven eight nine ten " * 9], max_tokens=[32]
    )
    assert "legal is 512 or less; type context: 512" in problems(toy(tmp_path / "c"), base={"context": 4096})


def test_a_token_that_no_text_holds_needs_no_row(tmp_path):
    folder = with_tokens(toy(tmp_path / "m"), "<image_soft_token>")
    assert problems(folder, ["see <image_soft_token>"]) == ""  # in an instruction it is text
    assert "no row for '<image_soft_token>'" in problems(
        folder, frames=[{"user": "<image_soft_token>", "assistant": "<|assistant|>"}]
    )


def test_what_ends_a_turn_and_what_is_added_is_told(tmp_path):
    folder = toy(tmp_path / "m")
    told = json.loads((folder / "tokenizer.json").read_bytes())
    told["post_processor"]["single"].append({"SpecialToken": {"id": "</s>", "type_id": 0}})
    told["post_processor"]["special_tokens"]["</s>"] = {"id": "</s>", "ids": [2], "tokens": ["</s>"]}
    (folder / "tokenizer.json").write_text(json.dumps(told))
    (folder / "generation_config.json").write_text('{"eos_token_id": [2, 7]}')
    found = {f.what: f.found for f in model.look(str(folder), None, SAID, None).findings}
    assert (
        found["added tokens"].startswith("<s> before each text and </s> behind each text")
        and "ids 7, which a configuration names" in found["end of a turn"]
    )
    assert "frame: frame.template: found chat" in problems(folder, frames=[{"template": "chat"}])


def test_a_grammar_that_the_tokenizer_cannot_write_is_a_problem(tmp_path):
    """One without bytes, and with no é; and what else stands against a grammar."""
    folder = toy(tmp_path / "m")

    def said(regex, stop=()):
        return problems(folder, grammars=[({"kind": "regex", "text": regex}, list(stop))])

    assert said("[a-z]+é") == ""
    assert "decoding.stop: found '###' beside a grammar" in said("[a-z]+", ["###"]) and said("[a-z]+", ["</s>"]) == ""
    path = folder / "tokenizer.json"
    told = json.loads(path.read_bytes())
    kept = {t: i for t, i in told["model"]["vocab"].items() if (t.isascii() and len(t) == 1) or i < 3}
    told["model"] |= {"vocab": {t: n for n, t in enumerate(kept)}, "merges": []}
    path.write_text(json.dumps(told))
    assert said("[a-z]+") == ""
    wrong = said("[a-z]é")
    assert "grammar: no tokens of this tokenizer write a text of the regex '[a-z]é'; legal is a grammar" in wrong


def test_a_chat_template_that_does_not_end_is_left(tmp_path, monkeypatch):
    folder = toy(tmp_path / "m")
    path = folder / "tokenizer_config.json"
    loops = "{% for i in range(99999) %}{% for j in range(99999) %}{{ j }}{% endfor %}{% endfor %}"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"chat_template": loops}))
    monkeypatch.setattr(model, "TEMPLATE_S", 0.2)
    assert "the chat template of" in (said := problems(folder)) and "more than 0.2 s of processor time" in said


def test_a_configuration_without_end_is_left(tmp_path, monkeypatch):
    folder = toy(tmp_path / "m")
    edit(folder, num_hidden_layers=2_000)
    monkeypatch.setattr(model, "MODEL_S", 0.5)
    assert "config.json without numbers takes more than 0.5 s" in problems(folder)


def retold(folder, name="tokenizer.json", **changed) -> None:
    path = folder / name
    told = json.loads(path.read_bytes())
    (told["model"] if name == "tokenizer.json" else told).update(changed)
    path.write_text(json.dumps(told))


WORDS = {"type": "WordLevel", "vocab": {"<s>": 1, "</s>": 2, "a": 3}, "unk_token": "<unk>"}


@pytest.mark.parametrize(
    ("name", "changed", "told"),
    [
        (
            "tokenizer.json",
            WORDS,
            r"tokenizer: Exception: WordLevel error: Missing .*; legal are tokenizer.json",
        ),
        ("tokenizer_config.json", {"model_max_length": "x"}, "tokenizer: TypeError: .*; legal are tokenizer.json"),
        ("tokenizer.json", {"dropout": 0.9}, 'tokenizer: .*cuts the same text otherwise each time.*"dropout": null'),
        ("tokenizer_config.json", {"chat_template": '{{ "x" * 99999999999 }}'}, "more than 4 GB of memory; legal"),
    ],
    ids=str,
)
def test_a_tokenizer_that_fails_where_it_is_used_is_a_problem_and_nothing_is_raised(name, changed, told, tmp_path):
    folder = toy(tmp_path / "m")
    retold(folder, name, **changed)
    assert re.search(told, problems(folder)), problems(folder)


def test_a_look_that_ends_its_process_hides_no_other_model(tmp_path):
    bad, good = toy(tmp_path / "bad"), toy(tmp_path / "good")
    vocab = json.loads((bad / "tokenizer.json").read_bytes())["model"]["vocab"]
    retold(bad, vocab=vocab | {"zzz": 2**31})  # for which a table of as many rows is made
    found = early._look({name: {"base": str(tmp_path / name), "said": SAID} for name in (bad.name, good.name)})
    assert {f["verdict"] for f in found["good"]["findings"]} == {"ok"}
    assert [(f["what"], f["found"]) for f in found["bad"]["findings"]] == [
        ("files", "reading them ended the process that did (SIGABRT)")
    ]
