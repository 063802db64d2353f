"""Low-rank adapters as a finetune may have them in place of all weights: Hu et al. 2021, arXiv 2106.09685; on a base
in 4 bits: Dettmers et al. 2023, arXiv 2305.14314.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from winsweep.errors import BadStudy
from winsweep.keys import added, digest, name_only, worked_out_once
from winsweep.strict import number

ALL_LINEAR = "all-linear"
Shape = tuple[int, int]  # outputs and inputs of a linear module
VLLM_RANKS = (8, 16, 32, 64, 128, 256, 512)  # that vLLM makes room for, by its LoRAConfig; others take the next


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
    #: the base model's linear modules in 4 bits (QLoRA), in training and in answers; none: as they are
    quantize: Literal["nf4"] | None = added(None)

    def __post_init__(self) -> None:
        if found := _wrong(self.targets):
            raise BadStudy(
                f"recipe.lora.targets: found {found}; all-linear or names of linear modules, each once, are legal; "
                "type targets: all-linear"
            )

    @property
    def scale(self) -> float:
        """What the adapters' output is times."""
        return (self.rank if self.alpha is None else self.alpha) / self.rank


def _wrong(targets: str | tuple[str, ...]) -> str:
    if isinstance(targets, str):
        return ""
    twice = [name for i, name in enumerate(targets) if name in targets[:i]]
    empty = [repr(name) for name in targets if not name.strip(". ")]
    words = [f"{ALL_LINEAR} in a list"] if ALL_LINEAR in targets else []
    return next(iter([*words, *empty, *(f"{name} twice" for name in twice)]), "" if targets else "no names")


def names(target: str, module: str) -> bool:
    """Whether a target means a module, as peft reads names: whole, or as the end of one."""
    return module == target or module.endswith(f".{target}")


def targeted(modules: Mapping[str, Shape], lora: Lora) -> dict[str, Shape]:
    """Those of a model's linear modules, by name, that get adapters."""
    if lora.targets == ALL_LINEAR:
        return dict(modules)
    return {name: shape for name, shape in modules.items() if any(names(target, name) for target in lora.targets)}


SHARE = 4e-4  # of a model's parameters, for each rank, where nobody has looked at the model: Llama-2-7B's


def fact(lora: Mapping[str, object], what: str = "parameters") -> str:
    """The name under which the check of a model says how many parameters adapters have, or how many bytes they keep of
    a token in bf16 (`bytes`); `lora` in plain types.
    """
    return f"adapters_{digest(lora)}_{what}"


def trained_parameters(lora: Mapping[str, object], size: float, facts: Mapping[str, int]) -> float:
    """Parameters of adapters of a model of so many: as its check found, or by SHARE."""
    rank = lora["rank"]
    return facts.get(fact(lora)) or SHARE * size * (rank if isinstance(rank, int) else 0)


LINEAR = "linear_parameters"  # the name under which the check of a model says how many 4 bits can be of
LINEAR_SHARE = 0.96  # of a model's parameters, where nobody has looked at the model: Llama-2-7B's


def quantized_parameters(lora: Mapping[str, object], size: float, facts: Mapping[str, int]) -> float:
    """Parameters of the base that are in 4 bits, of a model of so many."""
    return (facts.get(LINEAR) or LINEAR_SHARE * size) if lora.get("quantize") else 0.0
