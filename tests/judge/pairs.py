"""Pairs to judge, and what the loopback judge must say to them."""

import math

from winsweep.judge.questions import ask_about

from .server import logits


def make_pair(instruction: str, output_1: str, output_2: str) -> dict:
    return {"instruction": instruction, "output_1": output_1, "output_2": output_2}


def make_pairs(num: int) -> list[dict]:
    return [make_pair(f"Question {i}?", "r" * (30 + 7 * i % 90), "c" * (40 + 11 * i % 80)) for i in range(num)]


def expected(pair: dict, order: str = "hash") -> float:
    """1 + P(candidate); of both orders, the mean."""
    each = []
    for q, candidate_first in ask_about(pair, order):
        p_first = 1 / (1 + math.exp(-logits(q.first, q.second)))
        each.append(1 + p_first if candidate_first else 2 - p_first)
    return sum(each) / len(each) if each else 1.5
