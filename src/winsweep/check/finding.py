"""What a check says: whether something is as it must be, what was found, and what to do."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "problem", "unknown"]


@dataclass(frozen=True)
class Finding:
    """What a check found of one thing, and what to do where that is wrong."""

    verdict: Verdict
    what: str
    found: str
    do: str = ""

    def __str__(self) -> str:
        return f"{self.verdict:8s} {self.what}: {self.text}"

    @property
    def text(self) -> str:
        """What was found and what to do, on one line."""
        return " ".join(f"{self.found}; {self.do}".removesuffix("; ").split())


def problems(findings: Iterable[Finding]) -> list[Finding]:
    """Those that say that something is wrong."""
    return [f for f in findings if f.verdict == "problem"]


def one_line(e: Exception) -> str:
    """What an error says, without line breaks."""
    return " ".join(str(e).split()) or type(e).__name__


def worded(name: str, findings: Iterable[Finding]) -> str:
    """Every problem, for the error that ends a check."""
    return "\n".join(f"{name}: {f.what}: {f.text}" for f in problems(findings))
