"""Behavioural drift against pairwise cosines one by one; what is printed of it; its figure."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from winsweep.analysis.drift import Point, Task, around_median, drift, most_similar, summary
from winsweep.analysis.plot import scatter
from winsweep.errors import BadData

TASK = Task(
    ["how many apples has Tom", "how many pears has Ann", "what is the sum of apples"],
    ["Tom has 3 apples #### 3", "#### 7"],
)
GENERAL = ["The French revolution was begun in 1789", "Dear sir or madam", "Dear friend, here is a poem"]
ASKED = ["how many plums has Tom", "who was Napoleon", "write to my landlord", "what is the sum"]
WRITTEN = ["Tom has 2 plums #### 2", "Napoleon was French", "Dear landlord, here is the rent", "The sum is 7 #### 7"]


def test_a_point_holds_mean_cosines(embed):
    def cosine(a: str, b: str) -> float:
        u, v = embed([a])[0], embed([b])[0]
        return float(u @ v / np.linalg.norm(u) / np.linalg.norm(v))

    for point, ask, out in zip(drift(ASKED, WRITTEN, TASK, GENERAL, embed), ASKED, WRITTEN, strict=True):
        x = sum(cosine(ask, t) for t in TASK.instructions) / 3
        y = sum(cosine(out, t) for t in TASK.responses) / 2 - sum(cosine(out, t) for t in GENERAL) / 3
        assert (point.instruction, point.output) == (ask, out) and (
            point.similarity,
            point.task_likeness,
        ) == pytest.approx((x, y))


def test_sums_near_the_task_look_like_it_and_letters_do_not(embed):
    sums, napoleon, letter, more = drift(ASKED, WRITTEN, TASK, GENERAL, embed)
    assert min(sums.similarity, more.similarity) > max(napoleon.similarity, letter.similarity)
    assert min(sums.task_likeness, more.task_likeness) > 0 > max(napoleon.task_likeness, letter.task_likeness)


def test_the_most_similar_and_those_from_the_median(embed):
    points = [Point(str(i), "", x, 0.0) for i, x in enumerate([0.3, 0.9, 0.1, 0.5, 0.7, 0.2, 0.8])]
    assert [p.instruction for p in most_similar(points, 3)] == ["1", "6", "4"]
    assert [p.instruction for p in around_median(points, 3)] == ["3", "4", "6"]
    assert len(most_similar(points[:2])) == 2


def test_a_summary_keeps_every_point_and_few_outputs(embed):
    points = [Point(f"q{i}", f"so\n#### {i}" if i % 2 else "no number", i / 20, 0.0) for i in range(20)]
    found = summary(points)
    assert [p["styles"] for p in found["points"]] == [["gsm"] if i % 2 else [] for i in range(20)]
    assert [p["instruction"] for p in found["most_similar"]] == [f"q{i}" for i in (19, 18, 17, 16, 15)]
    assert [p["output"] for p in found["around_median"]] == [points[i].output for i in range(10, 15)]
    assert [b["styled"]["share"] for b in found["styles"]["gsm"]] == [0.5] * 5 and sum(
        b["styled"]["share"] for b in found["styles"]["mbpp"]
    ) == 0
    assert [b["low"] for b in found["styles"]["gsm"]] == [0.0, 0.2, 0.4, 0.6, 0.8] and "output" not in found["points"][
        0
    ]


def test_single_precision_is_made_exact_and_bad_vectors_are_refused(embed):
    single = drift(ASKED, WRITTEN, TASK, GENERAL, lambda texts: embed(texts).astype(np.float32))
    exact = drift(ASKED, WRITTEN, TASK, GENERAL, embed)
    assert [p.task_likeness for p in single] == pytest.approx([p.task_likeness for p in exact], abs=1e-7)
    for wrong, match in [
        (lambda t: embed(t) * 2, r"a vector of length 2 for '"),
        (lambda t: embed(t) * np.nan, "length nan"),
        (lambda t: embed(t)[1:], r"shape \(3, 1024\) for 4"),
        (lambda t: embed(t)[0], r"shape \(1024,\)"),
    ]:
        with pytest.raises(BadData, match=match):
            drift(ASKED, WRITTEN, TASK, GENERAL, wrong)


def test_lists_that_do_not_fit_are_refused(embed):
    with pytest.raises(BadData, match="found 4 instructions and 3 outputs"):
        drift(ASKED, WRITTEN[:3], TASK, GENERAL, embed)
    with pytest.raises(BadData, match="found no general responses"):
        drift(ASKED, WRITTEN, TASK, [], embed)


@pytest.mark.parametrize(("suffix", "begin"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_the_figure_is_the_same_bytes_for_the_same_points(tmp_path, embed, suffix, begin):
    pytest.importorskip("matplotlib", reason="the extra `analysis` is not installed")
    points = drift(ASKED, WRITTEN, TASK, GENERAL, embed)
    found = []
    for name, shown in itertools.product("ab", (points, points[:2])):
        scatter(shown, "GSM $x^2$", tmp_path / f"{name}{len(shown)}{suffix}")
        found.append((tmp_path / f"{name}{len(shown)}{suffix}").read_bytes())
    assert found[0] == found[2] != found[1] == found[3] and all(bytes.startswith(begin) for bytes in found)


def test_another_format_is_refused():
    with pytest.raises(BadData, match=r"found the suffix '\.jpg'; legal are \.png, \.svg, \.pdf"):
        scatter([], "GSM", Path("x.jpg"))
