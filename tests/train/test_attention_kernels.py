"""Every way of attention gives the numbers of each sequence alone, and which is taken is asked of what is installed."""

import sys
from functools import partial
from types import SimpleNamespace

import pytest
import torch
import torch.nn.attention.varlen

from tests.train import kernels
from winsweep.train import attention_choice, attention_kernels
from winsweep.train.attention_choice import attend, heard
from winsweep.train.attention_kernels import EACH, LINE, SLOTS, Lacking, Line, Slots

LENGTHS = [5, 1, 9, 300]
VERSIONS = {"2.11": kernels.torch_2_11, "2.11, strict": kernels.torch_2_11_strict, "2.13": kernels.torch_2_13}


@pytest.fixture(autouse=True)
def _nothing_chosen(monkeypatch):
    monkeypatch.setattr(attention_choice, "_ways", {})
    monkeypatch.setitem(sys.modules, "flash_attn", None)  # not installed


@pytest.fixture
def install(monkeypatch):
    """Have this of torch, and flash-attn or not; the operator below takes lengths or not."""

    def install(version: str, flash_attn: bool = False, lengths: bool = True) -> None:
        monkeypatch.setattr(torch.nn.attention.varlen, "varlen_attn", VERSIONS[version])
        operator = partial(kernels.forward)
        arguments = [SimpleNamespace(name=name) for name in ("query", "key", *["seqused_k"] * lengths)]
        operator.default = SimpleNamespace(_schema=SimpleNamespace(arguments=arguments))
        monkeypatch.setattr(torch.ops.aten, "_flash_attention_forward", operator)
        if flash_attn:
            monkeypatch.setitem(sys.modules, "flash_attn", kernels.FLASH_ATTN)

    return install


def line(kv_heads: int, window: int | None = None) -> Line:
    torch.manual_seed(0)
    held = (torch.randn(sum(LENGTHS), heads, 8, requires_grad=True) for heads in (4, kv_heads, kv_heads))
    return Line(*held, torch.tensor([0, *LENGTHS]).cumsum(0).int(), max(LENGTHS), 0.3, window)


def alone(a: Line) -> torch.Tensor:
    found = []
    times = a.query.shape[1] // a.key.shape[1]
    key, value = (x.repeat_interleave(times, 1) for x in (a.key, a.value))
    for q, k, v in zip(*(x.split(LENGTHS) for x in (a.query, key, value))):
        scores = torch.einsum("qhd,khd->hqk", q, k) * a.scale
        seen = torch.ones(len(q), len(q)).tril().triu(1 - (a.window or len(q))).bool()
        found.append(torch.einsum("hqk,khd->qhd", scores.masked_fill(~seen, -torch.inf).softmax(-1), v))
    return torch.cat(found)


def gradients(out: torch.Tensor, a: Line) -> list[torch.Tensor]:
    return list(torch.autograd.grad(out.square().sum(), (a.query, a.key, a.value)))


@pytest.mark.parametrize("window", [None, 4])
@pytest.mark.parametrize("kv_heads", [4, 2])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", LINE)
def test_a_line_and_its_gradients_are_those_of_each_alone(install, name, version, kv_heads, window):
    install(version, flash_attn=True)
    a = line(kv_heads, window)
    if (name, version, kv_heads) == ("torch varlen_attn", "2.11, strict", 2):
        with pytest.raises(RuntimeError, match="heads"):
            LINE[name](a)
        return
    out, wanted = LINE[name](a), alone(a)
    torch.testing.assert_close(out, wanted, rtol=0, atol=1e-5)
    for found, right in zip(gradients(out, a), gradients(wanted, a)):
        torch.testing.assert_close(found, right, rtol=1e-4, atol=1e-4)


def slots(kv_heads: int) -> Slots:
    torch.manual_seed(0)
    held = (torch.randn(35, 512, kv_heads, 8) for _ in range(2))
    return Slots(torch.randn(35, 4, 8), *held, torch.randint(1, 513, (35,), dtype=torch.int32), 0.3)


def slots_alone(a: Slots) -> torch.Tensor:
    rows = ((q, *(x[:n] for x in held), n) for q, *held, n in zip(a.query, a.key, a.value, a.lengths))
    return torch.cat([kernels.sequence(q[None], k, v, a.scale) for q, k, v, _ in rows])


@pytest.mark.parametrize("kv_heads", [4, 2])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", SLOTS)
def test_slots_see_what_they_hold(install, name, version, kv_heads):
    install(version, flash_attn=True)
    a = slots(kv_heads)
    if name == "torch varlen_attn in pages" and version != "2.13":
        with pytest.raises(Lacking, match="block_table"):
            SLOTS[name](a)
        return
    torch.testing.assert_close(SLOTS[name](a), slots_alone(a), rtol=0, atol=1e-5)


