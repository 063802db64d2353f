"""Adapters on a base in 4 bits (bitsandbytes): packed exactly, trained as peft trains them, gone on with bit for bit,
and merged into the numbers that the 4 bits stand for.
"""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, LlamaConfig, LlamaForCausalLM

from tests.train.test_loop import RECIPE, weights, whole
from tests.train.test_packed import CPU, alone
from tests.train.world import VOCAB, World, make_examples
from winsweep.errors import BadData, BadStudy
from winsweep.study.lora import Lora
from winsweep.study.recipe import Recipe
from winsweep.train import lora, quantization, varlen
from winsweep.train.batch_schedule import BatchSchedule
from winsweep.train.loss import packed_loss
from winsweep.train.order import step_rows

bitsandbytes = pytest.importorskip("bitsandbytes", reason="QLoRA needs bitsandbytes, which is not here: make qlora")
# peft's own way to ask a model of transformers
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
QLORA = Lora(rank=4, alpha=8, quantize="nf4")
TUNED = replace(RECIPE, epochs=5, lr=2e-2, clip_norm=0.1, lora=QLORA)  # 20 steps
IDS = torch.arange(40)[None]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    shape = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4)
    config = LlamaConfig(**shape, num_key_value_heads=2, vocab_size=VOCAB, max_position_embeddings=64)
    LlamaForCausalLM(config).save_pretrained(root := tmp_path_factory.mktemp("base"))
    return root


def plain(base: Path, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    """The base as transformers loads it in 4 bits, without any of winsweep."""
    how = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
    return AutoModelForCausalLM.from_pretrained(base, dtype=dtype, quantization_config=how)


def base_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items() if "lora_" not in name}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_base_is_loaded_as_transformers_loads_it(base: Path, dtype: torch.dtype, tmp_path: Path) -> None:
    rounded = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
    rounded.save_pretrained(tmp_path)  # its files are in that precision, so that theirs starts from the same numbers
    theirs, ours = plain(tmp_path, dtype), quantization.load(tmp_path, None, dtype)
    assert ours.dtype == dtype and torch.equal(theirs.train()(input_ids=IDS).logits, ours.train()(input_ids=IDS).logits)
    names = {name.rpartition(".")[2] for name, _ in quantization.modules(ours)}
    assert names == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert lora.linear(ours) == lora.linear(rounded)


def test_answers_leave_the_base_as_it_was(base: Path) -> None:
    """bitsandbytes lays the weights out anew on some CPUs where nothing is trained, and rounds their scales by that."""
    model = quantization.load(base, None, torch.float32)
    before, trained = base_of(model), model.train()(input_ids=IDS).logits
    with torch.inference_mode():
        assert torch.equal(model.eval()(input_ids=IDS).logits, trained)
    assert same(base_of(model), before)


def test_the_gradient_of_a_packed_step_is_that_of_one_by_one(base: Path) -> None:
    def adapted() -> torch.nn.Module:
        model = quantization.load(base, None, torch.float32).train()
        lora.attach(model, QLORA, 5)
        generator = torch.Generator().manual_seed(6)
        for parameter in lora.trained(model).values():
            parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
        return model

    def gradient(model: torch.nn.Module) -> torch.Tensor:
        return torch.cat([p.grad.flatten() for p in lora.trained(model).values()])

    examples, one, packed = make_examples(16, seed=4), adapted(), adapted()
    assert all("lora_" in name for name in lora.trained(one))
    before = base_of(packed)
    for row in examples:
        alone(one, row).backward()
    assert varlen.prepare(packed, packed, CPU) == ""
    schedule = BatchSchedule(examples, Recipe(global_batch=16), 1, 2, True, 40)
    step = schedule.step(0)
    assert len(step.grid) > 1
    for rank in range(2):
        for batch in schedule.batches(step, rank):
            packed_loss(packed, batch).backward()
    assert (gradient(packed) - gradient(one)).norm() <= 2e-6 * gradient(one).norm()
    assert same(base_of(packed), before)


def plain_loop(base: Path, recipe: Recipe) -> tuple[list[float], dict]:
    """Losses and adapters of training peft's own model on transformers' own quantized base, one example at a time."""
    examples, model = make_examples(22), plain(base)
    torch.manual_seed(7)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(model, config).train()
    of = {n.removeprefix("base_model.model."): p for n, p in model.named_parameters() if p.requires_grad}
    adam = torch.optim.AdamW(of.values(), eps=recipe.eps, weight_decay=recipe.weight_decay)
    losses = []
    for step in range(recipe.num_steps(22)):
        rows = [whole(model, examples[row], recipe) for row in step_rows(22, recipe, 7, step)]
        (sum(rows) / recipe.global_batch).backward()
        torch.nn.utils.clip_grad_norm_(of.values(), recipe.clip_norm)
        adam.param_groups[0]["lr"] = recipe.lr_at(step, 22)
        adam.step(), adam.zero_grad()
        losses.append(sum(rows).item() / len(rows))
    return losses, of


