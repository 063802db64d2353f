"""An answer ends at whatever the model, its tokenizer or its chat template calls an end, and at the texts that a study
adds.
"""

import json
from pathlib import Path

import pytest
import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, MambaConfig, MambaForCausalLM

from winsweep.errors import BadStudy
from winsweep.generate.greedy import Answer, answer_all
from winsweep.study.cell import Decoding
from winsweep.study.frame import Frame
from winsweep.text.encode import MASKED, encode
from winsweep.text.ends import Ends, ends_of
from winsweep.text.model import load_tokenizer, save_around
from winsweep.train.tokenizer import learn

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{{ '<|' + m.role + '|>\\n' + m.content + '<end>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)
WORDS = " the answer is here."
END = 286  # the id of <end>


def tokenizer_of(folder: Path, template: str | None):
    made = learn(["<|user|>\nWhat?\n<|assistant|>\n the answer is here."] * 3, 300)
    made.add_special_tokens({"additional_special_tokens": ["<end>"]})
    made.chat_template = template
    made.save_pretrained(folder)
    return made


def chained(
    folder: Path, config_eos: object = 2, generation_eos: object = None, template: str | None = TEMPLATE
) -> str:
    """A Llama that writes WORDS and then <end>, a newline and the words again: each token tells the next one."""
    made, num = tokenizer_of(folder, template), 320
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=num,
        hidden_size=num,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=4,
        max_position_embeddings=256,
        tie_word_embeddings=False,
        bos_token_id=1,
        eos_token_id=config_eos,
    )
    net = LlamaForCausalLM(config)
    newline, words, end = (made(t, add_special_tokens=False)["input_ids"] for t in ("\n", WORDS, "<end>"))
    chain, said = [newline[-1], *words, *end], torch.zeros(num, num)
    for before, after in zip(chain, [*chain[1:], newline[-1]]):
        said[after, before] = 30.0
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if "layers" in name and "norm" not in name:
                weight.zero_()
        net.model.embed_tokens.weight.copy_(torch.eye(num))
        net.lm_head.weight.copy_(said)
    net.generation_config = GenerationConfig(**({} if generation_eos is None else {"eos_token_id": generation_eos}))
    net.save_pretrained(folder)
    return str(folder)


def answer(model: str, work: Path, frame: Frame = Frame(), **decoding) -> Answer:
    work.mkdir(exist_ok=True)
    told = Decoding(**{"max_new_tokens": 24, "batch": 2, **decoding})
    return answer_all(["What?", "Who?"], model, None, told, frame, None, work, lambda a, b: None)[0]


@pytest.mark.parametrize("frame", [Frame(), Frame(template="chat")], ids=["tags", "chat"])
@pytest.mark.parametrize(
    "said",
    [dict(generation_eos=[2, END]), dict(generation_eos=END), dict(config_eos=[2, END]), dict(config_eos=END), {}],
    ids=str,
)
def test_an_untrained_chat_model_ends_its_turn(said, frame, tmp_path):
    """Whoever says it: generation_config.json, config.json, or the template alone."""
    template = None if said and frame.template == "tags" else TEMPLATE
    found = answer(chained(tmp_path / "m", **said, template=template), tmp_path / "w", frame)
    assert found == Answer(WORDS, len(found_ids(tmp_path / "m", WORDS)), False)


def found_ids(model: Path, text: str) -> list[int]:
    return load_tokenizer(str(model), None)(text, add_special_tokens=False)["input_ids"]


def test_where_nobody_says_so_it_runs_on(tmp_path):
    found = answer(chained(tmp_path / "m", template=None), tmp_path / "w")
    assert found.truncated and found.num_tokens == 24 and found.text.count(WORDS) > 1


@pytest.mark.parametrize(
    ("stop", "text"),
    [
        (["<end>"], WORDS),
        (["here"], " the answer is "),
        (["answer is", "the"], " "),
        (["nothing", " here."], " the answer is"),
        (["\n"], WORDS),
    ],
)
def test_texts_of_the_study_end_answers_and_are_no_part_of_them(stop, text, tmp_path):
    model = chained(tmp_path / "m", template=None)
    found = answer(model, tmp_path / "w", stop=tuple(stop))
    assert (found.text, found.truncated) == (text, False)
    whole = answer(model, tmp_path / "x", stop=("nowhere",))
    assert whole.truncated and whole.num_tokens == 24


def test_the_same_in_batches_of_transformers(tmp_path):
    """A model that slots do not fit."""
    made = tokenizer_of(tmp_path / "m", TEMPLATE)
    torch.manual_seed(1)
    MambaForCausalLM(
        MambaConfig(
            vocab_size=len(made), hidden_size=32, num_hidden_layers=1, state_size=4, eos_token_id=2, pad_token_id=0
        )
    ).save_pretrained(tmp_path / "m")
    config = json.loads((tmp_path / "m/config.json").read_text()) | {"max_position_embeddings": 96}
    (tmp_path / "m/config.json").write_text(json.dumps(config))
    plain = answer(str(tmp_path / "m"), tmp_path / "a", max_new_tokens=12)
    stop = plain.text[2:4]
    assert answer(str(tmp_path / "m"), tmp_path / "b", max_new_tokens=12, stop=(stop,)) == Answer(
        plain.text[: plain.text.index(stop)],
        answer(str(tmp_path / "m"), tmp_path / "c", max_new_tokens=12, stop=(stop,)).num_tokens,
        False,
    )


def test_who_says_what_is_recorded_and_a_token_of_text_is_no_end(tmp_path):
    model = chained(tmp_path, config_eos=[2, END], generation_eos=[7, END])
    ends = ends_of(model, None, load_tokenizer(model, None), ("<end>", "stop here"))
    assert ends.ids == (2, END) and ends.texts == ("stop here",)
    assert dict(ends.said) == {
        "tokenizer": ["</s>"],
        "generation_config": ["<end>"],
        "config": ["</s>", "<end>"],
        "chat_template": ["<end>"],
        "decoding.stop": ["<end>", "stop here"],
        "ignored": ["7"],
    }


def test_a_template_that_closes_with_its_end_of_turn_can_be_trained_with(tmp_path):
    """As gemma's; and what is saved of the trained model says that its answers end there."""
    model = chained(tmp_path / "m")
    made = load_tokenizer(model, None)
    row = [{"role": "user", "content": "What?"}, {"role": "assistant", "content": "Me."}]
    example = encode(row, made, Frame(template="chat"))
    assert made.decode([i for i, label in zip(example.ids, example.labels) if label != MASKED]) == "Me.<end>\n"
    save_around(model, None, made, tmp_path / "chat", Frame(template="chat"))
    save_around(model, None, made, tmp_path / "tags")
    assert [GenerationConfig.from_pretrained(tmp_path / name).eos_token_id for name in ("chat", "tags")] == [
        [2, END],
        2,
    ]


def test_an_empty_stop_is_refused():
    with pytest.raises(BadStudy, match=r"decoding.stop: found an empty text"):
        Decoding(stop=("a", ""))


def test_a_text_is_found_across_tokens_and_bytes():
    letters = {1: "a", 2: "b", 3: "", 4: "c"}
    ends = Ends((9,), ("abc",), lambda ids: "".join(letters[i] for i in ids))
    assert [ends.reached(new) for new in ([1], [1, 2], [1, 2, 4], [1, 3, 2, 3, 4], [2, 9])] == [
        False,
        False,
        True,
        True,
        True,
    ]
    assert ends.cut("xabcy abc") == ("x", True) and ends.cut("xab") == ("xab", False) and ends.without([1, 9]) == [1]
