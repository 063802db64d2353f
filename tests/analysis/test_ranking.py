"""Response ranking against one sequence at a time with transformers' own loss, on a random Llama."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from winsweep.analysis import ranking
from winsweep.analysis.ranking import draw, rank, score
from winsweep.errors import BadData, NotFinite
from winsweep.study.frame import Frame
from winsweep.train.tokenizer import learn

FRAME = Frame()
ROWS = [(f"Say number {i} {'again ' * (i % 4)}", f"It is {'the ' * (i % 5)}number {i * 7 % 11}.") for i in range(12)]
TOKENIZER = learn([a + b for a, b in ROWS], 290)
ALL = [(i, j) for i in range(12) for j in range(12)]


def llama(seed: int) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=300,
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            initializer_range=0.3,
        )
    ).eval()


@torch.inference_mode()
def one(model: LlamaForCausalLM, i: int, j: int) -> tuple[float, int]:
    """Sum of log-probabilities of response j's tokens and EOS behind instruction i, and their number."""
    prompt = TOKENIZER(f"<|user|>\n{ROWS[i][0].strip()}\n<|assistant|>\n", return_tensors="pt")["input_ids"]
    ids = TOKENIZER(f"<|user|>\n{ROWS[i][0].strip()}\n<|assistant|>\n{ROWS[j][1]}</s>", return_tensors="pt")[
        "input_ids"
    ]
    log_probs = model(ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[prompt.shape[1] - 1 :]
    return log_probs.sum().item(), len(log_probs)


def test_scores_of_padded_batches_are_those_of_one_at_a_time():
    model = llama(0)
    for batch_tokens in (1, 200, 5000):
        found = score(ALL, ROWS, model, TOKENIZER, FRAME, batch_tokens)
        for (i, j), s in found.items():
            want, num = one(model, i, j)
            assert s.num_tokens == num
            assert (s.log_prob, s.per_token) == (pytest.approx(want, rel=1e-5), pytest.approx(want / num, rel=1e-5))
    assert sorted(found) == ALL


def test_shares_are_of_every_comparison():
    model, others = llama(1), draw(12, seed=3)
    found, single = rank(ROWS, others, model, TOKENIZER, FRAME), {p: one(model, *p) for p in ALL}
    means = [
        single[i, i][0] / single[i, i][1] > single[i, j][0] / single[i, j][1]
        for i in range(12)
        for j in others[i]
        if i != j
    ]
    sums = [single[i, i][0] > single[i, j][0] for i in range(12) for j in others[i] if i != j]
    num = len(means)
    assert (
        num < 60
        and (found.per_token.share, found.per_token.num) == (sum(means) / num, num)
        and found.sequence.share == sum(sums) / num
    )
    assert (
        found.per_token.low < found.per_token.share < found.per_token.high
        and found.per_token.share != found.sequence.share
    )


def test_a_row_that_drew_itself_is_no_comparison():
    others = [[0, 1, 0], [1, 1, 1], [2, 0, 1]]
    found = rank(ROWS[:3], others, llama(0), TOKENIZER, FRAME)
    assert found.per_token.num == found.sequence.num == 3
    with pytest.raises(BadData, match="1 row: found none that drew another row's response"):
        rank(ROWS[:1], draw(1, 0), llama(0), TOKENIZER, FRAME)


def test_equal_responses_never_beat_each_other():
    """Nor by rounding: in batches of other widths the same text has other last bits."""
    rows = [(a, "It is the number 3.") for a, _ in ROWS[:6]] + ROWS[6:]
    told = []
    found = rank(
        rows,
        [[j for j in range(6) if j != i] for i in range(6)],
        llama(0),
        TOKENIZER,
        FRAME,
        90,
        lambda *at: told.append(at),
    )
    assert found.per_token.share == found.sequence.share == 0 and told[-1] == (6, 6)


def test_draws_are_fixed_by_the_seed_uniform_and_with_replacement():
    drawn = draw(1000, seed=0)
    assert drawn == draw(1000, seed=0) != draw(1000, seed=1) and {len(row) for row in drawn} == {5}
    assert {j for row in drawn for j in row} <= set(range(1000)) and len({j for row in drawn for j in row}) > 980
    assert any(len(set(row)) < 5 for row in drawn) and any(i in row for i, row in enumerate(draw(30, seed=0)))


def test_bf16_keeps_its_scores_near():
    model = llama(2)
    exact, narrow = (score(ALL[:20], ROWS, m, TOKENIZER, FRAME, 500) for m in (model, llama(2).bfloat16()))
    assert all(narrow[p].per_token == pytest.approx(exact[p].per_token, rel=0.03) for p in exact)


def test_long_conversations_lose_their_end_and_an_instruction_that_leaves_no_room_is_named(monkeypatch):
    monkeypatch.setattr(ranking, "MAX_TOKENS", 44)
    assert all(s.num_tokens > 0 for s in score(ALL[:5], ROWS, llama(0), TOKENIZER, FRAME, 500).values())
    with pytest.raises(BadData, match=r"row 2 \('x x .*fills 44 tokens; .*remove the row"):
        score([(1, 0)], [ROWS[0], ("x " * 60, "y")], llama(0), TOKENIZER, FRAME, 500)


def test_progress_counts_sequences_and_damaged_weights_are_told():
    model, told = llama(0), []
    score(ALL, ROWS, model, TOKENIZER, FRAME, 500, lambda done, total: told.append((done, total)))
    assert told[-1] == (144, 144) and told == sorted(told)
    model.lm_head.weight.data[5] = float("nan")
    with pytest.raises(NotFinite, match=r"row 1: the model scores the response of row 1 as NaN"):
        score([(0, 0)], ROWS, model, TOKENIZER, FRAME, 500)


def test_what_was_scored_before_a_stop_is_not_scored_again(tmp_path):
    def stop(done: int, total: int) -> None:
        if done > 30:
            raise KeyboardInterrupt

    model, calls = llama(0), []
    model.register_forward_pre_hook(lambda *_: calls.append(1))
    whole = score(ALL, ROWS, model, TOKENIZER, FRAME, 500)
    num_batches = len(calls)
    with pytest.raises(KeyboardInterrupt):
        score(ALL, ROWS, model, TOKENIZER, FRAME, 500, stop, tmp_path)
    assert score(ALL, ROWS, model, TOKENIZER, FRAME, 500, work=tmp_path) == whole
    assert len(calls) == 2 * num_batches
