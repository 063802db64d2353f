"""What a check of the doctor found."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    verdict: Literal["ok", "problem", "unknown"]
    what: str
    found: str
    do: str = ""

    def __str__(self) -> str:
        return f"{self.verdict:8s} {self.what}: " + " ".join(f"{self.found}; {self.do}".removesuffix("; ").split())
