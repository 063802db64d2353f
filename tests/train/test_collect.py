"""A model is collected tensor by tensor: the bytes are those that transformers writes, the memory is that of a few
tensors, and what would load as something else is refused.
"""

import errno
import json
import resource
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, DeepseekV3Config, LlamaConfig, Qwen3MoeConfig

from tests.train.test_saved_names import MODELS, SMALL, base_of
from tests.train.world import start_ranks, wait_ranks
from winsweep.errors import Incomplete, NotFinite
from winsweep.store import manifest
from winsweep.text.weights import BASE_NAMES, base_tensors
from winsweep.train import original_format
from winsweep.train.collect import Numbers, check_loads, collect, is_finite, weights_in, write
from winsweep.train.tensor_file import order

CHECK = ("config.json", "generation_config.json")


def finetune_of(base: Path, root: Path, num_ranks: int = 3, dtype: torch.dtype = torch.float32) -> Path:
    """What a finetune on some ranks leaves, with the base's own weights."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
    weights = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    shards = [f"model-{i + 1:05d}-of-{num_ranks:05d}.safetensors" for i in range(num_ranks)]
    (root / "hf").mkdir(parents=True)
    for i, shard in enumerate(shards):
        save_file(dict([*weights.items()][i::num_ranks]), root / shard, metadata={"format": "pt"})
    for name in CHECK:
        (root / "hf" / name).write_bytes((base / name).read_bytes())
    (root / "hf" / BASE_NAMES).write_text(json.dumps(base_tensors(str(base), None)))
    num = sum(weight.numel() for weight in weights.values())
    (root / "train.json").write_text(json.dumps({"steps": 1, "num_steps": 1, "shards": shards, "num_parameters": num}))
    return root


def as_transformers_writes(finetune: Path, out: Path, max_shard: int) -> Path:
    """The model loaded whole and saved whole."""
    weights = {name: w for shard in finetune.glob("*.safetensors") for name, w in load_file(shard).items()}
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(
            AutoConfig.from_pretrained(finetune / "hf"), dtype=next(iter(weights.values())).dtype
        )
    model.load_state_dict(weights, strict=False, assign=True)
    model.tie_weights()
    model.save_pretrained(out, max_shard_size=max_shard, save_original_format=True)
    return out


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in CHECK}


@pytest.mark.parametrize("max_shard", [20_000, 5 * 10**9])
@pytest.mark.parametrize("kind", MODELS)
def test_every_byte_is_what_transformers_writes(kind: str, max_shard: int, tmp_path: Path) -> None:
    dtype = torch.bfloat16 if kind == "mixtral" else torch.float32
    done = finetune_of(base_of(kind, tmp_path / "base"), tmp_path / "run", dtype=dtype)
    _, written = collect(done, tmp_path / "model", max_shard)
    assert files_of(tmp_path / "model") == files_of(as_transformers_writes(done, tmp_path / "theirs", max_shard))
    assert written == {path.name: manifest.describe(path) for path in (tmp_path / "model").glob("*.safetensors")}
    assert (len(written) > 2) == (max_shard == 20_000)


@pytest.mark.parametrize("kind", ["llama", "mixtral"])
def test_what_would_load_as_other_numbers_is_refused(kind: str, tmp_path: Path) -> None:
    """Two tensors of one shape under each other's names: of a kind that is renamed, and of one that is converted."""
    done = finetune_of(base_of(kind, tmp_path / "base"), tmp_path / "run")
    weights = weights_in(sorted(done.glob("*.safetensors")))
    model = original_format.model_of(done / "hf", weights.shapes)
    saved = original_format.saved(model, weights.shapes)
    two = [name for name in saved.tensors if name.endswith(("up_proj.weight", "experts.0.w1.weight"))]
    swapped = {two[0]: saved.tensors[two[1]], two[1]: saved.tensors[two[0]]}
    for conversion, refused in ((saved, False), (replace(saved, tensors={**saved.tensors, **swapped}), True)):
        out = tmp_path / f"out-{refused}"
        out.mkdir()
        (out / "config.json").write_bytes((done / "hf/config.json").read_bytes())
        write(conversion, 0, weights, out, "5GB")
        if refused:
            with pytest.raises(Incomplete, match=r"loads as other numbers than were trained \(2 such weights\)"):
                check_loads(out, type(model), conversion, weights)
        else:
            check_loads(out, type(model), conversion, weights)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda w: w.pop("model.layers.1.mlp.up_proj.weight"), "model.layers.1.mlp.up_proj.weight"),
        (lambda w: w.update(extra=torch.ones(2)), "extra"),
        (lambda w: w.update({"model.norm.weight": torch.ones(7)}), "model.norm.weight"),
    ],
)
def test_weights_that_the_configuration_does_not_have_are_named(change, says: str, tmp_path: Path) -> None:
    done = finetune_of(base_of("llama", tmp_path / "base"), tmp_path / "run", num_ranks=1)
    [shard] = done.glob("*.safetensors")
    weights = load_file(shard)
    change(weights)
    save_file(weights, shard)
    facts = json.loads((done / "train.json").read_text())
    facts["num_parameters"] = sum(weight.numel() for weight in weights.values())
    (done / "train.json").write_text(json.dumps(facts))
    with pytest.raises(Incomplete, match=rf"not those of its configuration: {says}; train it again"):
        collect(done, tmp_path / "model")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_weight_that_is_not_finite_is_named(number: float, dtype: torch.dtype, tmp_path: Path) -> None:
    done = finetune_of(base_of("llama", tmp_path / "base"), tmp_path / "run", num_ranks=1, dtype=dtype)
    [shard] = done.glob("*.safetensors")
    weights = load_file(shard)
    weights["model.norm.weight"][31] = number
    save_file(weights, shard)
    with pytest.raises(NotFinite, match=r"model.norm.weight: holds NaN or infinity"):
        collect(done, tmp_path / "model")


