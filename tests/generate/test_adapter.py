"""The rule adapter against the closed form: golden bonuses, the paper's table, once per type, left padding without effect."""

import pytest
import torch

from winsweep.cell import Adapter
from winsweep.errors import BadStudy
from winsweep.frame import Frame
from winsweep.generate.adapter import PAPER_TABLE, Rules, eos_bonus, piece_id, table_of
from winsweep.train.tokenizer import learn, load

ALL = Adapter(rules=("eos", "uniform", "diversity"))
STEPS = (0, 1, 10, 249, 250, 600, 1030)


@pytest.fixture(scope="module")
def llama(data):
    return load(data / "llama2_tokenizer.model")


@pytest.mark.parametrize(("done", "bonus"), [(0, 0.0), (1, 0.06), (10, 0.6), (249, 14.94), (250, 0.0), (600, 0.0)])
def test_golden_eos_bonus_as_run(done, bonus):
    assert eos_bonus(ALL, done) == pytest.approx(bonus, abs=1e-12)


def test_the_bonus_may_grow_on():
    assert eos_bonus(Adapter(rules=("eos",), eos_past_window="grow"), 500) == 30.0


def test_golden_ids_of_the_papers_table(llama):
    assert {piece_id(p, llama): s for p, s in PAPER_TABLE.items()} == {
        29966: -4, 529: -4, 29989: -4, 306: -5, 29902: -5, 1334: -3, 5618: -5, 881: -6, 334: 1, 448: 1, 1678: 1, 396: 1, 444: 1, 13: 1, 29991: 1}


def closed_form(adapter: Adapter, prompt: list[int], response: list[int], skip: int, eos: int, vocab: int, table: dict[int, float]) -> torch.Tensor:
    """The sum of the three rules, written from the paper's description."""
    r = torch.zeros(vocab)
    if "eos" in adapter.rules and 0 < len(response) < 250:
        r[eos] += 15 * len(response) / 250
    if "uniform" in adapter.rules:
        for token, score in table.items():
            r[token] += score
    if "diversity" in adapter.rules:
        for token in set(prompt[skip:] + response):
            r[token] -= 1.5
    return r


@pytest.mark.parametrize("rules", [("eos", "uniform", "diversity"), ("uniform", "diversity"), ("eos", "uniform"), ("eos", "diversity")])
def test_a_padded_batch_equals_the_closed_form_at_every_length(llama, rules):
    adapter, frame = Adapter(rules=rules), Frame()
    llama.pad_token = llama.eos_token
    prompts = llama([frame.prompt(t) for t in ("Hi", "What is <this> | I should ask, We two?")], padding=True, return_tensors="pt")
    ids, mask = prompts["input_ids"], prompts["attention_mask"]
    processor = Rules(adapter, llama, 32000, frame, ids, mask)
    skip, table = len(llama(f"{frame.user}\n")["input_ids"]), table_of(adapter, llama)
    torch.manual_seed(0)
    response = torch.randint(3, 32000, (2, max(STEPS)))
    for done in range(max(STEPS) + 1):
        added = processor(torch.cat([ids, response[:, :done]], 1), torch.zeros(2, 32000))
        if done in STEPS:
            for b in range(2):
                own = ids[b][mask[b].bool()].tolist()
                want = closed_form(adapter, own, response[b, :done].tolist(), skip, llama.eos_token_id, 32000, table)
                assert torch.allclose(added[b], want, atol=1e-6), (done, b)


def test_golden_sums_at_the_start(llama):
    """With all rules a newline is -0.5 and the tag pieces -5.5, as they stand in the prompt; without diversity +1 and -4."""
    frame, llama.pad_token = Frame(), llama.eos_token
    prompt = llama([frame.prompt("Hi")], return_tensors="pt")
    for rules, newline, tag in [(ALL.rules, -0.5, -5.5), (("eos", "uniform"), 1.0, -4.0)]:
        added = Rules(Adapter(rules=rules), llama, 32000, frame, prompt["input_ids"], prompt["attention_mask"])(prompt["input_ids"], torch.zeros(1, 32000))
        assert [added[0, i].item() for i in (13, 29966, 29989)] == [newline, tag, tag]


def test_the_response_alone_may_be_the_scope(llama):
    frame, llama.pad_token = Frame(), llama.eos_token
    prompt = llama([frame.prompt("Hi")], return_tensors="pt")["input_ids"]
    processor = Rules(Adapter(rules=("diversity",), diversity_scope="response"), llama, 32000, frame, prompt, torch.ones_like(prompt))
    assert processor(prompt, torch.zeros(1, 32000)).abs().sum() == 0
    added = processor(torch.cat([prompt, torch.tensor([[77]])], 1), torch.zeros(1, 32000))
    assert added[0, 77] == -1.5 and added.abs().sum() == 1.5


def test_a_piece_that_the_tokenizer_lacks_is_named():
    adapter = Adapter(rules=("uniform",), uniform=(("a", 1.0), (" should", -6.0)))
    with pytest.raises(BadStudy, match="the tokenizer has no piece ' should'"):
        table_of(adapter, learn(["a b c"] * 2, 280))
