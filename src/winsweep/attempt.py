"""One attempt at one artifact: claim it, verify what it is made from, run its stage, publish the result, say how it ended."""

import json
import os
import resource
import sys
import time
import traceback
import uuid
from pathlib import Path

from winsweep import history, layout, liveness, manifest, provenance, spec as specs, staging, warm
from winsweep.errors import Busy, Stopped, WinsweepError
from winsweep.graph import load
from winsweep.job import Job, progress_file
from winsweep.liveness import BUSY
from winsweep.ranks import Roll
from winsweep.spec import Spec
from winsweep.stopflag import StopFlag
from winsweep.claim import Claim, places
from winsweep.store import RECORD, Store

OK, FAILED, BLOCKED, STOPPED = 0, 1, 66, 80
CODES = {"blocked": BLOCKED, "busy": BUSY, "stopped": STOPPED, "preempted": STOPPED, "time limit": STOPPED}
WORD_S = 2.0  # how long a rank that fails leaves it to its leader to say why, and one that lost another to the rest to say so
GONE = ("killed", "hang")  # how a rank names the loss of another


def main(path: Path) -> None:
    """`python jobs/STAGE.py SPEC.json`: one attempt by hand, its ranks as given by placement started here."""
    spec = specs.read(path)
    if spec.placement.ranks > 1:
        from winsweep.nursery import run_ranks  # only here: it starts processes
        sys.exit(run_ranks(path, spec.placement.ranks))
    sys.exit(run(spec, 0, 1, uuid.uuid4().hex[:12], StopFlag()))


def run(spec: Spec, rank: int, num_ranks: int, token: str, flag: StopFlag) -> int:
    """One rank of the attempt `token`; the exit code is OK, FAILED, BUSY, BLOCKED or STOPPED (by a signal, which `flag` hears)."""
    store = Store(Path(spec.store)).open()
    _set_threads(spec.placement.threads)
    if spec.key in store.published():
        print(f"{spec.name}: published already")
        return OK
    try:
        flag.listen()
        return _follow(spec, store, rank, num_ranks, token, flag) if rank else _claim(spec, store, num_ranks, token, flag)
    except Stopped as e:  # too early, or too late, for an end record
        print(e, file=sys.stderr)
        return STOPPED


def _claim(spec: Spec, store: Store, num_ranks: int, token: str, flag: StopFlag) -> int:
    heartbeat = store.work(spec.key) / "heartbeat"
    try:
        claim = store.claim(spec.key, liveness.owner(token), lambda name: liveness.alive(name, heartbeat, token))
    except Busy as e:
        print(e, file=sys.stderr)
        return BUSY
    _explain_predecessor(store, spec.key, claim, token)
    stop = liveness.beat(heartbeat, lambda: flag.kind, claim.still_held)
    try:
        return _lead(spec, store, claim, num_ranks, token, flag)
    finally:
        stop.set()


def _lead(spec: Spec, store: Store, claim: Claim, num_ranks: int, token: str, flag: StopFlag) -> int:
    begun, roll = time.time(), Roll(claim.root, token)
    record = {"attempt": claim.number, "owner": claim.owner, "begun": begun, "node": liveness.node()}
    try:
        there = spec.key in store.published()  # by somebody who ended between our first look and our claim
        if not there:
            with roll.present(0):
                _make(spec, store, claim, num_ranks, token, record, flag)
        flag.polled()  # what is published is done, whatever is asked now
        claim.end(record | {"kind": "already" if there else "done", **_usage(begun)})
        store.tidy(spec.key)
        return OK
    except BaseException as e:
        flag.polled()
        traceback.print_exc()
        code = CODES.get(_say_end(store, spec.key, claim.number, record | _reason(e, claim.root, roll) | _usage(begun)), FAILED)
        return FAILED if code == STOPPED and history.failures(store, [spec.key]) else code  # a stopped one would be given another turn


