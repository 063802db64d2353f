"""Rows in the shapes that people have: each becomes the conversation that it is, and nothing in a row is lost without a
word.
"""

import json
from pathlib import Path

import pytest

from tests.text.prepared import examples, instructions
from tests.text.test_prepare import job, written
from winsweep import strict
from winsweep.errors import BadData, BadStudy
from winsweep.keys import digest, plain
from winsweep.store.fingerprint import Fingerprints
from winsweep.strict import Node
from winsweep.study.frame import Frame
from winsweep.study.parts import Parts
from winsweep.tasks.jsonl import Options
from winsweep.text.encode import MASKED, encode
from winsweep.train.tokenizer import learn
from winsweep.yaml_nodes import read_yaml

CHAT = [
    {"role": "user", "content": "2+2?"},
    {"role": "assistant", "content": "5", "weight": 0},
    {"role": "user", "content": "Check."},
    {"role": "assistant", "content": "4", "weight": 1},
]
S, A, B = ({"role": role, "content": said} for role, said in (("system", "S"), ("user", "b"), ("assistant", "c")))
HUMAN, GPT = {"from": "human", "value": "b"}, {"from": "gpt", "value": "c"}
IN_PARTS = {"role": "user", "content": [{"type": "text", "text": "b"}]}


def read(folder: Path, *rows: object, **options: object) -> list[str]:
    """Each conversation as one line, roles by their first letter, what is not learned in brackets."""
    found = examples(job(written(folder, *rows), options=options))
    return [
        " ".join(
            f"[{m['role'][0]}:{m['content']}]" if m.get("weight") == 0 else f"{m['role'][0]}:{m['content']}"
            for m in row["messages"]
        )
        for row in found
    ]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"instruction": "Translate.", "input": "Hi", "output": "Bonjour"}, "u:Translate.\n\nHi a:Bonjour"),
        ({"instruction": "Add.", "input": "", "output": "4", "id": 7, "source": "us", "example_id": "x"}, "u:Add. a:4"),
        (
            {"instruction": "b", "output": "c", "system": "Be brief.", "history": [["x", "y"]]},
            "s:Be brief. u:x a:y u:b a:c",
        ),
        ({"prompt": "b", "completion": "c", "metadata": {"k": 1}}, "u:b a:c"),
        ({"messages": CHAT}, "u:2+2? [a:5] u:Check. a:4"),
        ({"messages": [S, A, B | {"train": True}]}, "s:S u:b a:c"),
        ({"messages": [IN_PARTS, B | {"tool_calls": []}], "prompt": "b", "system": "S", "tools": None}, "s:S u:b a:c"),
        ({"conversations": [{"from": "system", "value": "S"}, HUMAN, GPT]}, "s:S u:b a:c"),
    ],
)
def test_a_shape_is_read(row, said, tmp_path):
    assert read(tmp_path, row) == [said]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (
            {"messages": [A, {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "w"}}]}, B]},
            "a message has 'tool_calls' .*remove the row",
        ),
        ({"messages": [A, B], "tools": [{"name": "w"}]}, r"the row has 'tools' .*ignore: \[tools\]"),
        ({"messages": [A, B | {"function_call": {"name": "w"}}]}, "a message has 'function_call'"),
        (
            {"messages": [A, {"role": "tool", "content": "1"}, B]},
            "a message has the role 'tool'; user, human, assistant, gpt, system are legal",
        ),
        (
            {"messages": [A, {"role": "system", "content": "1"}, B]},
            "a message has the role 'system'; .* system for the first",
        ),
        ({"messages": [A, B | {"weight": 0.5}]}, "a message has the weight 0.5; weight 0 or 1"),
        ({"messages": [A, B | {"train": "no"}]}, "a message has the train 'no'"),
        ({"messages": [A, B | {"weight": 0}]}, "no response tokens"),
        ({"messages": [A, B | {"content": " "}, A, B]}, "message 2 of the row is an assistant's without text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}, B]},
            "with text as content; found .*image_url",
        ),
        ({"messages": [A, B], "prompt": "other"}, "the row has 'prompt'"),
        ({"messages": [A, B], "images": ["x.png"]}, "the row has 'images'"),
        ({"messages": [A, B], "conversations": [A, B]}, "messages stand beside conversations"),
        ({"messages": []}, "messages has no message; .*remove the row"),
        ({"conversations": ["b", "c"]}, "from: lima reads a list of texts"),
        (
            {"instruction": "b", "output": "c", "rationale": "because"},
            r"the row has 'rationale' \('because'\).*columns: .*ignore: \[rationale\]",
        ),
        ({"instruction": "b", "output": "c", "input": 5}, "no text under 'input'"),
        ({"instruction": "b", "output": float("nan")}, "no text under 'output'"),
        (
            {"instruction": "b", "output": None},
            "no text under 'output': found null, or an empty field; .*remove the row",
        ),
        ({"instruction": "b", "output": "c", "history": [["x"]]}, "history: found .*a list of"),
        ({"question": "b", "answer": "c"}, r"type columns: \{instruction: question, output: answer\} beside path:"),
        ({"instruction": "b", "output": "c", "tool_call_id": "x"}, "the row has 'tool_call_id'"),
        (
            {"messages": [{"role": "system", "content": "1"}, A, B], "system": "2"},
            "a system stands beside 'messages', which has a system message",
        ),
    ],
)
def test_what_would_be_lost_is_refused_by_name_and_line(row, says, tmp_path):
    with pytest.raises(BadData, match=rf"rows\.jsonl:2: .*{says}"):
        read(tmp_path, {"instruction": "a", "output": "b"}, row)


