"""A tokenizer's own chat template in place of speaker tags: what is learned, what is asked, and what is refused."""

import pytest

from winsweep.errors import BadStudy
from winsweep.keys import digest
from winsweep.study.frame import Frame
from winsweep.text.chat import form_of
from winsweep.text.encode import MASKED, encode
from winsweep.train.tokenizer import learn

CHAT = Frame(template="chat")
PLAIN = (
    "{{ bos_token }}{% for m in messages %}{{ '[' + m.role + ']\\n' + m.content }}"
    "{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '[assistant]\\n' }}{% endif %}"
)
TWICE = [
    {"role": "user", "content": " Who? "},
    {"role": "assistant", "content": "Me.\n"},
    {"role": "user", "content": ""},
    {"role": "assistant", "content": "You."},
]


def tokenizer(template: str | None = PLAIN):
    made = learn(["[user]\nWho are you?\n[assistant]\nMe. And then? You."] * 3, 300)
    made.chat_template = template
    return made


def learned(made, example) -> str:
    return made.decode([i for i, label in zip(example.ids, example.labels) if label != MASKED])


def test_the_loss_covers_every_response_as_the_template_writes_it():
    made = tokenizer()
    example = encode(TWICE, made, CHAT)
    assert made.decode(example.ids) == "<s>[user]\nWho?\n[assistant]\nMe.</s>\n[user]\n\n[assistant]\nYou.</s>\n"
    stripped = [{**m, "content": m["content"].strip()} for m in TWICE]
    assert example.ids == made.apply_chat_template(stripped, tokenize=True, return_dict=False)
    assert learned(made, example) == "Me.</s>\nYou.</s>\n" and example.ids.count(made.bos_token_id) == 1


def test_a_conversation_that_ends_without_a_response_is_masked_to_its_end():
    made = tokenizer()
    assert learned(made, encode(TWICE[:3], made, CHAT)) == "Me.</s>\n"


def test_the_prompt_is_the_beginning_of_the_training_text():
    made = tokenizer()
    form = form_of(CHAT, made)
    assert form.prompt(" Who? ") == "<s>[user]\n Who? \n[assistant]\n"
    ids = made(form.prompt("Who?"), add_special_tokens=form.adds_special_tokens)["input_ids"]
    example = encode(TWICE, made, CHAT)
    assert example.ids[: len(ids)] == ids and example.labels[len(ids) - 1] == MASKED != example.labels[len(ids)]


@pytest.mark.parametrize(
    ("template", "says"),
    [
        (None, "has no chat template"),
        (PLAIN + "{{ strftime_now('%d') }}", "writes today's date"),
        (PLAIN + "{{ ['a', 'b'] | random }}", "draws at random"),
        (PLAIN.replace("{{ eos_token }}", ""), "does not close a response with its EOS '</s>'"),
        (PLAIN.replace("m.content", "(m.content if loop.last else '')"), "writes a turn otherwise once more follows"),
        ("{{ raise_exception('only one turn') }}", r"refuses this conversation \(only one turn\)"),
    ],
)
def test_a_template_that_does_not_serve_is_refused(template, says):
    with pytest.raises(
        BadStudy, match=rf"frame\.template: found chat, but the tokenizer of .*{says}.*; remove template: chat"
    ):
        encode(TWICE, tokenizer(template), CHAT)


def test_tags_beside_a_template_are_refused():
    with pytest.raises(
        BadStudy, match=r"frame: found tags and template: chat, .* remove user:, assistant: and system:"
    ):
        Frame("<|A|>", "<|B|>", "chat")


def test_the_frame_is_part_of_a_key_and_the_usual_one_keeps_its_own():
    assert digest(Frame()) == digest({"user": "<|user|>", "assistant": "<|assistant|>"})
    assert len({digest(f) for f in (Frame(), CHAT, Frame("<|A|>", "<|B|>"))}) == 3