def _reason(e: BaseException, work: Path, roll: Roll) -> dict:
    kind = _kind(e)
    blamed = {"node": roll.lost_node(WORD_S)} if kind in GONE else {}
    return {"kind": kind, "reason": f"{type(e).__name__}: {e}"[:2000], "progress": progress_of(work), **blamed}


def _say_end(store: Store, key: str, number: int, record: dict) -> str:
    """Leave the end record of attempt `number`, and return the kind that stands.

    What another rank has said stands, unless it only lost a peer and `record` has the cause ("application" may be a consequence), or
    knows the peer's node first. One that was taken over says nothing.
    """
    if not store.held(key, number):
        return "busy"
    told = store.end_of(key, number)
    says_more = told and told["kind"] in GONE and (
        record["node"] and not told["node"] if record["kind"] in GONE else record["kind"] != "application")
    if told and not says_more:
        return told["kind"]
    store.end(key, number, record)
    return record["kind"]


def _make(spec: Spec, store: Store, claim: Claim, num_ranks: int, token: str, record: dict, flag: StopFlag) -> None:
    inputs = verified_inputs(spec, store)
    job = _job(spec, inputs, claim.out, claim.work, 0, num_ranks, token, flag)
    Roll(claim.root, token).announce(claim.number)
    warm.import_for(spec.stage)
    stage(spec.stage).run(job)
    made = {**record, "name": spec.name, "version": spec.version, "params": spec.params, "inputs": dict(spec.inputs),
            "notes": job.notes, "placement": vars(spec.placement), **provenance.circumstances(), **_usage(record["begun"])}
    manifest.write_atomic(claim.out / RECORD, json.dumps(made, indent=1, sort_keys=True).encode())
    store.publish(spec.name, claim)


def _follow(spec: Spec, store: Store, rank: int, num_ranks: int, token: str, flag: StopFlag) -> int:
    """A rank that is not the leader: waits for the leader's claim and runs the same stage on the same directories."""
    work, begun = store.work(spec.key), time.time()
    roll = Roll(work, token)
    number = roll.await_leader(spec.placement.timeout_s)
    stop = liveness.fence(lambda: store.held(spec.key, number))
    try:
        with roll.present(rank):
            inputs = {name: store.find(key) for name, key in spec.inputs.items()}  # the leader has verified them
            if spec.placement.scratch and "base" in inputs:
                inputs["base"] = staging.staged(inputs["base"], spec.placement.scratch, "")
            warm.import_for(spec.stage)
            stage(spec.stage).run(_job(spec, inputs, *places(work, number), rank, num_ranks, token, flag))
        return OK
    except BaseException as e:
        flag.polled()
        traceback.print_exc()
        record = {"attempt": number, "owner": liveness.owner(token), "begun": begun, "node": liveness.node(), "rank": rank}
        return CODES.get(_speak_for_leader(store, spec.key, number, record | _reason(e, work, roll)), FAILED)
    finally:
        stop.set()


def _speak_for_leader(store: Store, key: str, number: int, record: dict) -> str:
    """How the leader says that the attempt ended; if it does not say so soon, it hangs or is gone, and `record` is the attempt's end."""
    limit = time.monotonic() + WORD_S
    while store.end_of(key, number) is None and time.monotonic() < limit:
        time.sleep(0.05)
    return _say_end(store, key, number, record)


def _job(spec: Spec, inputs: dict[str, Path], out: Path, work: Path, rank: int, num_ranks: int, token: str, flag: StopFlag) -> Job:
    report = progress_file(work.parent / "progress.json") if rank == 0 else lambda _: None
    return Job(spec.name.partition('/')[2], resolve_late(spec.params, inputs), inputs, out, work, spec.placement, spec.files,
               Path(spec.store), spec.limits, rank, num_ranks, work.parent / f"meeting-{token}", _host(spec), report, stopping=flag.polled)


def _host(spec: Spec) -> str:
    """A name for this machine that the ranks on other nodes can reach; the loopback where there are none."""
    return liveness.node() if spec.placement.nodes > 1 else "127.0.0.1"