def test_finite_is_what_isfinite_says() -> None:
    for dtype in (torch.float32, torch.bfloat16):
        for at in range(0, 100, 3):
            weight = torch.randn(100).to(dtype)
            assert is_finite(weight)
            weight[at] = float("nan")
            assert not is_finite(weight) and not torch.isfinite(weight).all()
    assert is_finite(torch.zeros(0))


def test_a_shard_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = finetune_of(base_of("llama", tmp_path / "base"), tmp_path / "run")
    (done / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(Incomplete, match=r"model-00002-of-00003.safetensors: the shard is not there; 3 were written"):
        collect(done, tmp_path / "model")


def test_a_model_larger_than_the_disk_is_refused_before_anything_is_written(tmp_path: Path, monkeypatch) -> None:
    done = finetune_of(base_of("llama", tmp_path / "base"), tmp_path / "run")
    (tmp_path / "model").mkdir()
    num = json.loads((done / "train.json").read_text())["num_parameters"]
    for free in (4 * num - 1, 4 * num):
        monkeypatch.setattr(shutil, "disk_usage", lambda path, free=free: SimpleNamespace(free=free))
        if free < 4 * num:
            says = rf"GB free; the model of {num:,} parameters takes .* make room .*--store"
            with pytest.raises(OSError, match=says) as e:
                collect(done, tmp_path / "model")
            assert e.value.errno == errno.ENOSPC and not list((tmp_path / "model").iterdir())
        else:
            collect(done, tmp_path / "model")


def test_what_was_not_trained_is_not_made_up(tmp_path: Path) -> None:
    """A buffer that belongs to the model's files and is no parameter: nothing says its numbers."""
    own = dict(n_routed_experts=4, num_experts_per_tok=2, n_group=2, topk_group=1, q_lora_rank=8, kv_lora_rank=8)
    heads = dict(qk_rope_head_dim=8, qk_nope_head_dim=8, v_head_dim=8, moe_intermediate_size=16)
    shape = SMALL | {"num_key_value_heads": 4}
    base = DeepseekV3Config(**shape, **own, **heads, first_k_dense_replace=1, n_shared_experts=1)
    AutoModelForCausalLM.from_config(base).save_pretrained(tmp_path / "base")
    with pytest.raises(Incomplete, match=r"e_score_correction_bias: made from no trained weight"):
        collect(finetune_of(tmp_path / "base", tmp_path / "run"), tmp_path / "model")


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Path]:
    """600 MB in three shards, no tensor of more than 34 MB."""
    shape = dict(hidden_size=1024, intermediate_size=4096, num_attention_heads=8, num_key_value_heads=8)
    config = LlamaConfig(**shape, num_hidden_layers=16, vocab_size=8192)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    config.save_pretrained(tmp_path / "large/hf")
    model.generation_config.save_pretrained(tmp_path / "large/hf")
    named = [(name, torch.full(p.shape, 0.5, dtype=torch.bfloat16)) for name, p in model.named_parameters()]
    shards = [f"{i}.safetensors" for i in range(3)]
    for i, shard in enumerate(shards):
        save_file(dict(named[i::3]), tmp_path / "large" / shard)
    facts = {"steps": 1, "num_steps": 1, "shards": shards, "num_parameters": model.num_parameters()}
    (tmp_path / "large/train.json").write_text(json.dumps(facts))
    yield tmp_path / "large"
    for path in tmp_path.rglob("*.safetensors"):
        path.unlink()


def test_memory_is_that_of_a_few_tensors(large: Path, tmp_path: Path) -> None:
    small = finetune_of(base_of("llama", tmp_path / "base"), tmp_path / "run")
    total = sum(path.stat().st_size for path in large.glob("*.safetensors"))

    def measure(rank: int) -> None:
        collect(small, tmp_path / "a", 20_000)  # a small one first, for what is imported and kept
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        collect(large, tmp_path / "b", 100_000_000)
        (tmp_path / "grown").write_text(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))

    assert wait_ranks(start_ranks(1, measure, tmp_path)) == [0], (tmp_path / "rank-0.txt").read_text()
    grown = int((tmp_path / "grown").read_text()) << 10
    assert total > 550e6 and len(list((tmp_path / "b").glob("*.safetensors"))) >= 6
    assert grown < 100e6, f"{grown:,} bytes for {total:,}"


def test_experts_are_kept_no_longer_than_their_layer(tmp_path: Path) -> None:
    """Weights are read once each, and those of one layer only are held at once."""
    config = Qwen3MoeConfig(
        **SMALL | {"num_hidden_layers": 6},
        moe_intermediate_size=16,
        num_experts=4,
        num_experts_per_tok=2,
        mlp_only_layers=[],
        tie_word_embeddings=False,
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "base")
    done = finetune_of(tmp_path / "base", tmp_path / "run")
    weights = weights_in(sorted(done.glob("*.safetensors")))
    saved = original_format.saved(original_format.model_of(done / "hf", weights.shapes), weights.shapes)
    read: list[str] = []
    numbers = Numbers(saved, lambda name: read.append(name) or weights.read(name), list(saved.tensors))
    most = 0
    for name in order(saved.tensors):
        numbers(name)
        most = max(most, len(numbers.done))
    assert sorted(read) == sorted(weights.shapes) and most <= 2