def test_columns_read_what_is_named_otherwise(tmp_path):
    row = {"question": "b", "answer": "c", "rationale": "because"}
    options = {"columns": [["instruction", "question"], ["output", "answer"]], "ignore": ["rationale"]}
    assert read(tmp_path, row, **options) == ["u:b a:c"]
    with pytest.raises(BadData, match="no 'question', which columns: names; the row has answer"):
        read(tmp_path, {"answer": "c"}, **options)
    with pytest.raises(BadData, match="columns: reads 'answer' as output, and the row has 'output', too"):
        read(tmp_path, row | {"output": "d"}, **options)
    with pytest.raises(BadStudy, match="columns: found 'question'; our name comes first"):
        Options(columns=(("question", "instruction"),))


def test_a_study_may_name_columns(tmp_path):
    given = {"columns": {"instruction": "question", "output": "answer"}, "ignore": ["why"]}
    (tmp_path / "s.yaml").write_text(json.dumps(given))
    node = read_yaml(tmp_path / "s.yaml")
    assert strict.read_fields(Options, node.mapping(), node) == Options(
        columns=(("instruction", "question"), ("output", "answer")), ignore=("why",)
    )
    assert plain(Options()) == {"first": None}


def test_test_rows_may_be_rows_of_outputs(tmp_path):
    told = job(
        written(
            tmp_path,
            {"instruction": "a", "input": "b", "output": "x", "generator": "g", "dataset": "d"},
            {"prompt": "c", "answer": "5"},
        )
    )
    assert instructions(told) == [
        {"dataset": "d", "instruction": "a\n\nb"},
        {"dataset": "", "instruction": "c", "answer": "5"},
    ]
    with pytest.raises(BadData, match=r"rows\.jsonl:1: the row has 'persona'"):
        instructions(job(written(tmp_path, {"instruction": "a", "persona": "S"})))


def learned(row: list, frame: Frame, template: str | None = None) -> tuple[str, str]:
    tokenizer = learn(["<|user|>\n<|system|>\n2+2? Check. Be brief.\n<|assistant|>\n"] * 3, 300)
    tokenizer.chat_template = template
    example = encode(row, tokenizer, frame)
    return tokenizer.decode(example.ids), tokenizer.decode(
        [i for i, label in zip(example.ids, example.labels) if label != MASKED]
    )


