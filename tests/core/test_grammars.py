"""Grammars in a study: what they are in keys, whose models they constrain, and what is refused before anything runs."""

import json

import pytest

from tests.core.small_study import STUDY, artifacts, keys, read
from winsweep import layout
from winsweep.errors import BadStudy
from winsweep.generate import grammar_faults
from winsweep.graph import Need, discover
from winsweep.study.rules import Grammar
from winsweep.study.uses import gates_of
from winsweep.workspace import open_workspace

GUARDED = STUDY.replace(
    "  base: {rules: []}\n",
    "  base: {rules: []}\n"
    "  short: {grammar: {regex: '[a-z ]+\\.'}}\n"
    "  sums: {of: sum, grammar: {json_schema: {type: object, properties: {b: {type: integer}, a: {type: string}}}}}\n",
)


def wanted(study, label: str):
    need = Need(discover(layout.JOBS, "winsweep.jobs"))
    return next(need("generate", c.comparison.candidate) for c in study.table.cells if c.label == label)


def test_a_grammar_is_a_parameter_of_the_answers_and_of_nothing_else(tmp_path):
    plain, guarded = read(tmp_path, STUDY), read(tmp_path, GUARDED)
    kept, new = keys(plain), keys(guarded)
    assert {label: new[label] for label in kept} == kept
    short, base, sums = (wanted(guarded, f"a.{arm}.s1") for arm in ("short", "base", "sums"))
    assert short.params["grammar"] == Grammar("regex", r"[a-z ]+\.") and {**short.params, "grammar": 0} == {
        **base.params,
        "grammar": 0,
    }
    # in the order in which they are to be written
    assert json.loads(sums.params["grammar"].text) == {
        "type": "object",
        "properties": {"b": {"type": "integer"}, "a": {"type": "string"}},
    } and sums.params["grammar"].text.index('"b"') < sums.params["grammar"].text.index('"a"')


def test_an_adapter_of_a_task_answers_with_the_task_s_models(tmp_path):
    """The same finetune, by the task's name and recipe; a row for each seed; its categories left out."""
    text = GUARDED.replace("recipe: {epochs: 7}}", "recipe: {epochs: 7}, leave_out: [sum]}")
    study = read(tmp_path, text)
    assert [c.label for c in study.table.cells if c.task == "sums"] == [
        "a.sums.s1",
        "a.sums.s2",
        "b.sums.s1",
        "b.sums.s2",
    ]
    sums, own = (next(c for c in study.table.cells if c.label == f"a.{name}.s2") for name in ("sums", "sum"))
    assert sums.training == own.training and sums.training.name == "a.sum.s2" and sums.leave_out == ("sum",)
    assert wanted(study, "a.sums.s2").inputs["base"] == wanted(study, "a.sum.s2").inputs["base"]
    assert wanted(study, "a.sums.s2").key != wanted(study, "a.sum.s2").key


def test_rules_and_a_grammar_of_one_adapter(tmp_path):
    text = GUARDED.replace("sums: {of: sum,", "sums: {of: sum, rules: [eos], eos_bonus: 4.0,")
    made = wanted(read(tmp_path, text), "a.sums.s1")
    assert made.params["adapter"].rules == ("eos",) and made.params["grammar"].kind == "json_schema"


def test_a_file_is_known_by_its_text(tmp_path):
    (tmp_path / "short.regex").write_text("[a-z ]+\\.\n")
    text = GUARDED.replace("{regex: '[a-z ]+\\.'}", "{path: short.regex}")
    assert wanted(read(tmp_path, text), "a.short.s1").key == wanted(read(tmp_path, GUARDED), "a.short.s1").key
    before = wanted(read(tmp_path, text), "a.short.s1").key
    (tmp_path / "short.regex").write_text("[a-z]+\\.\n")
    assert wanted(read(tmp_path, text), "a.short.s1").key != before
    (tmp_path / "short.regex").unlink()
    with pytest.raises(BadStudy, match=r"adapters\.short\.grammar\.path: no file at .*short\.regex"):
        read(tmp_path, text)


def test_the_check_of_a_model_hears_of_its_grammars(tmp_path):
    """Before a task is trained whose models are to answer under one."""
    study = read(tmp_path, GUARDED)
    need = Need(discover(layout.JOBS, "winsweep.jobs"), gates_of(study.table, study.analyses))
    asked = next(c.training for c in study.table.cells if c.label == "a.sum.s1")
    check = need("finetune", asked).gates["check"]
    assert {g["kind"] for g, _ in check.plain_params["grammars"]} == {"regex", "json_schema"}
    plain = read(tmp_path, STUDY)
    need = Need(discover(layout.JOBS, "winsweep.jobs"), gates_of(plain.table, plain.analyses))
    assert "grammars" not in need("finetune", asked).gates["check"].plain_params


SHORT = "{grammar: {regex: '[a-z ]+\\.'}}"


