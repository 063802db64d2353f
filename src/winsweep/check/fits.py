"""What a study asks of a model that its numbers do not allow, whether the model is there or not: tokens that it may
hold, and adapters. Pure.
"""

from collections.abc import Mapping, Sequence

from winsweep.check.finding import Finding
from winsweep.study.lora import ALL_LINEAR, Lora, Shape, names, targeted


def tokens(own: int | None, given: int | None, max_tokens: Sequence[int], field: str = "") -> Finding | None:
    """The first problem of a model that may hold `own` tokens by itself, by a `field` of the study if that says so, and
    `given` ones by the study's context:, with recipes of so many `max_tokens`; None where all fits or is not known.
    """
    if given and own and given > own:
        return Finding(
            "problem",
            "context",
            f"context: {given} in the study, and {own} in {field or 'its configuration'}",
            f"legal is {own} or less; type context: {own}, or remove it",
        )
    window = min((n for n in (own, given) if n), default=None)
    most = max(max_tokens, default=0)
    if window is None or most <= window:
        return None
    by, do = (f" ({field})", f", or {field.replace('.', ': {')}: {most}}}") if field and window != given else ("", "")
    return Finding(
        "problem",
        "context",
        f"recipe.max_tokens {most:,}, and the model holds {window:,} tokens{by or _context(window, given)}",
        f"legal are {window} or less; type recipe: {{max_tokens: {window}}} at the model in the study{do}",
    )


def _context(window: int, given: int | None) -> str:
    return f" (context: {given} in the study)" if window == given else ""


def adapters(there: Mapping[str, Shape], lora: Lora) -> Finding | None:
    """The first problem of adapters of a model with such linear modules."""
    listed = () if lora.targets == ALL_LINEAR else lora.targets
    lacking = [target for target in listed if not any(names(target, module) for module in there)]
    if lacking or not there:
        legal = ", ".join(dict.fromkeys(module.rpartition(".")[2] for module in there))
        return Finding(
            "problem",
            "adapters",
            f"recipe.lora.targets {', '.join(lacking) or ALL_LINEAR}: no linear module of this model is called so",
            f"legal: all-linear, or some of {legal}" if there else "train it whole: take lora: out of its recipe",
        )
    if lora.rank > (most := max(map(max, targeted(there, lora).values()))):
        return Finding(
            "problem",
            "adapters",
            f"recipe.lora.rank {lora.rank}: no module that gets adapters has more than {most} rows or columns",
            f"legal: 1 to {most}; type a smaller rank, or take lora: out of the recipe to train all weights",
        )
    return None
