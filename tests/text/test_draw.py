"""Samples and mixes: which rows, how many of each, and what is refused."""

import hashlib
import tracemalloc
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winsweep.errors import BadData
from winsweep.text import draw

SHARES = st.lists(st.floats(0.01, 1), min_size=1, max_size=6)


def asked(rows, seed=0, keep="sample"):
    return {"rows": rows, "seed": seed, "keep": keep}


def test_a_sample_is_the_rows_whose_hash_with_the_seed_comes_first():
    rows = [f"row {n}" for n in range(50)]
    ranked = sorted(range(50), key=lambda n: hashlib.sha256(f"7 {n}".encode()).hexdigest())
    assert list(draw.sample(rows, asked(9, 7))) == [rows[n] for n in sorted(ranked[:9])]
    assert list(draw.sample(rows, None)) == rows


@given(st.integers(1, 60), st.integers(0, 5))
def test_a_sample_and_the_rest_are_all_rows_each_once(num, seed):
    rows = list(range(61))
    sample, rest = (list(draw.sample(rows, asked(num, seed, keep))) for keep in ("sample", "rest"))
    assert sorted(sample + rest) == rows and sample == sorted(sample) and len(sample) == num


def test_seeds_draw_other_rows_and_fewer_rows_are_among_more():
    rows = range(1000)
    first, second, more = (set(draw.sample(rows, asked(*of))) for of in ((100, 1), (100, 2), (200, 1)))
    assert len(first & second) < 30 and first < more


@pytest.mark.parametrize("keep, num", [("sample", 4), ("rest", 3)])
def test_more_rows_than_there_are_is_an_error(keep, num):
    with pytest.raises(BadData, match=f"sample: found 3 rows, and {num} are to be drawn"):
        draw.sample([1, 2, 3], asked(num, keep=keep))


@pytest.mark.parametrize(
    "shares, have, total, right",
    [
        ([0.5, 0.5], [1000, 374], None, [374, 374]),
        ([0.9, 0.1], [900, 900], None, [900, 100]),
        ([0.5, 0.5], [1000, 374], 100, [50, 50]),
        ([1 / 3, 1 / 3, 1 / 3], [9, 9, 9], 10, [4, 3, 3]),
        ([1.0], [7], None, [7]),
    ],
)
def test_sizes_of_a_mix(shares, have, total, right):
    assert draw.sizes(shares, have, total) == right


@given(SHARES, st.integers(0, 500))
def test_a_total_is_met_and_no_source_is_a_row_off(shares, total):
    found = draw.sizes(shares, [10**6] * len(shares), total)
    assert sum(found) == total
    assert all(abs(size - total * share / sum(shares)) < 1 for size, share in zip(found, shares))


@given(SHARES, st.lists(st.integers(1, 1000), min_size=6, max_size=6))
def test_without_a_total_one_source_is_used_up_and_none_has_too_few(shares, have):
    found, have = draw.sizes(shares, have, None), have[: len(shares)]
    assert all(size <= num for size, num in zip(found, have))
    assert any(size >= num - 1 for size, num in zip(found, have))


def test_a_source_with_too_few_rows_is_named_with_the_largest_total():
    with pytest.raises(BadData, match=r"source 2 has 10 rows, and 50 of it are asked for; type rows: 20, or fewer"):
        draw.sizes([0.5, 0.5], [1000, 10], 100)


def test_a_mix_spreads_its_sources_evenly_and_uses_no_row_twice():
    sources = [[f"a{n}" for n in range(90)], [f"b{n}" for n in range(40)]]
    mixed = list(draw.mixed(sources, [90, 40], [30, 10], 3))
    assert len(set(mixed)) == 40
    assert all(sum(row[0] == "b" for row in mixed[start : start + 4]) == 1 for start in range(0, 40, 4))
    assert mixed != list(draw.mixed(sources, [90, 40], [30, 10], 4))


def whole_mix(sources, num_of, seed):
    """The same mix by holding every row."""
    placed = []
    for i, (rows, num) in enumerate(zip(sources, num_of)):
        ranked = sorted(range(len(rows)), key=lambda n: hashlib.sha256(f"{seed} {n}".encode()).digest())
        placed += [((n + 0.5) / num, i, rows[place]) for n, place in enumerate(sorted(ranked[:num]))]
    return [row for *_, row in sorted(placed, key=lambda entry: entry[:2])]


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(0, 9), st.data())
def test_a_mix_read_row_by_row_is_that_of_rows_which_are_held(have, seed, data):
    sources = [[f"{i} {n}" for n in range(num)] for i, num in enumerate(have)]
    num_of = [data.draw(st.integers(1, num)) for num in have]
    once = [iter(rows) for rows in sources]
    assert list(draw.mixed(once, have, num_of, seed)) == whole_mix(sources, num_of, seed)


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(0, 9), st.sampled_from([0, 1, 2, 8]))
def test_places_are_shuffled_by_their_digests(num, seed, head):
    right = sorted(range(num), key=lambda n: hashlib.sha256(f"{seed}/{n}".encode()).digest())
    with patch.object(draw, "HEAD", head):  # few bytes are the same for many
        assert draw.shuffled(num, lambda n: f"{seed}/{n}").tolist() == right


def test_a_few_bytes_of_each_place_are_held():
    tracemalloc.start()
    try:
        draw.shuffled(50_000, str)
        assert tracemalloc.get_traced_memory()[1] < 40 * 50_000
    finally:
        tracemalloc.stop()
