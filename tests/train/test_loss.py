"""The loss is the token mean within an example, whatever stands beside it in the micro-batch."""

import random
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM

from tests.train.world import VOCAB, make_examples
from winsweep.text.encode import MASKED, Example
from winsweep.train.loss import collate, example_losses, num_targets
from winsweep.train.nll import nll


@pytest.fixture(scope="module")
def lm(model: Path) -> torch.nn.Module:
    return AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)


def one_by_one(lm: torch.nn.Module, example: Example) -> torch.Tensor:
    return lm(input_ids=torch.tensor([example.ids]), labels=torch.tensor([example.labels])).loss


def test_equals_one_example_at_a_time(lm: torch.nn.Module) -> None:
    examples = make_examples(9, seed=1)
    want = torch.stack([one_by_one(lm, example) for example in examples])
    torch.testing.assert_close(example_losses(lm, collate(examples)), want, rtol=1e-6, atol=1e-6)
    num_B = torch.tensor([num_targets(example) for example in examples])
    torch.testing.assert_close(example_losses(lm, collate(examples), "example_sum"), want * num_B, rtol=1e-6, atol=1e-5)


def test_labels_in_several_turns(lm: torch.nn.Module) -> None:
    ids = [random.Random(2).randrange(VOCAB) for _ in range(20)]
    turns = Example(ids, [MASKED] * 4 + ids[4:7] + [MASKED] * 6 + ids[13:])
    got = example_losses(lm, collate([turns, *make_examples(2)]))[0]
    torch.testing.assert_close(got, one_by_one(lm, turns), rtol=1e-6, atol=1e-6)
    assert num_targets(turns) == 10


def test_a_model_that_ignores_logits_to_keep(lm: torch.nn.Module) -> None:
    def stubborn(*, logits_to_keep: torch.Tensor, **inputs: object) -> object:
        return lm(**inputs)

    batch = collate(make_examples(3))
    assert torch.equal(example_losses(stubborn, batch), example_losses(lm, batch))


@pytest.mark.parametrize("rows", [[], [Example([3, 4], [MASKED, MASKED])], [Example([5], [5])]])
def test_nothing_to_learn_is_exactly_nothing(rows: list[Example], lm: torch.nn.Module) -> None:
    lm.zero_grad()
    losses_B = example_losses(lm, collate(rows))
    losses_B.sum().backward()
    assert losses_B.tolist() == [0.0]
    assert all(parameter.grad.count_nonzero() == 0 for parameter in lm.parameters())


@pytest.mark.parametrize("num_K", [1, 7, 5000])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-14), (torch.float32, 2e-6), (torch.bfloat16, 2e-6)]
)
def test_nll_is_cross_entropy(dtype: torch.dtype, tolerance: float, num_K: int) -> None:
    generator = torch.Generator().manual_seed(5)
    logits_KV = (4 * torch.randn(num_K, VOCAB, generator=generator, dtype=torch.float64)).to(dtype).requires_grad_()
    targets_K = torch.randint(VOCAB, (num_K,), generator=generator)
    weights_K = torch.rand(num_K, generator=generator).to(torch.promote_types(dtype, torch.float32))
    exact_KV = logits_KV if dtype == torch.float64 else logits_KV.float()
    want_K, got_K = F.cross_entropy(exact_KV, targets_K, reduction="none"), nll(logits_KV, targets_K)
    torch.testing.assert_close(got_K, want_K, rtol=tolerance, atol=tolerance)
    want_KV, got_KV = (torch.autograd.grad((loss_K * weights_K).sum(), logits_KV)[0] for loss_K in (want_K, got_K))
    torch.testing.assert_close(got_KV, want_KV, rtol=1e-2 if dtype == torch.bfloat16 else tolerance, atol=tolerance)
