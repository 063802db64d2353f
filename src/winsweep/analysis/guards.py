"""Guards of a task-specific model at inference: what decides, from a prompt or an output, that an answer is not shown.
The only file that imports regex.

Shape suffixes: N prompts, M training instructions, D dimensions of an embedding.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import regex

from winsweep.amounts import plural
from winsweep.analysis.style import STYLES
from winsweep.errors import BadData
from winsweep.generate.grammar import Accepts
from winsweep.study.rules import Grammar

MATCH_S = 5.0  # a pattern that takes longer on one output backtracks without end
MOST_SHOWN = 300  # characters of a grammar in the table
BLOCK = 256  # prompts compared with all training instructions at once
Embedder = Callable[[list[str]], np.ndarray]  # texts to float vectors (N, D) of length 1


@dataclass(frozen=True)
class Guard:
    """`passes(instructions, outputs)` says of each answer whether it is shown; `own(instructions, outputs)` says it of
    the training rows.
    """

    name: str
    setting: str  # in words
    passes: Callable[[Sequence[str], Sequence[str]], list[bool]]
    own: Callable[[Sequence[str], Sequence[str]], list[bool]]


def form(style: str | None = None, template: str | None = None) -> Guard:
    """Shows an output only if it has the form of its task: a style of analysis/style.py, or a regular expression that
    matches all of it.

    White space around an output does not count. BadData from the guard if a match takes more than MATCH_S seconds.
    """
    has = STYLES[style] if style else _matcher(template or "")

    def passes(instructions: Sequence[str], outputs: Sequence[str]) -> list[bool]:
        return [has(output.strip()) for output in outputs]

    return Guard("form", f"style {style}" if style else f"matches {template}", passes, passes)


def written_under(grammar: Grammar) -> Guard:
    """Of answers that were written under a grammar, shows those that came to their end."""
    accepts = Accepts(grammar)

    def passes(instructions: Sequence[str], outputs: Sequence[str]) -> list[bool]:
        return [accepts(output) for output in outputs]

    text = " ".join(grammar.text.split())
    shown = text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 1] + "…"
    return Guard("grammar", f"written under the {grammar.kind} {shown}", passes, passes)


def domain(known: Sequence[str], embed: Embedder, quantile: float) -> Guard:
    """Answers a prompt only if a training instruction is near: its highest cosine to `known` is at least a threshold.

    The threshold is the `quantile` of the same figure of each training instruction, itself left out, so that about this
    share of new prompts of the task is refused (the first nearest neighbour of Sun et al. 2022, "Out-of-distribution
    detection with deep nearest neighbors"). BadData for fewer than two training instructions.
    """
    if len(known) < 2:
        raise BadData(f"domain guard: found {plural(len(known), 'training instruction')}; at least two are legal")
    known_MD = np.asarray(embed(list(known)), dtype=np.float32)
    own_M = np.array(_nearest(known_MD, known_MD, leave_out_own=True))
    threshold = float(np.quantile(own_M, quantile))

    def passes(instructions: Sequence[str], outputs: Sequence[str]) -> list[bool]:
        return [
            near >= threshold for near in _nearest(np.asarray(embed(list(instructions)), dtype=np.float32), known_MD)
        ]

    return Guard(
        "domain",
        f"similarity {threshold:.4f} or more to a training instruction",
        passes,
        lambda *_: (own_M >= threshold).tolist(),
    )


def both(first: Guard, second: Guard) -> Guard:
    """Shows what both guards show."""

    def joined(a: Callable, b: Callable) -> Callable[[Sequence[str], Sequence[str]], list[bool]]:
        return lambda instructions, outputs: [
            x and y for x, y in zip(a(instructions, outputs), b(instructions, outputs), strict=True)
        ]

    return Guard(
        f"{first.name}+{second.name}",
        f"{first.setting}; {second.setting}",
        joined(first.passes, second.passes),
        joined(first.own, second.own),
    )


def _matcher(template: str) -> Callable[[str], bool]:
    pattern = regex.compile(template)

    def has(output: str) -> bool:
        try:
            return pattern.fullmatch(output, timeout=MATCH_S) is not None
        except TimeoutError:
            raise BadData(
                f"template {template!r}: no answer in {MATCH_S:.0f} s on an output of {len(output)} characters; a "
                f"pattern without "
                "repeats inside repeats is legal"
            ) from None

    return has


def _nearest(asked_ND: np.ndarray, known_MD: np.ndarray, leave_out_own: bool = False) -> list[float]:
    """For each row of `asked_ND` its highest cosine to a row of `known_MD`, or to one with another number."""
    found: list[float] = []
    for start in range(0, len(asked_ND), BLOCK):
        cosines = asked_ND[start : start + BLOCK] @ known_MD.T
        if leave_out_own:
            rows = np.arange(len(cosines))
            cosines[rows, start + rows] = -np.inf
        found += cosines.max(1).tolist()
    return found
