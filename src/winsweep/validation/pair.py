"""A pair of answers with the votes on it, and what votes come to: majority, contradiction, tie."""

from dataclasses import dataclass
from typing import Any

TIE = 1.5


@dataclass(frozen=True)
class Pair:
    """Two answers to an instruction and who was for which: 1 the first, 2 the second, 1.5 neither.

    `known` is set of pairs that people did not vote on, because one answer was made to be worse: how.
    """

    instruction: str
    output_1: str
    output_2: str
    votes: tuple[float, ...]
    category: str = ""
    answer: str | None = None
    known: str = ""

    def asked(self, is_swapped: bool = False) -> dict[str, Any]:
        """The pair as a judge is asked about it; swapped, the first answer is the candidate's."""
        outputs = (self.output_2, self.output_1) if is_swapped else (self.output_1, self.output_2)
        sides = {"output_1": outputs[0], "output_2": outputs[1]}
        answer = {} if self.answer is None else {"answer": self.answer}
        return {"instruction": self.instruction, "dataset": self.category, **sides, **answer}

    @property
    def majority(self) -> float:
        """What most votes say on the scale 0 (the first answer), 0.5 (a tie) to 1."""
        return majority(self.votes)

    @property
    def margin(self) -> float:
        """Votes for the second answer less those for the first, by their number: -1 to 1."""
        return sum(2 * (v - TIE) for v in self.votes) / len(self.votes)

    @property
    def is_contradicted(self) -> bool:
        """Whether some votes are for either answer."""
        return min(self.votes) < TIE < max(self.votes)


def majority(votes: tuple[float, ...]) -> float:
    total = sum(v - TIE for v in votes)
    return 1.0 if total > 0 else 0.0 if total < 0 else 0.5
