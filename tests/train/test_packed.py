"""Examples that are packed into one row get the gradient that each would get alone; models that would mix them are
found out.
"""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.attention.varlen
import torch.nn.functional as F
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from tests.train import kernels
from tests.train.test_loop import RECIPE, plain_loop, weights
from tests.train.world import VOCAB, World, make_examples
from winsweep.study.recipe import Recipe
from winsweep.text.encode import MASKED, Example
from winsweep.train import attention_choice, varlen
from winsweep.train.batch_schedule import BatchSchedule
from winsweep.train.loss import num_targets, pack, packed_loss

TINY = dict(
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=4,
    vocab_size=VOCAB,
    max_position_embeddings=64,
)
OTHER = {"bloom": dict(hidden_size=32, n_layer=2, n_head=4, vocab_size=VOCAB, bos_token_id=1, eos_token_id=2)}
CPU = torch.device("cpu")


def tiny(kind: str, dtype: torch.dtype = torch.float64, **more: object) -> PreTrainedModel:
    torch.manual_seed(3)
    ids = dict(bos_token_id=1, eos_token_id=2, pad_token_id=0)
    config = AutoConfig.for_model(kind, **OTHER.get(kind, TINY | ids | more))
    return AutoModelForCausalLM.from_config(config, dtype=dtype).train()


def gradient(model: PreTrainedModel) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def alone(model: PreTrainedModel, row: Example) -> torch.Tensor:
    logits = model(input_ids=torch.tensor([row.ids]), use_cache=False).logits[0, :-1]
    return F.cross_entropy(logits, torch.tensor(row.labels[1:]))


GROUPED = ("llama", dict(num_key_value_heads=2))
WINDOWED = ("mistral", dict(num_key_value_heads=2, sliding_window=6))
MODELS = [
    GROUPED,
    WINDOWED,
    ("qwen3", dict(head_dim=8)),
    ("olmo", {}),
    ("gpt_neox", {}),
    ("gemma3_text", dict(head_dim=8, sliding_window=6)),
]


@pytest.mark.parametrize("kind", ["example_mean", "example_sum"])
@pytest.mark.parametrize(("name", "more"), MODELS, ids=[name for name, _ in MODELS])
def test_the_gradient_of_a_packed_step_is_that_of_one_by_one(name: str, more: dict, kind: str) -> None:
    examples, recipe = make_examples(16, seed=4), Recipe(global_batch=16, loss=kind)
    one, packed = tiny(name, **more), tiny(name, **more)
    for row in examples:
        (alone(one, row) * (num_targets(row) if kind == "example_sum" else 1)).backward()
    assert varlen.prepare(packed, packed, CPU) == ""
    schedule = BatchSchedule(examples, recipe, 1, 2, True, 40)
    step = schedule.step(0)
    assert len(step.grid) > 1
    for rank in range(2):
        for batch in schedule.batches(step, rank):
            packed_loss(packed, batch).backward()
    limit = 1e-8 if name == "gemma3_text" else 1e-12  # some of its sums are in float32, whatever the model is in
    assert (gradient(packed) - gradient(one)).norm() <= limit * gradient(one).norm()


