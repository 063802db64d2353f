"""Conversations of several turns and system prompts, from the rows of a file to the report."""

import json

import pytest

from tests.check.made import toy
from tests.local.conftest import TINY, Bench
from winsweep.export import answers
from winsweep.export.folder import export
from winsweep.judge import chat, pairs, questions
from winsweep.judges import alpaca
from winsweep.workspace import open_workspace

pytestmark = pytest.mark.slow
UNTRAINED = (
    'adapters:\n  base: {rules: []}\n  rules: {rules: [eos, uniform, diversity], uniform: {"!": 1.0, "<": -4.0}}\n'
)
SUM = "  sum: {from: toy, kinds: [sum], num_examples: 24, leave_out: [sum]}\n"
INSTRUCTIONS = "instructions: {from: toy, part: dev}"
ONE = TINY.replace("[1, 2]", "[1]").replace(UNTRAINED, "").replace(SUM, "")


def talk(*texts: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]


def rows_of(bench: Bench, pattern: str) -> list[dict]:
    (path,) = bench.store.glob(pattern)
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def talked(tmp_path_factory) -> Bench:
    folder = tmp_path_factory.mktemp("talked")
    asked = [
        {"messages": talk("Add 1 and 1.", "2", f"And {n} more?"), "answer": str(2 + n), "dataset": "sums"}
        for n in range(5)
    ]
    asked += [{"instruction": "What is 3 plus 4?", "answer": "7"}, {"system": "Be brief.", "instruction": "Why?"}]
    learned = [{"messages": talk("Add 1 and 2.", "3", f"And {n} more?", str(3 + n))} for n in range(8)]
    for name, rows in (("asked", asked), ("learned", learned)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = ONE.replace(INSTRUCTIONS, "instructions: {path: asked.jsonl}")
    bench = Bench(folder, text.replace("seeds:", "  talk: {path: learned.jsonl, leave_out: [sums]}\nseeds:"))
    bench.run()
    return bench


def test_an_instruction_of_several_turns_is_answered_and_told(talked):
    rows = rows_of(talked, "generate/a.talk.s1-*/outputs.json")
    assert rows[3]["instruction"] == "User: Add 1 and 1.\n\nAssistant: 2\n\nUser: And 3 more?"
    assert rows[3]["messages"] == talk("Add 1 and 1.", "2", "And 3 more?") and rows[3]["dataset"] == "sums"
    assert "messages" not in rows[5] and rows[6]["instruction"] == "System: Be brief.\n\nUser: Why?"
    text = talked.csv().decode()
    assert "a,talk,1,2," in text and "a,ins,1,7," in text  # categories as for any other instruction
    told = open_workspace(talked.study, talked.store)
    folder = talked.store / "results" / "tiny.texts"
    assert folder.is_dir() and told.judged
    assert rows_of(talked, "judge/a.talk.s1-*/annotations.json")[3]["answer"] == "5"


def test_a_judge_is_asked_about_the_conversation_as_text(talked):
    (asked,), (own,) = talked.store.glob("prepare/instructions-*"), talked.store.glob("generate/a.talk.s1-*")
    (other,) = talked.store.glob("generate/a.ins.s1-*")
    found, _ = pairs.read(asked / "instructions.jsonl", own / "outputs.json", other / "outputs.json")
    question = questions.Question(found[3]["instruction"], "A", "B")
    said = chat.messages_for(alpaca.judge(alpaca.Options()), question)
    assert "User: Add 1 and 1.\n\nAssistant: 2\n\nUser: And 3 more?" in said[-1]["content"]


def test_an_exported_model_answers_conversations_as_the_study_has_them(talked, tmp_path):
    workspace = open_workspace(talked.study, talked.store)
    export(workspace, "a.talk.s1", tmp_path / "model")
    assert (tmp_path / "model/chat_template.jinja").exists()
    assert "7 greedy answers are those of the study" in answers.compared(workspace, "a.talk.s1", tmp_path / "model", 9)


def test_a_system_prompt_is_trained_on_and_asked_with(tmp_path):
    text = ONE.replace("num_examples: 24", "num_examples: 24, system: Be brief.")
    bench = Bench(tmp_path, text.replace(INSTRUCTIONS, "instructions: {from: toy, part: dev, system: Be brief.}"))
    bench.run()
    first = {"role": "system", "content": "Be brief."}
    assert all(row["messages"][0] == first for row in rows_of(bench, "prepare/ins-*/examples.jsonl"))
    (row, *_) = rows_of(bench, "generate/a.ins.s1-*/outputs.json")
    assert row["messages"] == [first, {"role": "user", "content": row["instruction"]}]
    bench.write(text)
    said = bench.run("--dry-run")
    assert "4 results to make, 5 reused" in said  # the rows of the task, and so its model, are the same


def test_a_template_that_refuses_system_turns_stops_before_anything_is_trained(tmp_path):
    model = toy(tmp_path / "model")
    template = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        "[{{ m.role }}]{{ m.content }}{{ eos_token if m.role == 'assistant' }}{% endfor %}"
        "{{ '[assistant]' if add_generation_prompt }}"
    )
    (model / "chat_template.jinja").write_text(template)
    text = ONE.replace(
        "  a: {pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}", "  a: {path: model}"
    )
    bench = Bench(tmp_path, text.replace("seeds:", "frame: {template: chat}\nseeds:"))
    assert "no problems found" in bench.run("--dry-run")
    bench.write(bench.study.read_text().replace("num_examples: 24", "num_examples: 24, system: Be brief."))
    said = " ".join(bench.run("--dry-run", code=1).split())
    assert "refuses this conversation (no system role) of system, user" in said and "take system: out" in said
