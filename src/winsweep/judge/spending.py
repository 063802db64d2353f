"""What a judge has cost so far, and whether the next call may still be made under the budget."""

from winsweep import amounts
from winsweep.errors import BadStudy
from winsweep.judge import prices
from winsweep.judge.ledger import Ledger
from winsweep.judge.limits import Limits


class Spending:
    """Dollars by the table of prices: of everything in the ledger, and at most of the calls under way.

    BadStudy for a budget where the table has no price for the model.
    """

    def __init__(self, model: str, limits: Limits, ledger: Ledger | None) -> None:
        self.ledger, self.budget, self.under_way = ledger, limits.dollars, 0.0
        self.alone = [0, 0]  # tokens where there is no ledger
        found = prices.price_of(model)
        if self.budget is not None and found is None:
            raise BadStudy(
                f"judge model {model}: limits has dollars, but no price of it is known; legal are models of "
                f"{prices.FILE}; "
                f"add a line there, with 0 for what costs nothing"
            )
        self.price = found or prices.Price()

    @property
    def dollars(self) -> float:
        if not self.ledger:
            return self.price.dollars(*self.alone)
        return self.price.dollars(*self.ledger.tokens) + self.price.batch_dollars(*self.ledger.batch_tokens)

    def refuses(self, tokens_in: float, tokens_out: float, in_batch: bool = False) -> str:
        """Why a call, or a request in a batch, of at most so many tokens may not be made, if it may not; one that may
        is under way until `record`.
        """
        cost = (self.price.batch_dollars if in_batch else self.price.dollars)(tokens_in, tokens_out)
        if self.budget is not None and self.dollars + self.under_way + cost > self.budget:
            return (
                f"the budget of {amounts.dollars(self.budget)} is used up ({amounts.dollars(self.dollars)} spent "
                f"in this store)"
            )
        self.under_way += cost
        return ""

    def record(self, tokens_in: float, tokens_out: float) -> None:
        self.under_way = max(0.0, self.under_way - self.price.dollars(tokens_in, tokens_out))

    def waste(self, tokens: tuple[int, int]) -> None:
        """Count a reply that was paid for and is no judgement."""
        self.count(tokens)
        if self.ledger:
            self.ledger.waste(tokens)

    def count(self, tokens: tuple[int, int]) -> None:
        self.alone = [a + b for a, b in zip(self.alone, tokens)]