@pytest.mark.parametrize("installed", [kernels.torch_2_11, kernels.torch_2_11_strict, kernels.torch_2_13])
def test_fused_kernels_of_every_torch_keep_examples_packed(
    installed: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(varlen, "fits", lambda query: True)
    monkeypatch.setattr(attention_choice, "_ways", {})
    monkeypatch.setattr(torch.nn.attention.varlen, "varlen_attn", installed)
    one, packed = tiny("llama", num_key_value_heads=2), tiny("llama", num_key_value_heads=2)
    rows = make_examples(5)
    for row in rows:
        alone(one, row).backward()
    with attention_choice.heard() as ways:
        assert varlen.prepare(packed, packed, CPU) == ""
        packed_loss(packed, pack(rows)).backward()
    assert [way.startswith("torch varlen_attn") for way in ways] == [True]
    assert (gradient(packed) - gradient(one)).norm() <= 1e-12 * gradient(one).norm()


def test_losses_are_those_of_each_alone() -> None:
    model = tiny("llama", torch.float32)
    rows = [*make_examples(5), Example([3, 4], [MASKED, MASKED]), Example([5], [5])]
    want = sum(alone(model, row) for row in rows[:5]).item()
    assert varlen.prepare(model, model, CPU) == ""
    assert packed_loss(model, pack(rows)).item() == pytest.approx(want, rel=1e-6)

    def stubborn(logits_to_keep: object, **inputs: Any) -> Any:
        return model(**inputs)

    assert packed_loss(stubborn, pack(rows)).item() == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("rows", [[], [Example([3, 4], [MASKED, MASKED])], [Example([5], [5])]])
def test_nothing_to_learn_is_exactly_nothing(rows: list[Example]) -> None:
    model = tiny("llama", torch.float32)
    assert varlen.prepare(model, model, CPU) == ""
    loss = packed_loss(model, pack(rows))
    loss.backward()
    assert loss.item() == 0.0 and not gradient(model).count_nonzero()


REFUSED = [
    ("bloom", "attention of its own"),
    ("gemma2", "attention with softcap"),
    ("stablelm", "missing 2 required"),
    ("mamba", "move the logits"),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("name", "says"), REFUSED)
@pytest.mark.filterwarnings("ignore")  # transformers' own, of kernels that it does not find
def test_a_model_that_mixes_packed_examples_is_refused_and_left_as_it_was(
    name: str, says: str, dtype: torch.dtype
) -> None:
    model = tiny(name, dtype)
    before = model.config._attn_implementation
    assert says in varlen.prepare(model, model, CPU)
    assert model.config._attn_implementation == before and model.training


def test_a_leak_is_seen_even_where_it_is_slight(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more token of the example before is visible."""
    right = varlen.inputs

    def blurred(lengths: list[int], device: torch.device) -> dict:
        return right([lengths[0] + 1, lengths[1] - 1, *lengths[2:]] if len(lengths) > 1 else lengths, device)

    monkeypatch.setattr(varlen, "LENGTHS", (7, 5, 12))
    monkeypatch.setattr(
        varlen,
        "inputs",
        lambda lengths, device: right(lengths, device) | {"cu_seq_lens_q": blurred(lengths, device)["cu_seq_lens_q"]},
    )
    model = tiny("llama", torch.bfloat16)
    assert "move the logits of the others" in varlen.prepare(model, model, CPU)


@pytest.mark.parametrize(("zero", "num_ranks"), [("zero1", 1), ("zero3", 2)])
def test_a_model_that_cannot_be_packed_is_padded_and_says_so(zero: str, num_ranks: int, tmp_path: Path) -> None:
    tiny("bloom", torch.float32).save_pretrained(tmp_path / "base")
    losses, norms, _parameters = plain_loop(tmp_path / "base", RECIPE)
    world = World(tmp_path, tmp_path / "base", zero, num_ranks, RECIPE, micro_tokens=60).done()
    assert world.losses() == pytest.approx(losses, rel=1e-5) and [x["grad_norm"] for x in world.log()] == pytest.approx(
        norms, rel=1e-4
    )
    notes = world.notes()["packing"]
    assert (
        notes["packed"] is False
        and "attention of its own" in notes["why_padded"]
        and "padded, not packed" in world.stderr()
    )
    assert 0.5 < notes["useful_share"] < 1 and notes["micro_tokens"] == 60


def test_the_useful_share_of_slots_is_in_the_log_and_in_the_record(model: Path, tmp_path: Path) -> None:
    world = World(tmp_path, model, "zero1", 2, RECIPE, micro_tokens=30).done()
    tokens, slots = (sum(line[name] for line in world.log()) for name in ("num_tokens", "num_slots"))
    assert world.notes()["packing"] == {
        "packed": True,
        "attention": "scaled_dot_product_attention of each sequence",
        "micro_tokens": 30,
        "useful_share": round(tokens / slots, 4),
        "num_micro": sum(line["num_micro"] for line in world.log()),
    }
    assert (
        0.8 < tokens / slots < 1
        and json.loads((world.work / "log.jsonl").read_text().splitlines()[0])["num_slots"] >= 1
    )


@pytest.mark.parametrize("zero", [{"stage": 1}, {"stage": 2}], ids=["stage 1", "stage 2"])
def test_offloaded_gradients_of_steps_with_one_and_with_several_micro_batches(
    zero: dict, model: Path, tmp_path: Path
) -> None:
    world = World(tmp_path, model, "zero1", 1, RECIPE, micro_tokens=75)
    world.config = {"zero_optimization": zero | {"offload_optimizer": {"device": "cpu"}}}
    losses, norms, parameters = plain_loop(model, RECIPE)
    assert world.done().losses() == pytest.approx(losses, rel=1e-5) and [
        x["grad_norm"] for x in world.log()
    ] == pytest.approx(norms, rel=1e-4)
    assert {line["num_micro"] for line in world.log()} == {1, 2}
    for name, tensor in weights(world.out).items():
        torch.testing.assert_close(tensor, parameters[name], rtol=1e-3, atol=1e-5)


def test_lengths_of_all_kinds_pack_alike() -> None:
    """Hundreds of random packs of examples of 1 to 12 tokens."""
    model, rng = tiny("llama", num_key_value_heads=2).requires_grad_(False), random.Random(9)
    rows = [
        Example([rng.randrange(VOCAB) for _ in range(n)], [MASKED] * (cut := rng.randrange(n)) + [1] * (n - cut))
        for n in range(1, 13)
        for _ in range(3)
    ]
    want = [alone(model, row).item() if num_targets(row) else 0.0 for row in rows]
    assert varlen.prepare(model, model, CPU) == ""
    for _ in range(100):
        some = rng.sample(range(len(rows)), rng.randint(1, 8))
        assert packed_loss(model, pack([rows[i] for i in some])).item() == pytest.approx(
            sum(want[i] for i in some), rel=1e-12
        )
