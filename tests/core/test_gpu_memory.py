"""What a finetune needs of a GPU, by hand for a 7B; the fastest placement that fits; what to type where none does."""

import pytest

from winsweep import layout
from winsweep.gpu_memory import CHOICES, Choice, Model, advice, choices, fitting, least, needed
from winsweep.zero import read_all

N = 7e9
ZEROS = read_all(layout.DS_CONFIGS)
SEVEN = Model(N, activations={"none": 60e9, "cheap": 30e9, "full": 5e9})


@pytest.mark.parametrize(
    ("zero", "ranks", "state", "passing"),
    [
        ("zero1", 1, (2 + 12 + 4) * N, 2 * N),  # bf16, fp32 copy and moments, fp32 gradients
        ("zero1", 8, (2 + 12 / 8 + 4) * N, 2 * N),
        ("zero2", 8, (2 + 12 / 8 + 4 / 8) * N + 2 * 4 * 5e8, 0),  # gradients of this rank's part alone, two buckets
        ("zero3", 8, (2 / 8 + 12 / 8 + 8 / 8) * N + 2 * 1e9 + 2 * 4 * 16777216, 0),  # and the layers at hand
        ("zero3_offload", 8, 2 * 1e9 + 2 * 4 * 16777216, 0),
    ],
)
def test_the_state_of_a_7b_by_hand(zero, ranks, state, passing):
    need = needed(SEVEN, ZEROS[zero], ranks, "cheap")
    assert need.state == pytest.approx(state) and need.passing == passing
    assert need.peak == pytest.approx(state + 30e9)


def test_fp32_has_no_copy_at_stage_0_and_what_is_beneath_adapters_has_weights_alone():
    assert needed(Model(N, item=4), ZEROS["zero0"], 4, "none").state == (4 + 8 + 8) * N
    assert needed(Model(N, item=4), ZEROS["zero1"], 4, "none").state == (4 + 12 / 4 + 4 + 4 / 4) * N + 4 * 5e8
    adapter = needed(Model(1e8, N), ZEROS["zero1"], 1, "none")
    assert adapter.state == pytest.approx(2 * N + (4 + 12 + 4 + 4) * 1e8 + 4 * 5e8)  # adapters are in fp32
    assert adapter.passing == 0


def test_what_is_in_4_bits_takes_half_a_byte_and_its_scales_and_no_stage_3():
    model = Model(1e8, N, activations=SEVEN.activations, quantized=0.96 * N)
    need = needed(model, ZEROS["zero1"], 1, "none")
    weights = 0.96 * N * (0.5 + 1 / 64 + 4 / 16384) + 2 * 0.04 * N + 4 * 1e8  # 4.4 GB in place of 14.4
    assert need.weights == pytest.approx(weights) and weights < 4.5e9
    assert fitting(model, ZEROS, 8, 16e9) == Choice("zero1", "full")
    assert fitting(model, ZEROS, 8, 16e9, "zero3", "full") is None and fitting(model, ZEROS, 8, 4e9) is None
    assert "zero3" not in least(model, ZEROS, 8, "auto", "auto")[0].zero
    assert least(model, ZEROS, 8, "zero3", "full")[0].zero == "zero3"  # there is no other; it is refused elsewhere


@pytest.mark.parametrize(
    ("gb", "ranks", "found"),
    [
        (1000, 1, Choice("zero1", "none")),
        (141, 8, Choice("zero1", "none")),  # 52.5 + 60
        (104, 8, Choice("zero1", "cheap")),  # what sends less is the faster one, if activations are cheap to make again
        (80, 8, Choice("zero2", "cheap")),
        (70, 64, Choice("zero1", "full")),  # 64 ranks share the moments; 43.3 + 14 of passing gradients
        (40, 8, Choice("zero3", "full")),
        (16, 1, Choice("zero3_offload", "full")),
        (4, 8, None),
    ],
)
def test_the_fastest_that_fits_is_chosen(gb, ranks, found):
    if found == Choice("zero1", "full"):  # where all that keeps activations is too large
        model = Model(N, activations={"none": 60e9, "cheap": 60e9, "full": 5e9})
    else:
        model = SEVEN
    chosen = fitting(model, ZEROS, ranks, gb * 1e9)
    assert chosen == found
    for faster in CHOICES[: CHOICES.index(found)] if found else CHOICES:
        assert needed(model, ZEROS[faster.zero], ranks, faster.recompute).peak > 0.92 * gb * 1e9


def test_only_what_is_left_open_is_chosen():
    assert list(choices("zero0", "none", [*ZEROS])) == [Choice("zero0", "none")]
    assert {c.zero for c in choices("auto", "cheap", [*ZEROS])} == {"zero1", "zero2"}  # cheap does not go with stage 3
    assert list(choices("zero3", "auto", [*ZEROS])) == [Choice("zero3", "none"), Choice("zero3", "full")]
    assert list(choices("mine", "auto", ["mine"])) == [Choice("mine", "none"), Choice("mine", "full")]
    assert fitting(SEVEN, ZEROS, 8, 1e12, "zero3", "auto") == Choice("zero3", "none")
    assert least(SEVEN, ZEROS, 1, "auto", "auto")[0] == Choice("zero3_offload", "full")


def test_what_to_type_fits():
    assert advice(SEVEN, ZEROS, 8, 80e9) == "type zero: zero2, recompute: cheap"
    assert advice(SEVEN, ZEROS, 1, 80e9) == (
        "type zero: zero3_offload, recompute: none, or ranks: 4 with zero: zero2, recompute: full"
    )
    assert advice(Model(1e13, activations={"none": 1e15}), ZEROS, 1, 1e9) == "name GPUs with more memory"