@pytest.fixture(scope="module")
def reference(base: Path) -> tuple[list[float], dict]:
    return plain_loop(base, TUNED)


@pytest.mark.parametrize(
    ("zero", "num_ranks", "more"),
    [("zero0", 1, {}), ("zero1", 2, {"recompute": "cheap"}), ("zero2", 2, {}), ("zero1", 1, {"recompute": "full"})],
)
def test_losses_are_those_of_peft_on_the_same_base(
    zero: str, num_ranks: int, more: dict, base: Path, reference: tuple, tmp_path: Path
) -> None:
    losses, adapters = reference
    assert len(losses) == 20 and losses[-1] < losses[0] - 0.05
    world = World(tmp_path, base, zero, num_ranks, TUNED, micro_tokens=60, **more).done()
    assert world.losses() == pytest.approx(losses, rel=1e-5)
    found = weights(world.out)
    assert found.keys() == adapters.keys()
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, adapters[name].detach(), rtol=1e-3, atol=1e-5)


def test_killed_training_gives_the_same_bits_and_its_checkpoint_holds_adapters_alone(
    base: Path, tmp_path: Path
) -> None:
    recipe = replace(TUNED, epochs=2, precision="bf16", lora=replace(QLORA, dropout=0.1))
    placed = {"micro_tokens": 28, "checkpoint_steps": 3, "checkpoint_behind": False}
    undisturbed = World(tmp_path / "undisturbed", base, "zero1", 2, recipe, **placed).done()
    killed = World(tmp_path / "killed", base, "zero1", 2, recipe, **placed)
    killed.killed_at(rank=1, event="progress", step=5)
    [checkpoint] = killed.work.glob("checkpoint-3")
    saved = [torch.load(path, weights_only=False) for path in checkpoint.rglob("*model_states.pt")]
    names = [name for state in saved for name in state["module"]]
    assert names and not [name for name in names if "lora_" not in name]
    other = World(
        tmp_path / "killed", base, "zero1", 2, replace(recipe, lora=replace(recipe.lora, quantize=None)), **placed
    )
    other.num_attempts = killed.num_attempts
    assert all("recipe" in line for line in other.refused())
    killed.num_attempts = other.num_attempts
    assert killed.done().published() == undisturbed.published()
    assert killed.facts()["notes"] == ["went on from checkpoint-3"]
    assert killed.facts()["lora"]["quantize"] == "nf4"


def test_stage_3_is_refused(base: Path, tmp_path: Path) -> None:
    [said] = World(tmp_path, base, "zero3", 1, TUNED).refused()
    assert "found ZeRO stage 3 with recipe.lora.quantize" in said and said.endswith("type zero: zero2")


def test_a_damaged_or_quantized_base_is_refused(base: Path, tmp_path: Path) -> None:
    AutoModelForCausalLM.from_pretrained(base).save_pretrained(tmp_path / "lacking")
    state = load_file(file := tmp_path / "lacking/model.safetensors")
    save_file({k: v for k, v in state.items() if "layers.1.mlp.up_proj" not in k}, file, metadata={"format": "pt"})
    with pytest.raises(BadData, match=r"has no weights for model.layers.1.mlp.up_proj.weight"):
        quantization.load(tmp_path / "lacking", None, torch.float32)
    save_file(state | {"model.norm.weight": torch.ones(3)}, file, metadata={"format": "pt"})
    with pytest.raises(BadData, match=r"has model.norm.weight of shape \[3\]"):
        quantization.load(tmp_path / "lacking", None, torch.float32)
    plain(base).save_pretrained(tmp_path / "quantized")
    with pytest.raises(BadStudy, match=r"is quantized already; legal is a base in 16 or 32 bits"):
        quantization.load(tmp_path / "quantized", None, torch.float32)


def test_a_merged_model_is_the_numbers_of_the_base_and_the_adapters(base: Path) -> None:
    quantized = quantization.load(base, None, torch.float32).eval()
    lora.attach(quantized, QLORA, 5)
    for parameter in lora.trained(quantized).values():
        parameter.data = 0.05 * torch.randn(parameter.shape)
    with torch.inference_mode():
        apart = quantized(input_ids=IDS).logits
    wanted = {name: numbers(layer) + layer.get_delta_weight("default") for name, layer in lora.layers(quantized)}
    adapters = {lora.file_name(name): p.detach() for name, p in lora.trained(quantized).items()}
    lora.take_off(quantized)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    quantization.give_numbers(quantized, model)
    lora.put_on(model, lora.config_of(QLORA), adapters, base)
    lora.merge(model)
    for name, weight in wanted.items():
        torch.testing.assert_close(model.get_submodule(name).weight, weight, rtol=0, atol=1e-6)
    with torch.inference_mode():
        torch.testing.assert_close(model(input_ids=IDS).logits, apart, rtol=1e-5, atol=1e-5)


def numbers(layer: torch.nn.Module) -> torch.Tensor:
    weight = layer.get_base_layer().weight
    return bitsandbytes.functional.dequantize_4bit(weight.data, weight.quant_state)
