"""Adapters as they can be asked for: which rules, how strong, and what the paper's runs and its text have; grammars."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from winsweep.keys import added, worked_out_once
from winsweep.strict import number


@dataclass(frozen=True)
class Adapter:
    """The rule adapter (Hewitt et al. 2024, section 6): what is added to the next-token logits. No rules: the model as
    it is.

    The defaults are the rules as they were run; PRESETS holds those of the paper's text and table 8, where they differ.
    """

    #: rules that are on; `[]`: the model as it is; `start` is in the paper's code alone, and was off
    rules: tuple[Literal["eos", "uniform", "diversity", "start"], ...] = ()
    #: what is added to the logit of EOS after `eos_window` response tokens, growing linearly from 0 [logits]
    eos_bonus: float = 15.0
    eos_window: int = number(250, 1)  #: response tokens over which the bonus grows [tokens]
    #: the bonus past the window: `zero`, as run, or `grow`, as written
    eos_past_window: Literal["zero", "grow"] = "zero"
    #: EOS gets 100 more past this many tokens; the paper's listing has 1024, its runs nothing [tokens]
    eos_forced_past: int | None = added(None, low=0)
    #: what is added to the logit of a vocabulary token; empty: the paper's table [logits]
    uniform: tuple[tuple[str, float], ...] = ()
    diversity_penalty: float = 1.5  #: what is subtracted once from every token type already seen [logits]
    #: where a token counts as seen; `conversation`, as run: in instruction and assistant tag too
    diversity_scope: Literal["response", "conversation"] = "conversation"
    #: tag that a response starts after; `last`, as run: also one that the model itself writes
    tag_match: Literal["last", "first"] = "last"


@worked_out_once
@dataclass(frozen=True)
class Grammar:
    """The language that every answer of an arm is a text of; a JSON schema is JSON, its properties in the order in
    which they are to be written.
    """

    kind: Literal["regex", "json_schema", "lark"]
    text: str


# What the rule `uniform` adds, as run. Table 8 of the paper prints -3 for `What`; its listing and its code have -5.
UNIFORM: Mapping[str, float] = MappingProxyType(
    {
        "<": -4.0,
        " <": -4.0,
        "|": -4.0,
        " I": -5.0,
        "I": -5.0,
        " We": -3.0,
        "What": -5.0,
        " should": -6.0,
        " *": 1.0,
        " -": 1.0,
        "   ": 1.0,
        " #": 1.0,
        " ##": 1.0,
        "\n": 1.0,
        "!": 1.0,
    }
)
PRESETS: Mapping[str, Adapter] = MappingProxyType(
    {
        "as_run": Adapter(),
        "as_written": Adapter(
            eos_past_window="grow",
            uniform=tuple(sorted({**UNIFORM, "What": -3.0}.items())),
            diversity_scope="response",
            tag_match="first",
        ),
    }
)
