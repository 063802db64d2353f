"""Conversations of several turns and system messages: as prompts, as training rows, as a judge reads them, and which
rows of instructions are refused.
"""

import pytest

from tests.text.prepared import examples, instructions
from tests.text.test_chat import CHAT, PLAIN, tokenizer
from tests.text.test_prepare import job, written
from winsweep.check.tokenizer import frames
from winsweep.errors import BadData, BadStudy
from winsweep.store.fingerprint import fingerprint
from winsweep.study.frame import Frame
from winsweep.study.recipe import Recipe
from winsweep.text.conversations import as_text
from winsweep.text.encode import MASKED, encode, encode_all, prompt_ids

TAGS = Frame()
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + PLAIN
DEAF = PLAIN.replace("{% for m in messages %}", "{% for m in messages if m.role != 'system' %}")


def said(*turns: str) -> list[dict[str, str]]:
    """Messages of s(ystem), u(ser) and a(ssistant), as in `"u:Hi"`."""
    names = {"s": "system", "u": "user", "a": "assistant"}
    return [{"role": names[t[0]], "content": t[2:]} for t in turns]


TALK = said("s: Be brief.\n", "u:Who?", "a: Me. ", "u: And then? ")


@pytest.mark.parametrize("frame", [TAGS, CHAT])
def test_a_prompt_is_the_beginning_of_what_was_trained_on(frame):
    made = tokenizer()
    for *before, last in (TALK, TALK[1:], TALK[:2], TALK[1:2]):
        asked = [*before, {**last, "content": last["content"].strip()}]
        example, ids = encode([*asked, *said("a:You.")], made, frame), prompt_ids(asked, made, frame)
        assert example.ids[: len(ids)] == ids and example.labels[len(ids) - 1] == MASKED != example.labels[len(ids)]


def test_what_is_asked_last_is_not_stripped_and_all_before_it_is():
    assert TAGS.prompt(TALK, "</s>") == (
        "<|system|>\nBe brief.\n<|user|>\nWho?\n<|assistant|>\nMe.</s>\n<|user|>\n And then? \n<|assistant|>\n"
    )
    assert TAGS.prompt(said("u: Who? ")) == TAGS.prompt(" Who? ") == "<|user|>\n Who? \n<|assistant|>\n"
    assert prompt_ids("Who?", tokenizer(), CHAT) == prompt_ids(said("u:Who?"), tokenizer(), CHAT)


def test_a_special_token_spelled_in_any_turn_is_text():
    made = tokenizer()
    ids = prompt_ids(said("s:a</s>", "u:b</s>", "a:c</s>", "u:d</s>"), made, TAGS)
    assert ids.count(made.eos_token_id) == 1  # which closes the response


@pytest.mark.parametrize("frame", [TAGS, CHAT])
def test_the_loss_covers_every_response_of_a_conversation(frame):
    """Beside a reference that puts the parts together one by one."""
    made, row = tokenizer(), said("s:Be brief.", "u:Who?", "a:Me.", "u:And then?", "a:You.", "u:Who?", "a:Me.")
    want, mask = [made.bos_token_id], [False]
    for i, m in enumerate(row):
        tag, is_last = ("<|{}|>\n" if frame is TAGS else "[{}]\n").format(m["role"]), i == len(row) - 1
        behind = "" if is_last and frame is TAGS else "\n"
        parts = [(tag, False), (m["content"] + "</s>" + behind, True)]
        for text, learned in parts if m["role"] == "assistant" else [(tag + m["content"] + "\n", False)]:
            ids = made(text, add_special_tokens=False)["input_ids"]
            want, mask = want + ids, mask + [learned] * len(ids)
    example = encode(row, made, frame)
    assert example.ids == want
    assert [label != MASKED for label in example.labels] == mask and sum(mask) > 9


def test_a_lone_instruction_is_its_text_and_several_turns_have_speakers():
    assert as_text(said("u: Who?\n")) == " Who?\n"
    assert as_text(said("s:Be brief.", "u:Who?")) == "System: Be brief.\n\nUser: Who?"
    assert as_text(said("u:Who?", "a:Me.", "u:And?")) == "User: Who?\n\nAssistant: Me.\n\nUser: And?"


