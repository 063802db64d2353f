"""What a check says: whether something is as it must be, what was found, and what to do."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar

from winsweep.errors import CheckFailed, Unreachable, WinsweepError
from winsweep.quoting import cut

T = TypeVar("T")
MOST_SAID = 600  # characters of a library's words
Verdict = Literal["ok", "problem", "unknown"]


@dataclass(frozen=True)
class Finding:
    """What a check found of one thing, and what to do where that is wrong."""

    verdict: Verdict
    what: str
    found: str
    do: str = ""
    can_pass: bool = False  # a problem that may be gone later, with nothing changed

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


def guarded(what: str, found: list[Finding], make: Callable[[], T], do: str = "") -> T | None:
    """What `make` returns; None, and a problem is found, if it raises anything: with what to `do` where a library's
    words do not say it.
    """
    try:
        return make()
    except WinsweepError as e:
        found.append(Finding("problem", what, one_line(e)))
    except Exception as e:  # of files of others, whatever they hold
        found.append(Finding("problem", what, cut(f"{type(e).__name__}: {one_line(e)}", MOST_SAID), do))
    return None


def error_of(name: str, findings: Iterable[Finding], do: str = "") -> WinsweepError | None:
    """The error that ends a check, with every problem in it, if there is one: Unreachable if all of them can pass by
    themselves, else CheckFailed with what to `do` once they are mended.
    """
    found = problems(findings)
    lines = [f"{name}: {f.what}: {f.text}" for f in found]
    if all(f.can_pass for f in found):
        return Unreachable("\n".join(lines)) if found else None
    return CheckFailed("\n".join([*lines, do] if do else lines))
