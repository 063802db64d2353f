"""What a judge's model costs and until when it is served: the editable table judges/prices.yaml, read strictly."""

import dataclasses
import datetime
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from winsweep import layout, plugins, strict
from winsweep.study.cell import Judge
from winsweep.yaml_nodes import read_yaml

FILE = layout.JUDGES / "prices.yaml"
NAME = str(FILE.relative_to(layout.ROOT) if FILE.is_relative_to(layout.ROOT) else FILE)  # as a person is told of it
TO_DO = f"add a line to {NAME}, with 0 for what costs nothing, or take dollars: out of its limits"  # without a price
# of English under OpenAI's tokenizers, about; exact counts come from the endpoint with each reply
CHARS_PER_TOKEN = 4.0


@dataclass(frozen=True)
class Price:
    """Dollars per million tokens of prompt (`input`) and reply (`output`)."""

    input: float = strict.number(0.0, 0)  #: price of a prompt [dollars per million tokens]
    output: float = strict.number(0.0, 0)  #: price of a reply [dollars per million tokens]
    #: what a request in a batch costs, as a share of these prices; without it, the full price is counted
    batch: float | None = dataclasses.field(default=None, metadata={"low": 0, "high": 1})
    shut_down: datetime.date | None = None  #: day after which OpenAI's own endpoint does not answer for the model

    def dollars(self, tokens_in: float, tokens_out: float) -> float:
        return (self.input * tokens_in + self.output * tokens_out) / 1e6

    def batch_dollars(self, tokens_in: float, tokens_out: float) -> float:
        """What the same costs in a batch; the full price where the table has no share for it."""
        return self.dollars(tokens_in, tokens_out) * (1.0 if self.batch is None else self.batch)


@dataclass(frozen=True)
class PriceFile:
    """The top of judges/prices.yaml."""

    date: datetime.date  #: day of which the prices are
    models: Mapping[str, Price]  #: price of each model, by the name that the endpoint knows it by


@dataclass(frozen=True)
class Workload:
    """What one question to a judge takes, beside the texts that it is about."""

    model: str  # as the table of prices may know it
    prompt_chars: int  # of the prompt's own text
    reply_tokens: int  # at most
    per_pair: int  # questions: 2 in both orders, each as often as there are samples
    samples: int = 1

    @property
    def order(self) -> Literal["hash", "both"]:
        """How a pair's questions are ordered, as far as their number goes."""
        return "both" if self.per_pair == 2 * self.samples else "hash"


@cache
def table() -> tuple[datetime.date, Mapping[str, Price]]:
    """The date of the table and the price of each model; BadStudy says file and line of what is not legal in it."""
    root = read_yaml(FILE)
    given = root.mapping()
    strict.refuse_unknown(given, strict.keys(PriceFile), root)
    models = {name: _price(node) for name, node in given["models"].mapping().items()}
    return _date(given["date"]), models


def workload_of(judge: Judge) -> Workload | None:
    """What a question to a judge of a study takes; None for one that asks no endpoint."""
    module = plugins.known(plugins.JUDGES, judge.name, judge.code)
    return module.workload(judge.options) if hasattr(module, "workload") else None


def price_of(model: str) -> Price | None:
    return table()[1].get(model)


def is_shut_down(model: str, today: datetime.date | None = None) -> bool:
    """Whether OpenAI's own endpoint has stopped to serve `model`."""
    price = price_of(model)
    return bool(price and price.shut_down and price.shut_down < (today or datetime.date.today()))


def tokens_of(num_chars: float) -> int:
    """How many tokens a text of so many characters has, about."""
    return round(num_chars / CHARS_PER_TOKEN)


def most_tokens_of(text: str) -> int:
    """How many tokens a text has at most, about, for money that is set aside: other scripts than English's, such as
    Chinese, have up to a token a character.
    """
    num_ascii = len(text.encode("ascii", "ignore"))
    return tokens_of(num_ascii) + len(text) - num_ascii


def _price(node: strict.Node) -> Price:
    given = dict(node.mapping())
    ends = given.pop("shut_down", None)
    price = strict.read_fields(Price, given, node)
    return replace(price, shut_down=_date(ends) if ends else None)


def _date(node: strict.Node) -> datetime.date:
    if not isinstance(node.value, datetime.date):
        raise node.error(f"found {strict.show(node.value)}", "a date is legal", "type it as 2026-11-26")
    return node.value
