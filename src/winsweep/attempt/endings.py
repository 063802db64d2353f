"""How an attempt ends: the class of a failure, its end record, and who writes it where several ranks, or a successor,
know of it.
"""

import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from winsweep.attempt.ranks import RankRegistry
from winsweep.errors import Stopped, Waiting, WinsweepError
from winsweep.store import disk, liveness, small_files
from winsweep.store.claim import Claim, owner_of
from winsweep.store.liveness import BUSY
from winsweep.store.store import Store

OK, FAILED, BLOCKED, STOPPED = 0, 1, 66, 80
CODES = {
    "waiting": OK,
    "blocked": BLOCKED,
    "busy": BUSY,
    "stopped": STOPPED,
    "preempted": STOPPED,
    "time limit": STOPPED,
}
# how long a rank that fails leaves it to its leader to say why, and one that lost another to the rest to say so
WORD_S = 2.0
GONE = ("killed", "hang")  # how a rank names the loss of another
GiveUp = Callable[[str], NoReturn]


def reason_of(e: BaseException, work: Path, registry: RankRegistry) -> dict:
    kind = kind_of(e, work.parents[2])
    # no launcher is there that could have asked
    kind = "killed" if kind == "stopped" and "SLURM_ARRAY_TASK_ID" in os.environ else kind
    blamed = {"node": registry.lost_node(WORD_S)} if kind in GONE else {}
    if isinstance(e, Waiting):
        return {"kind": kind, "reason": str(e)[:2000], "progress": progress_of(work), "until": e.until}
    return {"kind": kind, "reason": f"{type(e).__name__}: {e}"[:2000], "progress": progress_of(work), **blamed}


def say_why(e: BaseException, store: Path) -> None:
    """The reason as the last line of a log: alone for an error of ours, which says where and what to do; below its
    traceback for any other.
    """
    if isinstance(e, (WinsweepError, Stopped)):
        print(f"{kind_of(e, store)}: {e}", file=sys.stderr, flush=True)
    else:
        traceback.print_exception(e)
        print(f"{kind_of(e, store)}: {type(e).__name__}: {e}", file=sys.stderr, flush=True)


def say_end(store: Store, key: str, number: int, record: dict) -> str:
    """Leave the end record of attempt `number`, and return the kind that stands.

    What another rank has said stands, unless it only lost a peer and `record` has the cause ("application" may be a
    consequence), or knows the peer's node first. One that was taken over says nothing.
    """
    if not store.held(key, number):
        return "busy"
    told = store.end_of(key, number)
    says_more = (
        told
        and told["kind"] in GONE
        and (record["node"] and not told["node"] if record["kind"] in GONE else record["kind"] != "application")
    )
    if told and not says_more:
        return told["kind"]
    store.end(key, number, record)
    return record["kind"]


def speak_for_leader(store: Store, key: str, number: int, record: dict) -> str:
    """How the leader says that the attempt ended; if it does not say so soon, it hangs or is gone, and `record` is the
    attempt's end.
    """
    limit = time.monotonic() + WORD_S
    while store.end_of(key, number) is None and time.monotonic() < limit:
        time.sleep(0.05)
    return say_end(store, key, number, record)


def giving_up(store: Store, key: str, number: int, record: dict, registry: RankRegistry, rank: int) -> GiveUp:
    """What any thread of a rank may call when a peer is lost and the main thread waits for it: the attempt's end is a
    hang, at once.
    """

    def give_up(told: str) -> NoReturn:
        try:
            registry.sign_out(rank)
            work = store.work(key)
            say_end(
                store,
                key,
                number,
                record
                | {"kind": "hang", "reason": told, "progress": progress_of(work), "node": registry.lost_node(WORD_S)}
                | usage(record["begun"]),
            )
            os.write(2, f"{told}: this rank ends\n".encode())
        finally:
            os._exit(FAILED)  # the main thread may be inside a collective that no exception reaches

    return give_up


def explain_predecessor(store: Store, key: str, claim: Claim, token: str) -> None:
    """Write the end record that the attempt before this one did not live to write, or what it could not yet know."""
    before = claim.number - 1
    if before < 1:
        return
    owner, told = owner_of(claim.root / "claims", before), store.end_of(key, before)
    if (told is None and store.is_over(key, before)) or (told and told.get("is_damaged")):
        return  # it said how it ended, and was forgiven, or that is damaged, which stands
    requeued = liveness.same_task(owner, token)  # by SLURM itself: it was preempted, or its node went away
    node = RankRegistry(claim.root, owner.rpartition("@")[2]).lost_node()  # by now all that could have signed out
    if told and told["kind"] in GONE and not told.get("node"):
        told["node"] = node
        claim.end(told, number=before)
    if told and not (requeued and told["kind"] in GONE):
        return
    asked = _last_word(claim.root / "heartbeat") if requeued else ""
    kind = asked or ("node" if requeued else "killed")
    why = (
        f"{asked}, with no time to save" if asked else "its node went away" if requeued else "killed, or its node died"
    )
    known = told or {
        "attempt": before,
        "owner": owner,
        "progress": progress_of(claim.root),
        "begun": time.time(),
        "node": node,
    }
    claim.end(known | {"kind": kind, "reason": f"{told['reason'] if told else 'no end record'}: {why}"}, number=before)


def _last_word(heartbeat: Path) -> str:
    word = small_files.text(heartbeat)
    return word if word in CODES else ""


def progress_of(work: Path) -> int:
    """How far the attempts at an artifact have come, by their own count."""
    done = (small_files.mapping(work / "progress.json") or {}).get("done")
    return done if isinstance(done, int) and small_files.is_count(done) else 0


def kind_of(e: BaseException, store: Path | None = None) -> str:
    """The class of a failure in a store, as an end record shows it."""
    if isinstance(e, (WinsweepError, Stopped)):
        return e.kind
    text = str(e).lower()
    if (
        "gloo" in text
        or "nccl" in text
        or type(e).__name__ in ("DistNetworkError", "DistStoreError", "DistBackendError")
    ):
        return "hang" if "timed out" in text or "timeout" in text else "killed"  # a peer is gone
    if disk.is_its(e, store):
        return "disk"
    if isinstance(e, MemoryError):
        return "host OOM"
    if type(e).__name__ == "OutOfMemoryError":
        return "GPU OOM"
    # what a library exits with is no request of ours
    return "stopped" if isinstance(e, KeyboardInterrupt) else "application"


def usage(begun: float) -> dict:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"seconds": round(time.time() - begun, 3), "peak_memory_mb": peak >> 20, "pid": os.getpid()}