def verified_inputs(spec: Spec, store: Store) -> dict[str, Path]:
    """Every input directory, each file of it checked against its manifest (a model's, of a copy); MissingInput or Damaged otherwise."""
    found = {name: store.find(key) for name, key in spec.inputs.items()}
    for name, path in found.items():
        repair = spec.rebuild(path.relative_to(store.root).as_posix())
        if name == "base" and spec.placement.scratch:
            found[name] = staging.staged(path, spec.placement.scratch, repair)
        else:
            manifest.verify(path, repair)
    return found


def resolve_late(params: object, inputs: dict[str, Path]) -> object:
    """`params` with every late-bound value (see artifact.Late) read from the value.json of the input that holds it."""
    if isinstance(params, dict) and params.keys() == {"late_input", "late_field"}:
        return json.loads((inputs[params["late_input"]] / "value.json").read_bytes())[params["late_field"]]
    if isinstance(params, dict):
        return {k: resolve_late(v, inputs) for k, v in params.items()}
    return [resolve_late(v, inputs) for v in params] if isinstance(params, list) else params


def stage(name: str):  # -> ModuleType
    return load(layout.JOBS / f"{name}.py", "winsweep.jobs")


def _set_threads(num: int) -> None:
    """Fix the CPU threads of every library, before or after it was imported: sums depend on them in the last bit."""
    os.environ |= {"OMP_NUM_THREADS": str(num), "MKL_NUM_THREADS": str(num), "TOKENIZERS_PARALLELISM": "false"}
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(num)


def _explain_predecessor(store: Store, key: str, claim: Claim, token: str) -> None:
    """Write the end record that the attempt before this one did not live to write, or what it could not yet know."""
    before = claim.number - 1
    if before < 1:
        return
    owner, told = (claim.root / "claims" / f"{before:06d}").read_text(), store.end_of(key, before)
    requeued = liveness.same_task(owner, token)  # by SLURM itself: it was preempted, or its node went away
    node = Roll(claim.root, owner.rpartition("@")[2]).lost_node()  # by now all that could have signed out
    if told and told["kind"] in GONE and not told.get("node"):
        told["node"] = node
        claim.end(told, number=before)
    if told and not (requeued and told["kind"] in GONE):
        return
    asked = _last_word(claim.root / "heartbeat") if requeued else ""
    kind = asked or ("node" if requeued else "killed")
    why = f"{asked}, with no time to save" if asked else "its node went away" if requeued else "killed, or its node died"
    known = told or {"attempt": before, "owner": owner, "progress": progress_of(claim.root), "begun": time.time(), "node": node}
    claim.end(known | {"kind": kind, "reason": f"{told['reason'] if told else 'no end record'}: {why}"}, number=before)


def _last_word(heartbeat: Path) -> str:
    try:
        return heartbeat.read_text()
    except FileNotFoundError:
        return ""


def progress_of(work: Path) -> int:
    """How far the attempts at an artifact have come, by their own count."""
    try:
        return json.loads((work / "progress.json").read_bytes())["done"]
    except (FileNotFoundError, ValueError):
        return 0


def _kind(e: BaseException) -> str:
    """The class of a failure, as an end record shows it."""
    if isinstance(e, (WinsweepError, Stopped)):
        return e.kind
    text = str(e).lower()
    if "gloo" in text or "nccl" in text or type(e).__name__ in ("DistNetworkError", "DistStoreError", "DistBackendError"):
        return "hang" if "timed out" in text or "timeout" in text else "killed"  # a peer is gone
    if isinstance(e, OSError) and e.errno in (28, 122):  # ENOSPC, EDQUOT
        return "disk"
    if isinstance(e, MemoryError):
        return "host OOM"
    if type(e).__name__ == "OutOfMemoryError":
        return "GPU OOM"
    return "stopped" if isinstance(e, (KeyboardInterrupt, SystemExit)) else "application"


def _usage(begun: float) -> dict:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"seconds": round(time.time() - begun, 3), "peak_memory_mb": peak >> 20, "pid": os.getpid()}