SYSTEM = [{"role": "system", "content": "Be brief. "}]
TEMPLATE = (
    "{% for m in messages %}[{{ m.role }}]\n{{ m.content }}{{ eos_token if m.role == 'assistant' }}\n{% endfor "
    "%}{{ '[assistant]\n' if add_generation_prompt }}"
)


def test_a_message_of_weight_0_is_read_and_not_learned():
    assert learned(CHAT, Frame()) == (
        "<s><|user|>\n2+2?\n<|assistant|>\n5</s>\n<|user|>\nCheck.\n<|assistant|>\n4</s>",
        "4</s>",
    )
    assert learned([*CHAT[2:], *CHAT[:2]], Frame())[1] == "4</s>\n"
    assert learned(CHAT, Frame(template="chat"), TEMPLATE)[1] == "4</s>\n"


def test_a_system_message_stands_in_its_own_tag_and_is_not_learned():
    assert learned(SYSTEM + CHAT[2:], Frame()) == (
        "<s><|system|>\nBe brief.\n<|user|>\nCheck.\n<|assistant|>\n4</s>",
        "4</s>",
    )
    assert learned(SYSTEM + CHAT[2:], Frame(template="chat"), TEMPLATE) == (
        "[system]\nBe brief.\n[user]\nCheck.\n[assistant]\n4</s>\n",
        "4</s>\n",
    )
    deaf = TEMPLATE.replace("{% for m in messages %}", "{% for m in messages if m.role != 'system' %}")
    with pytest.raises(BadStudy, match="leaves system messages out"):
        learned(SYSTEM + CHAT[2:], Frame(template="chat"), deaf)
    assert (
        digest(Frame()) == digest({"user": "<|user|>", "assistant": "<|assistant|>"}) != digest(Frame(system="<|S|>"))
    )


def test_response_tuning_empties_what_the_system_says(tmp_path):
    found = examples(
        job(written(tmp_path, {"instruction": "b", "output": "c", "system": "S"}), empty_instructions=True)
    )
    assert [m["content"] for m in found[0]["messages"]] == ["", "", "c"]


@pytest.mark.parametrize(
    ("name", "content", "anew"),
    [
        ("a.jsonl", '{"instruction": "a", "output": "b"}', False),
        ("a.jsonl", '{"instruction": "a", "input": "", "output": "b"}', False),
        ("a.jsonl", '{"instruction": "say \\"input\\": 5", "output": "b"}', False),
        ("a.jsonl", '{"instruction": "a", "input": "x", "output": "b"}', True),
        ("a.jsonl", '{"messages": [{"role": "user", "content": "a", "weight": 0}]}', True),
        ("a.jsonl", '{"instruction": "</s>", "output": "b"}', True),
        ("a.jsonl", '{"messages": [{"role": "user", "content": "a", "weight": 1}]}', False),
        ("a.jsonl", '{"instruction": "\\u003cs\\u003e", "output": "b"}', True),
        ("a.csv", "instruction,input,output\na,,b\n", True),
        ("a.csv", "instruction,output\ninput,b\n", False),
    ],
)
def test_the_key_of_a_file_moves_only_where_it_was_read_otherwise(name, content, anew, tmp_path):
    """What was published of such a file before stands under another key, so it is never taken for what is read now."""
    (tmp_path / name).write_text(content)
    node = Node({"path": Node(name, str(tmp_path / "s.yaml"), 1, "path")}, str(tmp_path / "s.yaml"), 1, "")
    source = plain(Parts(tmp_path / "s.yaml", Fingerprints(tmp_path / "cache")).source(node, "mine", "examples"))
    assert (
        source.get("reading", 1) == (2 if anew else 1)
        and source["version"] == 1
        and source["options"] == {"first": None}
    )
