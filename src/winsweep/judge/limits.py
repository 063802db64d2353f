"""How much of an endpoint may be used: calls at once, per minute, dollars. Nothing here can change a preference or be
part of a key.
"""

from dataclasses import dataclass

from winsweep.strict import number


@dataclass(frozen=True)
class Limits:
    """Read from a judge's `limits:` in a study; 0 calls or tokens a minute stand for no known limit."""

    in_flight: int = number(64, 1, 1024)  #: calls at once, of each job [calls]
    #: calls a minute, of all jobs of a store that ask the same model; 0: no known limit [calls/minute]
    requests_per_minute: float = number(0.0, 0)
    #: tokens a minute, of prompts and replies together; 0: no known limit [tokens/minute]
    tokens_per_minute: float = number(0.0, 0)
    timeout_s: float = number(120.0, 0.01)  #: longest wait for the reply to one call [seconds]
    #: what this judge may have cost in this store, all studies together; a stage stops before it costs more
    #: [dollars]
    dollars: float | None = number(None, 0)
    #: ask by the endpoint's batch API: about half the price, answers within a day; the stage waits without a node
    batch: bool = False
