"""Every error a person can cause or meet, each worded as: where: what was found; what is legal; what to type.

WinsweepError
├── BadStudy      the study file asks for something that is not legal
├── BadData       a data file cannot be read as what it is said to be
├── NotCanonical  a value has no stable byte form and so cannot take part in a key
├── MissingInput  an input artifact is not published just now (the attempt ends as "blocked": it is waited for while it
is made again)
├── NotFound      something that no attempt makes is not there: a file, a package, a weight, a rank
├── CheckFailed   a check before any spending found what would fail later
├── Damaged       a published file differs from its manifest
├── Busy          another live attempt owns this artifact
├── LinkInStore   a link stands where a store has its own files; nothing is read, written or removed through it
├── NotOwn        another user could have written what would run, or name what runs
├── NewerStore    the store was written by a later winsweep
├── NotFinite     training or weights hold NaN or infinity
├── Incomplete    a result has fewer steps, rows or shards than were asked for
├── Unreachable   what is asked over the network (the hub, a judge's endpoint) did not answer, and may do so later
├── JudgeFailed   a judge left pairs without a preference, and may give them later; what it said is kept
│   └── JudgeRefused  … and will not by itself: a key, a model, a budget or a request that a person must mend
├── Waiting       a judge's batch is on its way; the next attempt begins when there may be news of it
└── ClusterDown   SLURM did not answer, so what runs is unknown
    └── Refused       SLURM answered: it does not take this job
        ├── TooManyTasks  an array has more tasks than the cluster allows
        └── QueueFull     as many jobs are submitted as a limit allows, each task of an array counted

Stopped (a signal asked the attempt to end) is no error, so that code which catches any Exception, ours or a library's,
lets it through.
"""

from winsweep.quoting import in_sight

MOST_TOLD = 50  # mistakes of a file at once


class WinsweepError(Exception):
    """Base of all; `kind` is the class that an end record shows. Whatever it quotes, its text can be printed
    (`quoting.in_sight`).
    """

    kind = "application"

    def __init__(self, *said: object) -> None:
        super().__init__(*(in_sight(text) if isinstance(text, str) else text for text in said))


class BadStudy(WinsweepError):
    """`each` has one message for each thing that is wrong, of many the first MOST_TOLD; the text is all of them, a line
    each.
    """

    kind = "config"

    def __init__(self, *each: str) -> None:
        more = each[MOST_TOLD:]
        where = more[0].partition(": ")[0] if more else ""
        rest = [f"{where}: found {len(more):,} more mistakes, from here on; correct those above first"] if more else []
        self.each = tuple(map(in_sight, [*each[:MOST_TOLD], *rest]))
        super().__init__("\n".join(self.each))


class BadData(WinsweepError):
    """A data file cannot be read as what it is said to be."""

    kind = "data"


class NotCanonical(WinsweepError, TypeError):
    """A value that cannot take part in a key."""

    kind = "config"


class MissingInput(WinsweepError):
    """Raised for a published input alone; `key` is that artifact's."""

    kind = "blocked"

    def __init__(self, text: str, key: str = "") -> None:
        super().__init__(text)
        self.key = key


class NotFound(WinsweepError):
    """Something that no attempt makes is not there."""

    kind = "missing"


class CheckFailed(WinsweepError):
    """A check found what would fail later."""

    kind = "config"


class Damaged(WinsweepError):
    """A published file differs from its manifest."""

    kind = "data"


class Busy(WinsweepError):
    """Another live attempt has this artifact."""

    kind = "busy"


class LinkInStore(WinsweepError):
    """A link stands where a store has its own files."""

    kind = "config"


class NotOwn(WinsweepError):
    """Another user could have written what would run."""

    kind = "config"


class NewerStore(WinsweepError):
    """The store was written by a later winsweep."""

    kind = "config"


class NotFinite(WinsweepError):
    """Training or weights hold NaN or infinity."""

    kind = "application"


class Incomplete(WinsweepError):
    """A result has fewer steps, rows or shards than were asked for."""

    kind = "application"


class Unreachable(WinsweepError):
    kind = "network"


class JudgeFailed(WinsweepError):
    """A judge refused, ran out of money or left pairs without a preference."""

    kind = "judge"


class JudgeRefused(JudgeFailed):
    kind = "judge refused"


class Waiting(WinsweepError):
    """Nothing is wrong: what is asked for comes later. `until`: when to look again, in seconds since 1970."""

    kind = "waiting"

    def __init__(self, text: str, until: float) -> None:
        super().__init__(text)
        self.until = until


class Stopped(BaseException):
    """A signal asked the attempt to end; `kind` says which."""

    def __init__(self, kind: str = "stopped") -> None:
        super().__init__(f"asked to end ({kind}); the next attempt goes on from what was saved")
        self.kind = kind


class ClusterDown(WinsweepError):
    """SLURM did not answer: what runs is unknown."""

    kind = "node"


class Refused(ClusterDown):
    """Nothing of the array was accepted."""


class TooManyTasks(Refused):
    """An array has more tasks than the cluster allows."""


class QueueFull(Refused):
    """As many jobs are submitted as a limit allows."""
