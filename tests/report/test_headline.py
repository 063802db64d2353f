"""Question and answer say what the tests say, in every case that a study may be in."""

import pytest

from winsweep.report.headline import answer, question


def arm(name: str, rate: float, model: str = "m", is_reference: bool = False, n: int = 805) -> dict:
    ends = {"headline_low_pct": rate - 2, "headline_high_pct": rate + 2}
    return {"name": name, "model": model, "headline_pct": rate, "is_reference": is_reference, "n": n, **ends}


def row(name: str, against: str, p: float, model: str = "m") -> dict[str, str]:
    return {"model": model, "arm": name, "against": against, "p_holm": str(p)}


A, B, C, REF = arm("a", 60), arm("b", 40), arm("c", 51), arm("ref", 50, is_reference=True)
PARITY = [row("a", "parity", 0.001), row("b", "parity", 0.01), row("c", "parity", 0.8)]


@pytest.mark.parametrize(
    ("arms", "wanted"),
    [
        ([A, REF], "How does a of m compare with “ref”, on 805 instructions judged by j?"),
        ([A, B, REF], "How do 2 arms of m compare with “ref”, on 805 instructions judged by j?"),
        (
            [A, arm("a", 50, "z", n=77)],
            "How does a of m and z compare with “ref”, on 77 to 805 instructions judged by j?",
        ),
        ([REF], "How does ref of m compare with “ref”, on 805 instructions judged by j?"),
        ([], "How do the arms of this study compare with “ref”?"),
    ],
)
def test_the_question(arms, wanted):
    assert question(arms, "“ref”", "j") == wanted


def test_arms_above_below_and_not_told_apart():
    pairs = [row("a", "b", 0.001), row("a", "c", 0.2), row("b", "c", 0.3)]
    assert answer([A, B, C, REF], PARITY + pairs, True) == (
        "Of 3 arms, 1 wins more than half of the comparisons at equal length, 1 wins fewer and 1 cannot be told from "
        "half (Holm-adjusted p < 0.05 over 3 tests). The highest win rate is that of a of m, 60.0 % (58.0 to 62.0); 1 "
        "of the 2 other arms of m cannot be told from it."
    )


@pytest.mark.parametrize(
    ("p", "wanted"),
    [
        ([0.2], "it cannot be told from b of m, the only other arm on the same instructions."),
        ([0.01], "it can be told from b of m, the only other arm on the same instructions."),
        ([0.2, 0.3], "it cannot be told from any of the 2 other arms of m."),
        ([0.01, 0.02], "it can be told from each of the 2 other arms of m."),
    ],
)
def test_the_highest_and_the_others(p, wanted):
    pairs = [row("a", against, of) for against, of in zip("bc", p)]
    assert answer([A, B, C, REF], PARITY + pairs, True).endswith(f"(58.0 to 62.0); {wanted}")


def test_all_alike_and_ties_beside_them():
    tied = [arm(f"t{n}", 50) for n in range(3)]
    assert answer([A, C, REF, *tied], [row("a", "parity", 0.3), row("c", "parity", 0.8)], True) == (
        "None of the 2 arms that can be tested can be told from half (Holm-adjusted p < 0.05 over 2 tests). All "
        "comparisons of 3 other arms are ties. The highest win rate of the tested arms is that of a of m, 60.0 % "
        "(58.0 to 62.0)."
    )


@pytest.mark.parametrize(
    ("of", "p", "wanted"),
    [
        (A, 0.0001, "more than half (p < 0.001)"),
        (B, 0.012, "fewer than half (p = 0.012)"),
        (C, 0.8, "which cannot be told from half (p = 0.800)"),
    ],
)
def test_one_arm(of, p, wanted):
    said = answer([of, REF], [row(of["name"], "parity", p)], True)
    rate = of["headline_pct"]
    interval = f"{rate:.1f} % ({rate - 2:.1f} to {rate + 2:.1f})"
    assert said == f"{of['name']} of m wins {interval} of its comparisons at equal length: {wanted}."


def test_all_above_half():
    said = answer([A, arm("d", 58)], [row("a", "parity", 0.01), row("d", "parity", 0.02)], True)
    assert said.startswith("Each of 2 arms wins more than half of the comparisons at equal length (Holm-adjusted p ")


def test_ties_alone_nothing_and_half_a_study():
    assert answer([C, REF], [], True).startswith("Every comparison of every arm is a tie")
    assert answer([], [], False) == "No cell is judged yet, so there is no answer."
    assert answer([A, B, C], PARITY, False).startswith("So far: Of 3 arms, ")


def test_the_only_other_arm_is_not_named():
    said = answer([A, B, REF], [*PARITY[:2], row("a", "b", 0.01)], True)
    assert said.endswith("it can be told from the other arm of m.")


def test_nothing_is_said_of_arms_on_other_instructions():
    d = arm("d", 45, n=77)
    pairs = [*PARITY, row("d", "parity", 0.2), row("a", "b", 0.01), row("c", "a", 0.01)]
    assert answer([A, B, C, d, REF], pairs, True).endswith(
        "it can be told from each of the 2 other arms of m on the same instructions."
    )
