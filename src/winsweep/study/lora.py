"""Low-rank adapters as a finetune may have them in place of all weights: Hu et al. 2021, arXiv 2106.09685."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from winsweep.errors import BadStudy
from winsweep.keys import digest, name_only, worked_out_once
from winsweep.strict import number

ALL_LINEAR = "all-linear"


def fact(lora: Mapping[str, Any]) -> str:
    """The name under which a check of a model says how many parameters adapters have; `lora` in plain types."""
    return f"adapters-{digest(lora)}"


@worked_out_once
@dataclass(frozen=True)
class Lora:
    """What is trained in place of all weights: beside each targeted linear module W the product BA of two matrices of
    `rank`, of which the output gets alpha / rank times; B begins at 0, and the model stays as it is.
    """

    rank: int = number(64, 1)  #: columns of B and rows of A
    #: the adapters' output is times alpha / rank; none: alpha is the rank, so it is times 1
    alpha: float | None = field(default=None, metadata={"low": 1e-3})
    #: share of an adapter's input that is zeroed at random in training; above 0, packed and single rows differ by
    #: chance, as other ranks do [share]
    dropout: float = number(0.0, 0, 0.99)
    #: linear modules that get adapters: all but the output layer, or those with the names listed (`q_proj`)
    targets: Literal["all-linear"] | tuple[str, ...] = "all-linear"
    #: whether the collected model is one model, the adapters added to its weights, and not adapters alone; the finetune
    #: is the same
    merge: bool = name_only(False)

    def __post_init__(self) -> None:
        if not self.targets:
            raise BadStudy(
                "recipe.lora.targets: found no names; all-linear or names of linear modules are legal; type targets: "
                "all-linear"
            )

    @property
    def scale(self) -> float:
        """What the adapters' output is times."""
        return (self.rank if self.alpha is None else self.alpha) / self.rank
