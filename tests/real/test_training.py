"""A real model is trained: packed losses are those of each text alone, and a killed finetune ends in the same bits."""

import pytest
import torch
import torch.nn.functional as F

from tests.real.conftest import conversation, rows_of
from tests.train.world import World
from winsweep.study.frame import Frame
from winsweep.study.lora import Lora
from winsweep.study.recipe import Recipe
from winsweep.text.encode import Example, encode
from winsweep.train import varlen
from winsweep.train.loss import pack, packed_loss

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def examples(tokenizer) -> list[Example]:
    """Texts of all kinds, from 25 to 150 tokens."""
    rows = [
        *[(r["instruction"], r["output"]) for r in rows_of("instructions")[8:12]],
        *[(r["question"], r["answer"]) for r in rows_of("problems")[:2]],
        *[(r["text"], r["code"]) for r in rows_of("functions")[5:7]],
    ]
    return [encode(conversation(*row), tokenizer, Frame()) for row in rows]


def test_a_packed_step_over_real_texts_is_that_of_each_alone(model, examples):
    """The loss, and the gradient of weights at both ends of the model; single precision rounds."""
    ends = [model.model.embed_tokens.weight, model.model.layers[0].self_attn.k_proj.weight, model.model.norm.weight]
    attention, alone = model.config._attn_implementation, 0.0
    for row in examples:
        logits = model(input_ids=torch.tensor([row.ids]), use_cache=False).logits[0, :-1]
        alone = alone + F.cross_entropy(logits, torch.tensor(row.labels[1:]))
    wanted = torch.autograd.grad(alone, ends)
    try:
        assert varlen.prepare(model, model, torch.device("cpu")) == ""
        packed = packed_loss(model, pack(examples))
        found = torch.autograd.grad(packed, ends)
    finally:
        model.set_attn_implementation(attention)
    assert packed.item() == pytest.approx(alone.item(), rel=1e-5)
    assert 0.2 < packed.item() / len(examples) < 4  # nats a token: of a model that reads English
    for ours, theirs in zip(found, wanted):
        assert (ours - theirs).norm() <= 1e-4 * theirs.norm() > 0


@pytest.mark.parametrize(
    "lora", [pytest.param(None, marks=pytest.mark.long, id="full"), pytest.param(Lora(rank=8), id="lora")]
)
def test_a_killed_finetune_of_a_real_model_ends_in_the_same_bits(smollm2, examples, tmp_path, lora):
    """Four steps of two short texts. A full checkpoint, of weights and optimizer, has 1.6 GB; one of adapters 40 MB."""
    recipe = Recipe(lr=1e-4, epochs=2, global_batch=2, warmup_ratio=0.1, precision="fp32", lora=lora)
    how = {"micro_tokens": 256, "checkpoint_steps": 2, "checkpoint_behind": False}
    calm, killed = (World(tmp_path / name, smollm2, "zero1", 1, recipe, **how) for name in ("calm", "killed"))
    for world in (calm, killed):
        world.examples, world.timeout_s, world.limit_s = examples[2:6], 120.0, 280.0
    calm.done()
    killed.killed_at(rank=0, event="progress", step=3)
    assert killed.checkpoints() == ["checkpoint-2"]
    num_bytes = sum(p.stat().st_size for p in killed.work.rglob("*") if p.is_file())
    assert num_bytes < 1e8 if lora else num_bytes > 1.6e9
    killed.done()
    assert killed.published() == calm.published() and len(calm.losses()) == 4
    assert killed.facts()["notes"][-1] == "went on from checkpoint-2"
    assert calm.losses()[-1] < calm.losses()[0]
