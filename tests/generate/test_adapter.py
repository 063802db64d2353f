"""The rule adapter against the closed form of the paper's rules: golden values, options, padding, reuse, tags written
by the model.
"""

import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from winsweep.errors import BadData, BadStudy
from winsweep.generate.adapter import ALL, Rules
from winsweep.generate.rule_tokens import first_token_scores, resolve, table_of, tag_ids, token_id
from winsweep.generate.slots import Slots, eos_bonus
from winsweep.study.frame import Frame
from winsweep.study.rules import PRESETS, UNIFORM, Adapter
from winsweep.text.cache_name import cache_of, with_cache
from winsweep.train.tokenizer import learn, load

STEPS = (0, 1, 10, 249, 250, 600, 1030)
OPTIONS = [("eos", "uniform", "diversity"), ("uniform", "diversity"), ("eos", "uniform"), ("eos", "diversity")]
USER, ASSISTANT = (29989, 1792, 29989, 29958, 13), (465, 22137, 29989, 29958, 13)  # the ends of Llama-2's tags


@pytest.fixture(scope="module")
def llama(data):
    tokenizer = load(data / "llama2_tokenizer.model")
    tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


@pytest.fixture(scope="module")
def byte_level():
    return learn(["<|user|>\nWhat should I say? We should.\n<|assistant|>\n * - # ## !   |\n"] * 3, 400)


def closed_form(S: list[int], rules: tuple[str, ...]) -> torch.Tensor:
    """The three rules on Llama-2's ids, for the ids so far `S`, tags found as the paper's code finds them."""
    i_u, i_a = (max(i for i in range(5, len(S) + 1) if tuple(S[i - 5 : i]) == tag) for tag in (USER, ASSISTANT))
    r, t = torch.zeros(32000), len(S) - i_a
    r[2] += 15 * t / 250 if "eos" in rules and 0 < t < 250 else 0
    r[[29966, 529, 29989, 306, 29902, 1334, 5618, 881]] += torch.tensor([-4.0, -4, -4, -5, -5, -3, -5, -6]) * (
        "uniform" in rules
    )
    r[[334, 448, 1678, 396, 444, 13, 29991]] += 1.0 * ("uniform" in rules)
    r[list(set(S[i_u:]))] -= 1.5 * ("diversity" in rules)
    return r


@pytest.mark.parametrize(
    ("done", "bonus"), [(0, 0.0), (1, 0.06), (10, 0.6), (249, 14.94), (250, 0.0), (600, 0.0), (1030, 0.0)]
)
def test_golden_eos_bonus_as_run(done, bonus):
    assert eos_bonus(ALL, torch.tensor([done])).item() == torch.tensor(bonus).item()


def test_the_bonus_past_its_window():
    done = torch.tensor([250, 500, 1024, 1025])
    assert eos_bonus(Adapter(eos_past_window="grow"), done).tolist() == pytest.approx([15, 30, 61.44, 61.5])
    assert eos_bonus(Adapter(eos_forced_past=1024), done).tolist() == [0, 0, 0, 100]


def test_golden_ids_of_the_papers_table(llama):
    low = {29966: -4, 529: -4, 29989: -4, 306: -5, 29902: -5, 1334: -3, 5618: -5, 881: -6}
    high = dict.fromkeys((334, 448, 1678, 396, 444, 13, 29991), 1)
    assert {token_id(p, llama): s for p, s in UNIFORM.items()} == low | high
    assert (tag_ids("<|user|>", llama), tag_ids("<|assistant|>", llama)) == (USER, ASSISTANT)


@pytest.mark.parametrize("rules", OPTIONS, ids="-".join)
def test_a_padded_batch_equals_the_closed_form_exactly_at_every_length(llama, rules):
    prompts = llama(
        [Frame().prompt(t) for t in ("Hi", "What is <this> | I should ask, We two?")], padding=True, return_tensors="pt"
    )
    ids, mask = prompts["input_ids"], prompts["attention_mask"].bool()
    response = torch.randint(3, 32000, (2, max(STEPS)), generator=torch.Generator().manual_seed(0))
    processor = Rules(Adapter(rules=rules), llama, 32000)
    for done in range(max(STEPS) + 1):
        added = processor(torch.cat([ids, response[:, :done]], 1), torch.zeros(2, 32000))
        if done in STEPS:
            for b in range(2):
                assert torch.equal(
                    added[b], closed_form(ids[b][mask[b]].tolist() + response[b, :done].tolist(), rules)
                ), (done, b)


