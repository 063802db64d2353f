"""The page of decisions reads as paragraphs: each decision begins one of its own, and days follow each other."""

from itertools import pairwise

from tests.local.conftest import ROOT


def test_each_decision_begins_a_paragraph_and_days_are_in_order():
    lines = (ROOT / "docs/decisions.md").read_text(encoding="utf-8").splitlines()
    assert not [line for before, line in pairwise(lines) if line.startswith("**") and before.strip()]
    days = [line for line in lines if line.startswith("## ")]
    assert days == sorted(set(days))