@pytest.mark.parametrize(
    ("new", "match"),
    [
        (
            "{grammar: {}}",
            r"short\.grammar: found none of them; exactly one of regex, json_schema, lark, path is legal",
        ),
        ("{grammar: {regex: a, lark: b}}", r"short\.grammar: found regex and lark; exactly one of"),
        (
            "{grammar: {regexp: a}}",
            r"unknown key 'regexp'; legal: regex, json_schema, lark, path; did you mean regex\?",
        ),
        ("{grammar: {regex: ''}}", r"short\.grammar\.regex: found an empty grammar"),
        ("{grammar: {regex: 7}}", r"short\.grammar\.regex: found 7; text is legal here"),
        ("{grammar: {json_schema: text}}", r"json_schema: found the text 'text'; a mapping"),
        ("{grammar: {json_schema: {const: 2026-01-01}}}", r"json_schema\.const: found 2026-01-01; what JSON has"),
        ("{grammar: {json_schema: {maximum: .nan}}}", r"json_schema\.maximum: found nan; what JSON has is legal"),
        (
            "{grammar: {regex: " + "a" * 2**21 + "}}",
            r"short\.grammar\.regex: found 2,097,152 bytes; 1,048,576 bytes at",
        ),
        (
            "{grammar: {path: " + "a" * 300 + ".lark}}",
            r"grammar\.path: found a path that cannot be read \(File name too",
        ),
        ("{grammar: {path: a.txt}}", r"found 'a\.txt'; a file that ends in \.regex, \.json, \.lark is legal"),
        ("{of: summ}", r"short\.of: no task 'summ' in this study; legal: ins, sum; did you mean sum\?"),
        ("{of: base}", r"short\.of: no task 'base' in this study"),
    ],
)
def test_what_is_refused_of_a_grammar(tmp_path, new, match):
    assert SHORT in GUARDED
    with pytest.raises(BadStudy, match=match):
        read(tmp_path, GUARDED.replace(SHORT, new))


def test_an_adapter_of_a_task_is_for_the_models_of_the_task(tmp_path):
    text = GUARDED.replace("recipe: {epochs: 7}}", "recipe: {epochs: 7}, models: [a]}")
    assert {c.model for c in read(tmp_path, text).table.cells if c.task == "sums"} == {"a"}
    with pytest.raises(BadStudy, match=r"sums\.models: found b; legal: a, those of the task sum"):
        read(tmp_path, text.replace("{of: sum,", "{of: sum, models: [b],"))


def test_every_grammar_that_does_not_compile_is_said_with_its_line(tmp_path):
    text = GUARDED.replace("[a-z ]+\\.", "(").replace("type: integer", "type: nope")
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(BadStudy) as caught:
        open_workspace(tmp_path / "study.yaml", tmp_path / "store")
    regex, schema = caught.value.each
    assert ":7: adapters.short.grammar.regex: " in regex and "unclosed group" in regex
    assert ":8: adapters.sums.grammar.json_schema: Invalid type: nope; what llguidance compiles is legal" in schema


def test_a_large_file_is_refused_before_it_is_read(tmp_path):
    """A file of 2**40 bytes that takes no room; to read it would take hours."""
    with open(tmp_path / "large.lark", "wb") as f:
        f.truncate(2**40)
    (tmp_path / "folder.lark").mkdir()
    for name, match in {"large": "found 1,099,511,627,776 bytes; 1,048,576", "folder": "found a directory"}.items():
        with pytest.raises(BadStudy, match=rf"short\.grammar\.path: {match}"):
            read(tmp_path, GUARDED.replace("{regex: '[a-z ]+\\.'}", f"{{path: {name}.lark}}"))


def test_a_grammar_that_ends_the_library_ends_no_command_and_hides_no_other(tmp_path):
    """Rules that call each other 20,000 deep overflow its stack; what is fine is asked about once."""
    rules = "\n".join(f'r{i}: "x{i}" r{(i + 1) % 20_000}' for i in range(20_000))
    (tmp_path / "deep.lark").write_text("start: " + " | ".join(f"r{i}" for i in range(20_000)) + "\n" + rules)
    text = GUARDED.replace("[a-z ]+\\.'}}", "[a-z ]+\\.'}}\n  deep: {grammar: {path: deep.lark}}")
    (tmp_path / "study.yaml").write_text(text.replace("type: integer", "type: nope"))
    with pytest.raises(BadStudy) as caught:
        open_workspace(tmp_path / "study.yaml", tmp_path / "store")
    deep, schema = caught.value.each
    assert "adapters.deep.grammar.path: llguidance crashes on it" in deep and "bound what repeats" in deep
    assert "Invalid type: nope" in schema
    assert len(json.loads((tmp_path / "store/.cache/grammars.json").read_bytes())) == 1


def test_a_grammar_that_takes_too_long_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(grammar_faults, "MOST_WALL_S", 1e-3)  # no process begins in this
    found = grammar_faults.faults([Grammar("regex", "a")], tmp_path / "grammars.json")
    assert found == ["it takes more than 0.001 s to compile; bound what repeats, or write less of it"]
    assert not (tmp_path / "grammars.json").exists()


CONTAINED = "analyses:\n  containment: {arms: [base, sum], constrained: {sum: sums}, embedder: ngrams}\n"


def test_containment_sets_an_arm_under_a_grammar_beside_its_task(tmp_path):
    study = read(tmp_path, GUARDED + CONTAINED)
    of_base, of_sum = artifacts(study)["containment.a.base"], artifacts(study)["containment.a.sum.s1"]
    assert set(of_base.inputs) == {"judged"} and "grammar" not in of_base.params and "embedder" not in of_base.params
    assert set(of_sum.inputs) == {"judged", "task", "constrained"} and of_sum.params["grammar"].kind == "json_schema"
    alone = artifacts(read(tmp_path, GUARDED + CONTAINED.replace("constrained: {sum: sums}, ", "")))
    assert set(alone["containment.a.sum.s1"].params) == set(of_sum.params) - {"grammar"}


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("{sum: sums}", "{sum: short}", r"constrained\.sum: no task or adapter 'short' in this study; legal: sums"),
        ("{sum: sums}", "{base: sums}", r"constrained\.base: no arm 'base' in this study; legal: sum"),
        ("{of: sum,", "{of: sum, reference: base,", r"sums and sum are compared with different arms"),
    ],
)
def test_what_is_refused_of_constrained(tmp_path, old, new, match):
    with pytest.raises(BadStudy, match=match):
        read(tmp_path, (GUARDED + CONTAINED).replace(old, new))