def test_rows_of_instructions_in_turns(tmp_path):
    talk = said("u:Who?", "a:Me.", "u:And?")
    path = written(
        tmp_path,
        {"messages": talk, "dataset": "d", "answer": "You."},
        {"messages": said("u:One?"), "instruction": "One?"},
        {"conversations": [{"from": "human", "value": "Two?"}]},
        {"instruction": "Three?", "system": "S", "history": [["a", "b"]]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Fo"}, {"type": "text", "text": "ur?"}]}]},
        {"messages": said("s:S", "u:Five?"), "instruction": "Five?", "output": "passed over"},
    )
    assert instructions(job(path)) == [
        {"dataset": "d", "instruction": as_text(talk), "answer": "You.", "messages": talk},
        {"dataset": "", "instruction": "One?"},
        {"dataset": "", "instruction": "Two?"},
        {"dataset": "", "instruction": "System: S\n\nUser: a\n\nAssistant: b\n\nUser: Three?",
         "messages": said("s:S", "u:a", "a:b", "u:Three?")},
        {"dataset": "", "instruction": "Four?"},
        {"dataset": "", "instruction": "System: S\n\nUser: Five?", "messages": said("s:S", "u:Five?")},
    ]  # fmt: skip


def test_a_system_message_of_the_study_goes_before_what_has_none(tmp_path):
    path = written(tmp_path, {"instruction": "a", "output": "b"}, {"system": "own", "instruction": "c", "output": "d"})
    assert [row["messages"][0]["content"] for row in examples(job(path, system="S"))] == ["S", "own"]
    found = instructions(job(path, system="S"))
    # what joins results is what the rows say; the study's own message is a part of how models are asked
    assert [row["instruction"] for row in found] == ["a", "System: own\n\nUser: c"]
    assert [row["messages"][0]["content"] for row in found] == ["S", "own"]
    emptied = examples(job(path, system="S", empty_instructions=True))
    assert [[m["content"] for m in row["messages"]] for row in emptied] == [["S", "", "b"], ["", "", "d"]]


ENDS = r"what a model is to answer ends with a message of the user"


@pytest.mark.parametrize(
    ("row", "match"),
    [
        ({"messages": said("u:a", "a:b")}, rf"messages end with a response of the assistant, .*; {ENDS}"),
        ({"messages": said("s:a")}, rf"messages have no instruction, so nothing is asked; {ENDS}"),
        ({"messages": []}, r"messages has no message; a list of \{role, content\} is legal; remove the row"),
        ({"messages": said("u:a", "u:b")}, r"message 2 of messages is of user; user and assistant in turn are legal"),
        ({"messages": said("s:x", "a:b", "u:c")}, r"message 2 of messages is of assistant; .*, user first"),
        ({"messages": said("u:a", "a:b", "s:x", "u:c")}, r"message 3 of messages is of system; .* at most before them"),
        ({"messages": [{"role": "tool", "content": "a"}]}, r"the role 'tool'; user, human, assistant, gpt, system are"),
        ({"messages": [{"role": "user", "content": 7}]}, r"with text as content; found 7;"),
        ({"messages": [{"role": "user", "content": None}]}, r"with text as content; found None;"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]}, r"with text as conte"),
        ({"messages": ["a"]}, r"messages is not a list of \{role, content\}"),
        ({"messages": "a"}, r"messages is not a list of \{role, content\}; found 'a'"),
        ({"messages": said("u:a"), "instruction": "b"}, r"'instruction' stands beside 'messages' and says something "),
        ({"messages": said("u:a"), "prompt": "b"}, r"'prompt' stands beside 'messages'.*type ignore: \[prompt\]"),
        ({"messages": said("u:a"), "conversations": said("u:a")}, r"messages stand beside conversations; one of them"),
        ({"messages": said("s:a", "u:b"), "system": "c"}, r"a system stands beside 'messages', which has a syst"),
        ({"messages": said("u:a"), "tools": ["b"]}, r"the row has 'tools'"),
        ({"instruction": "a", "history": ["b"]}, r"history: found .*; a list of \[instruction, response\] is legal"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_answered_is_named(tmp_path, row, match):
    with pytest.raises(BadData, match=rf"rows\.jsonl:2: .*{match}"):
        instructions(job(written(tmp_path, {"instruction": "good"}, row)))


def test_a_row_that_a_template_refuses_is_named_by_its_number():
    rows = [said("u:a", "a:b"), said("s:S", "u:a", "a:b")]
    with pytest.raises(BadStudy, match=r"refuses this conversation \(no system role\).*\(example 2\)"):
        encode_all(rows, tokenizer(NO_SYSTEM), CHAT, Recipe())
    with pytest.raises(ValueError, match="needs the EOS"):
        TAGS.prompt(TALK)


def test_a_reader_of_ones_own_may_give_messages_alone(tmp_path):
    (tmp_path / "own.py").write_text(
        "from dataclasses import dataclass\nVERSION, DATA, NEEDS_PATH = 1, None, True\n"
        "@dataclass(frozen=True)\nclass Options:\n    pass\n"
        "def instructions(rows, options):\n    for row in rows:\n        yield {'messages': row['said']}\n"
    )
    code = {"sha256": fingerprint(tmp_path / "own.py")}
    for talk, why in ((TALK, ""), (TALK[:-1], "end with a response"), ([{"role": "user"}], "not a list of")):
        asked = job(written(tmp_path, {"said": talk}), "own", code=code)
        asked.files[code["sha256"]] = str(tmp_path / "own.py")
        if why:
            with pytest.raises(BadData, match=rf"rows\.jsonl:1: .*{why}"):
                instructions(asked)
        else:
            assert instructions(asked) == [{"dataset": "", "instruction": as_text(TALK), "messages": TALK}]


def test_two_conversations_that_read_alike_are_refused(tmp_path):
    twins = said("u:a\n\nAssistant: b\n\nUser: c", "a:d", "u:e"), said("u:a", "a:b", "u:c", "a:d", "u:e")
    with pytest.raises(BadData, match=r"rows\.jsonl:2: the instruction stands at .*rows\.jsonl:1 already"):
        instructions(job(written(tmp_path, *({"messages": talk} for talk in twins))))


@pytest.mark.parametrize(
    ("template", "says"),
    [(NO_SYSTEM, r"this conversation \(no system role\) of system, user"), (DEAF, "leaves system messages out")],
)  # fmt: skip
def test_a_template_without_system_turns_is_told_of_before_anything_is_spent(template, says):
    made = tokenizer(template)
    with pytest.raises(BadStudy, match=rf"{says}.*; take system: out of the study"):
        prompt_ids(TALK, made, CHAT)
    plain = {"template": "chat"}
    told = {"frames": [plain], "adapters": []}
    assert not list(frames(told, made, None)) and not list(frames(told, made, None, ["a"]))
    for more, asked in (({"system_frames": [plain]}, ()), ({}, [TALK])):
        (found,) = frames(told | more, made, None, asked)
        assert found.verdict == "problem" and "take system: out of the study" in found.text