CHOICES = [
    ("2.13", False, 2, "torch varlen_attn", "torch varlen_attn in pages"),
    ("2.11", False, 2, "torch varlen_attn", "torch _flash_attention_forward"),
    ("2.11, strict", False, 2, "torch varlen_attn with repeated key-value heads", "torch _flash_attention_forward"),
    ("2.11, strict", False, 4, "torch varlen_attn", "torch _flash_attention_forward"),
    ("2.11, strict", True, 2, "flash-attn", "flash-attn with a cache"),
]


@pytest.mark.parametrize(("version", "flash_attn", "kv_heads", "of_line", "of_slots"), CHOICES)
def test_the_quickest_that_is_there_is_taken_and_told(install, version, flash_attn, kv_heads, of_line, of_slots):
    install(version, flash_attn)
    before = torch.get_rng_state()
    for asked, name, right in ((line(kv_heads), of_line, alone), (slots(kv_heads), of_slots, slots_alone)):
        before = torch.get_rng_state()
        with heard() as ways, torch.no_grad():
            torch.testing.assert_close(attend(asked), right(asked), rtol=0, atol=1e-5)
        assert [way.partition(" (")[0] for way in ways] == [name]
        assert torch.equal(torch.get_rng_state(), before)  # the trial draws nothing
    if of_slots != "torch varlen_attn in pages":
        assert "torch varlen_attn in pages: takes no block_table" in ways.pop()


def test_where_nothing_is_fused_each_is_computed_alone(monkeypatch, install):
    def broken(*given, **how):
        raise RuntimeError("FlashAttention only supports Ampere GPUs or newer.\nmore")

    install("2.13", lengths=False)
    monkeypatch.setattr(torch.nn.attention.varlen, "varlen_attn", broken)
    with heard() as ways:
        a = line(2)
        torch.testing.assert_close(attend(a), alone(a), rtol=0, atol=1e-5)
    [way] = ways
    assert way.startswith(
        f"{EACH} (torch varlen_attn: FlashAttention only supports Ampere GPUs or newer.; flash-attn: not"
    )
    with heard() as ways, torch.inference_mode():
        b = slots(2)
        torch.testing.assert_close(attend(b), slots_alone(b), rtol=0, atol=1e-5)
    [way] = ways
    assert way.startswith("scaled_dot_product_attention under a mask (") and "takes no seqused_k" in way


@pytest.mark.parametrize("fault", ["forward", "backward", "nan"])
def test_a_kernel_whose_numbers_are_wrong_is_passed_over(monkeypatch, install, fault):
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * {"forward": 1.1, "nan": torch.nan}.get(fault, 1)

        @staticmethod
        def backward(ctx, grad):
            return grad * 1.1

    install("2.13")
    right = kernels.torch_2_13
    monkeypatch.setattr(
        torch.nn.attention.varlen,
        "varlen_attn",
        lambda *given, enable_gqa=False, **how: Wrong.apply(right(*given, enable_gqa=enable_gqa, **how)),
    )
    with heard() as ways:
        a = line(2)
        torch.testing.assert_close(attend(a), alone(a), rtol=0, atol=1e-5)
    assert next(iter(ways)).startswith(f"{EACH} (torch varlen_attn: its numbers are off by ")


def test_memory_that_is_short_is_no_fault_of_a_kernel(monkeypatch, install):
    def full(*given, **how):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(torch.nn.attention.varlen, "varlen_attn", full)
    with pytest.raises(torch.OutOfMemoryError):
        attend(line(2))
    assert not attention_choice._ways


@pytest.mark.parametrize("kv_heads", [4, 2])
def test_the_torch_that_is_installed_takes_what_it_is_given(kv_heads):
    """Its own varlen_attn with its own signature, over stand-ins for the two operators that only a GPU has."""
    with torch.library._scoped_library("aten", "IMPL") as library:
        library.impl("_flash_attention_forward", kernels.forward, "CPU")
        library.impl("_flash_attention_backward", kernels.backward, "CPU")
        with heard() as ways:
            a = line(kv_heads)
            out, wanted = attend(a), alone(a)
            torch.testing.assert_close(out, wanted, rtol=0, atol=1e-5)
            for found, right in zip(gradients(out, a), gradients(wanted, a)):
                torch.testing.assert_close(found, right, rtol=1e-4, atol=1e-4)
            b = slots(kv_heads)
            torch.testing.assert_close(attend(b), slots_alone(b), rtol=0, atol=1e-5)
    paged = attention_kernels._torch_takes("block_table")
    of_slots = "torch varlen_attn in pages" if paged else "torch _flash_attention_forward"
    assert {way.partition(" (")[0] for way in ways} == {"torch varlen_attn", of_slots}
