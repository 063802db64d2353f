"""What a reply says: the weights of two names (AlpacaEval 2), a verdict in brackets (MT-Bench), or what alpaca_eval's
parsers make of it.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

VERDICT = re.compile(r"\[\[([ABC])\]\]")
UNLIKELY = -9999.0  # the protocol's log-probability of a token that is not among the likeliest: none
BRACKETS = {"A": 1.0, "B": 2.0, "C": 1.5}


NO_LOGPROBS = (
    "type samples: 8 beside from: in judge: for the mean of 8 sampled verdicts, or name a judge that needs no "
    "log-probabilities: judge: {from: chain_of_thought, model: NAME}"
)

FILTERED = "take this instruction out of the study, or name a judge at an endpoint that answers it"


class Unreadable(ValueError):
    """A reply without a preference; its words are ours, as a server's could hold anything. `do`: what to type, where
    that is known.
    """

    def __init__(self, text: str, do: str = "") -> None:
        super().__init__(text)
        self.do = do


def refuse_filtered(choice: Mapping[str, Any]) -> None:
    """Unreadable for a reply that the endpoint's content filter held back."""
    if choice.get("finish_reason") == "content_filter" and not choice.get("text"):
        raise Unreadable("the endpoint's content filter held the reply back", FILTERED)


def reader(entry: Mapping[str, Any]) -> Callable[[dict[str, Any]], float]:
    """How the reply to an AlpacaEval configuration `entry` is read."""
    name, kwargs = _parser(entry)
    if names := weighed_names(entry):
        at = kwargs.get("log_prob_index", "batch")
        return lambda choice: weigh(choice, *names, 0 if at == "batch" else at)
    return lambda choice: _by_alpaca_eval(
        name, kwargs, choice if entry.get("completion_key") == "completions_all" else choice["text"]
    )


def weighed_names(entry: Mapping[str, Any]) -> tuple[str, str] | None:
    """The names of first and second output, where `entry` weighs their probabilities."""
    name, kwargs = _parser(entry)
    names = [
        kwargs.get("numerator_token"),
        *(t for t in kwargs.get("denominator_tokens", ()) if t != kwargs.get("numerator_token")),
    ]
    return (
        tuple(names) if name == "logprob_parser" and not kwargs.get("is_binarize", True) and len(names) == 2 else None
    )


def _parser(entry: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    return entry.get("fn_completion_parser") or "regex_parser", dict(entry.get("completion_parser_kwargs") or {})


def weigh(choice: Mapping[str, Any], first: str, second: str, position: int = 0) -> float:
    """2 − P(first) / (P(first) + P(second)) by the log-probabilities of two names at one token of the reply.

    AlpacaEval 2's weighting (Dubois et al. 2024, "Length-Controlled AlpacaEval"; alpaca_eval's logprob_parser): a name
    that is not among the tokens that were returned has probability 0. Raises Unreadable where neither has any, or where
    no log-probabilities came.
    """
    try:
        tops = (choice["logprobs"] or {})["content"][position]["top_logprobs"]
        found = {t["token"]: _log(t["logprob"]) for t in tops if t["token"] in (first, second)}
    except (LookupError, TypeError, AttributeError):
        raise Unreadable("no log-probabilities in the reply", NO_LOGPROBS) from None
    if not found:
        raise Unreadable(f"other tokens than {first} and {second} in the reply")
    if max(found.values()) <= UNLIKELY:
        raise Unreadable(f"no probability of {first} or {second} in the reply")
    return 2 - share(found.get(first, -math.inf), found.get(second, -math.inf))


def _log(value: Any) -> float:
    """A log-probability: a number up to 0 (and what rounding adds), or minus infinity."""
    if type(value) not in (int, float):
        raise TypeError(f"found a {type(value).__name__}")
    try:
        if float(value) <= 1e-3:  # so no NaN either
            return float(value)
    except OverflowError:
        pass
    raise Unreadable("log-probabilities that are none in the reply")


def share(log_first: float, log_second: float) -> float:
    """P(first) / (P(first) + P(second)), of which one may be 0."""
    gap = log_second - log_first
    return 1 / (1 + math.exp(gap)) if gap <= 0 else math.exp(-gap) / (1 + math.exp(-gap))


def bracketed(choice: Mapping[str, Any]) -> float:
    """1, 2 or 1.5 (tie) for the last [[A]], [[B]] or [[C]] of a reply (Zheng et al. 2023, section 3.1); Unreadable
    without one.
    """
    found = VERDICT.findall(choice["text"])
    if not found:
        raise Unreadable("no verdict [[A]], [[B]] or [[C]] in the reply")
    return BRACKETS[found[-1]]


def _by_alpaca_eval(name: str, kwargs: dict[str, Any], completion: Any) -> float:
    from winsweep.judge import alpaca

    try:
        said = alpaca.parse(name, kwargs, completion)
        value = 1.5 if said == [0] else float(said[0])
    except Exception:  # its parsers raise whatever a reply makes them raise
        raise Unreadable("no preference in the reply") from None
    if len(said) != 1 or not 1 <= value <= 2:
        raise Unreadable("no preference in the reply")
    return value