def test_golden_sums(llama):
    """With all rules a newline is -0.5 and the tag tokens -5.5, as they stand in the prompt; without diversity +1, -4
    and -4.
    """
    prompt = llama([Frame().prompt("Hi")], return_tensors="pt")["input_ids"]
    for rules, newline, tag in [(ALL.rules, -0.5, -5.5), (("eos", "uniform"), 1.0, -4.0)]:
        added = Rules(Adapter(rules=rules), llama, 32000)(prompt, torch.zeros(1, 32000))
        assert [added[0, i].item() for i in (13, 29966, 29989)] == [newline, tag, tag]


@pytest.mark.parametrize("padding", [0, 9])
def test_no_argmax_differs_from_the_closed_form_over_500_steps_of_a_model(llama, padding):
    torch.manual_seed(5)
    config = LlamaConfig(
        vocab_size=32000,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        initializer_range=0.5,
        max_position_embeddings=1024,
    )
    model = LlamaForCausalLM(config).eval()
    prompt = [llama.pad_token_id] * padding + llama(Frame().prompt("What should we do?"))["input_ids"]
    processor, ids, cache, mismatches = Rules.for_model(model, llama), torch.tensor([prompt]), None, 0
    with torch.inference_mode():
        for _ in range(500):
            out = model(ids if cache is None else ids[:, -1:], **with_cache(model, cache), use_cache=True)
            logits, cache = out.logits[:, -1], cache_of(out)
            logits[:, 2] -= 100  # no end before 500
            token = processor(ids, logits).argmax(1)
            mismatches += int(token[0] != (logits[0] + closed_form(ids[0, padding:].tolist(), ALL.rules)).argmax())
            ids = torch.cat([ids, token[:, None]], 1)
    assert mismatches == 0 and len(set(ids[0, len(prompt) :].tolist())) > 20


def test_a_tag_that_the_model_writes_starts_a_new_turn_as_run(llama):
    prompt = llama(Frame().prompt("Hi there"))["input_ids"]
    later = [100, 200, 529, *USER, 300, 400, 529, 29989, *ASSISTANT, 500]
    processor, first = Rules(ALL, llama, 32000), Rules(Adapter(rules=ALL.rules, tag_match="first"), llama, 32000)
    for n in range(len(later) + 1):
        ids = torch.tensor([prompt + later[:n]])
        assert torch.equal(processor(ids, torch.zeros(1, 32000))[0], closed_form(ids[0].tolist(), ALL.rules)), n
        added = first(ids, torch.zeros(1, 32000))[0]
        assert added[2].item() == torch.tensor(0.06 * n).item() and added[prompt[-3]] < -1
    assert added[100] == -1.5  # by the first tag nothing is forgotten


def test_one_object_serves_many_calls_and_reordered_rows(llama):
    """What is added depends on the ids alone: another batch and beams that changed positions are read anew."""
    batch = llama([Frame().prompt(t) for t in ("Hi", "Ho, ho")], padding=True, return_tensors="pt")["input_ids"]
    longer = torch.cat([batch.flip(0), torch.tensor([[7], [8]])], 1)
    processor = Rules(ALL, llama, 32000)
    for ids in (batch, longer, batch[:1], longer[:, :-1]):
        assert torch.equal(
            processor(ids, torch.zeros(len(ids), 32000)), Rules(ALL, llama, 32000)(ids, torch.zeros(len(ids), 32000))
        )


def test_narrow_logits_are_summed_in_float32(byte_level):
    ids = byte_level(Frame().prompt("I say"), return_tensors="pt")["input_ids"]
    logits = torch.full((1, 400), 100.3, dtype=torch.bfloat16)
    processor = Rules(Adapter(rules=("diversity",), diversity_penalty=0.2), byte_level, 400)
    want = logits.float() + processor(ids, torch.zeros(1, 400))
    assert torch.equal(processor(ids, logits), want.bfloat16())


def test_the_response_alone_may_be_the_scope(llama):
    prompt = llama([Frame().prompt("Hi")], return_tensors="pt")["input_ids"]
    processor = Rules(Adapter(rules=("diversity",), diversity_scope="response"), llama, 32000)
    assert processor(prompt, torch.zeros(1, 32000)).abs().sum() == 0
    added = processor(torch.cat([prompt, torch.tensor([[77]])], 1), torch.zeros(1, 32000))
    assert added[0, 77] == -1.5 and added.abs().sum() == 1.5


