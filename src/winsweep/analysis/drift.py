"""Behavioural drift (Hewitt et al. 2024, section 5.2): how like the training task outputs are, by how near to it their
prompts are.

Shape suffixes: N test prompts, M training texts, D dimensions of an embedding.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from winsweep.analysis.style import STYLES, by_distance
from winsweep.errors import BadData

Embedder = Callable[[list[str]], np.ndarray]  # texts to float vectors (N, D) of length 1


@dataclass(frozen=True)
class Point:
    """One test prompt with its output; both numbers are (differences of) mean cosines."""

    instruction: str
    output: str
    similarity: float  # of the instruction to the task's training instructions: x of figure 5
    task_likeness: float  # of the output to the task's responses, less that to the general ones: y of figure 5


@dataclass(frozen=True)
class Task:
    """What a single-task model was trained on."""

    instructions: Sequence[str]
    responses: Sequence[str]


def drift(
    instructions: Sequence[str], outputs: Sequence[str], task: Task, general: Sequence[str], embed: Embedder
) -> list[Point]:
    """A point per prompt, in order; `general` are the responses of instruction tuning (LIMA's first turns in the
    paper).

    x and y are means over all training texts, as run (the paper's code calls them maxima). BadData for an empty list,
    lists that do not fit each other, or an embedder that does not give one vector of length 1 per text.
    """
    if len(instructions) != len(outputs):
        raise BadData(
            f"drift: found {len(instructions)} instructions and {len(outputs)} outputs; legal is one output for each"
        )
    asked_ND, written_ND = _vectors(instructions, embed, "instructions"), _vectors(outputs, embed, "outputs")
    means = (
        (task.instructions, "the task's instructions"),
        (task.responses, "the task's responses"),
        (general, "general responses"),
    )
    asks_D, answers_D, general_D = (_vectors(texts, embed, what).mean(0) for texts, what in means)
    x_N, y_N = asked_ND @ asks_D, written_ND @ (answers_D - general_D)
    return [Point(i, o, float(x), float(y)) for i, o, x, y in zip(instructions, outputs, x_N, y_N, strict=True)]


def summary(points: Sequence[Point]) -> dict[str, object]:
    """What is kept of drift: a row per prompt, in order, with the styles that its output has; the outputs that the
    paper prints; and how often each style is seen, by distance from the task.
    """
    styled = {name: [has(p.output) for p in points] for name, has in STYLES.items()}
    rows = [
        {
            "instruction": p.instruction,
            "similarity": p.similarity,
            "task_likeness": p.task_likeness,
            "styles": [name for name in STYLES if styled[name][i]],
        }
        for i, p in enumerate(points)
    ]
    bins = {name: [asdict(b) for b in by_distance([p.similarity for p in points], styled[name])] for name in STYLES}
    return {
        "points": rows,
        "most_similar": [asdict(p) for p in most_similar(points)],
        "around_median": [asdict(p) for p in around_median(points)],
        "styles": bins,
    }


def most_similar(points: Sequence[Point], num: int = 5) -> list[Point]:
    """The `num` points whose instructions are most like the task's, the most similar first."""
    return _by_similarity(points)[::-1][:num]


def around_median(points: Sequence[Point], num: int = 5) -> list[Point]:
    """The `num` points from the median of similarity upwards, as the paper prints them."""
    return _by_similarity(points)[len(points) // 2 :][:num]


def _by_similarity(points: Sequence[Point]) -> list[Point]:
    return sorted(points, key=lambda p: p.similarity)


def _vectors(texts: Sequence[str], embed: Embedder, what: str) -> np.ndarray:
    """Embeddings in float64, so that means of many small differences are not lost; checked, because a cosine needs
    length 1.
    """
    if not texts:
        raise BadData(f"drift: found no {what}; legal is at least one")
    found_ND = np.asarray(embed(list(texts)), dtype=np.float64)
    if found_ND.ndim != 2 or len(found_ND) != len(texts):
        raise BadData(
            f"drift: the embedder gave shape {found_ND.shape} for {len(texts)} {what}; legal is one vector for each"
        )
    lengths_N = np.linalg.norm(found_ND, axis=1)
    if not np.allclose(lengths_N, 1, atol=1e-2):
        worst = int(np.nan_to_num(np.abs(lengths_N - 1), nan=np.inf).argmax())
        raise BadData(
            f"drift: the embedder gave a vector of length {lengths_N[worst]:.3g} for {texts[worst][:60]!r}; legal is "
            f"1; "
            "divide each vector by its length"
        )
    return found_ND / lengths_N[:, None]