def test_as_written_differs_where_the_paper_differs_from_its_code(llama):
    written = PRESETS["as_written"]
    assert table_of(written, llama) == table_of(Adapter(), llama) | {5618: -3}
    assert eos_bonus(written, torch.tensor([249, 250, 500])).tolist() == pytest.approx([14.94, 15, 30])
    assert (written.diversity_scope, written.tag_match) == ("response", "first") and PRESETS["as_run"] == Adapter()


def test_start_moves_the_first_three_tokens_only(llama):
    prompt, zeros = llama([Frame().prompt("Hi")], return_tensors="pt")["input_ids"], torch.zeros(1, 32000)
    processor = Rules(Adapter(rules=("start",)), llama, 32000)
    first, second, third, fourth = (
        processor(torch.cat([prompt, torch.full((1, n), 77)], 1), zeros)[0] for n in range(4)
    )
    scores = {"▁Okay": 50, "▁The": 5, "I": -15, "▁I": -15, ".": -5, "1": 0, "▁": 0, "<0x0A>": -5}
    assert {p: first[llama.convert_tokens_to_ids(p)].item() for p in scores} == scores
    assert (second[29991], second.abs().sum(), third[13], third.abs().sum(), fourth.abs().sum()) == (15, 15, -10, 10, 0)


def test_start_reads_byte_level_tokens_as_text():
    tokenizer = learn(["Okay Okay Okay é\n!"] * 3, 300)
    scores = first_token_scores(tokenizer, 300)
    found = {p: scores[tokenizer.convert_tokens_to_ids(p)].item() for p in ("ĠOkay", "Ċ", "Ġ", "!", "O")}
    assert found == {"ĠOkay": 50, "Ċ": 0, "Ġ": 0, "!": -5, "O": 5}


def test_the_papers_table_in_a_byte_level_vocabulary():
    """As OLMo's: tokens spelled in bytes, runs of spaces as tokens of their own."""
    tokenizer = learn(["a\n#\n <x |I I We What should * - # ## !\nWhat should We"] * 5, 330)
    tokenizer.add_tokens(["   "])
    found = table_of(Adapter(), tokenizer)
    assert {tokenizer.decode([i]): score for i, score in found.items()} == dict(UNIFORM)


def test_a_token_that_the_tokenizer_lacks_is_named():
    adapter = Adapter(rules=("uniform",), uniform=(("a", 1.0), (" should", -6.0)))
    with pytest.raises(BadStudy, match="the tokenizer has no token ' should'"):
        resolve(adapter, learn(["a b c"] * 2, 280), 280, Frame())


def test_tags_must_be_told_apart(byte_level):
    with pytest.raises(BadStudy, match="found tags that end alike"):
        resolve(Adapter(), byte_level, 400, Frame(user="1 same end here!", assistant="2 same end here!"))
    with pytest.raises(BadStudy, match="has no tokens of its own"):
        resolve(Adapter(), byte_level, 400, Frame(user=""))


def test_a_prompt_without_an_assistant_tag_is_refused(byte_level):
    slots = Slots(resolve(Adapter(), byte_level, 400, Frame()), 2)
    slots.fill(0, byte_level(Frame().prompt("I"))["input_ids"])
    with pytest.raises(BadData, match=r"row 2: its prompt has no assistant tag.*Frame"):
        slots.fill(1, byte_level("I should")["input_ids"])


def test_rules_stand_in_generate_batched_as_alone(tmp_path, byte_level):
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=400,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        initializer_range=0.4,
    )
    model, adapter = LlamaForCausalLM(config).eval(), Adapter(rules=ALL.rules, eos_window=8, uniform=(("!", 1.0),))
    byte_level.save_pretrained(tmp_path)
    tokenizer, texts = (
        AutoTokenizer.from_pretrained(tmp_path, padding_side="left"),
        ["I", "We should say what? We should!"],
    )
    settings = {"do_sample": False, "max_new_tokens": 24, "pad_token_id": 0, "eos_token_id": tokenizer.eos_token_id}
    rules = Rules.for_model(model, tokenizer, adapter)

    def answers(texts: list[str], processors: list[Rules]) -> list[str]:
        prompt = tokenizer([Frame().prompt(t) for t in texts], padding=True, return_tensors="pt").to(model.device)
        ids = model.generate(**prompt, **settings, logits_processor=processors)[:, prompt["input_ids"].shape[1] :]
        return tokenizer.batch_decode(ids, skip_special_tokens=True)

    together = answers(texts, [rules])
    assert together == [answers([t], [rules])[0] for t in texts] and together != answers(texts, [])
