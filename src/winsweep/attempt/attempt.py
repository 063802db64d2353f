"""One attempt at one artifact: claim it, verify what it is made from, run its stage, publish the result, say how it
ended.
"""

import json
import os
import sys
import time
from pathlib import Path
from types import ModuleType

from winsweep import layout, placement
from winsweep.attempt import history, staging, warm
from winsweep.attempt.endings import (
    CODES,
    FAILED,
    OK,
    STOPPED,
    GiveUp,
    explain_predecessor,
    giving_up,
    reason_of,
    say_end,
    say_why,
    speak_for_leader,
    usage,
)
from winsweep.attempt.inputs import found, resolve_late, verified_inputs
from winsweep.attempt.job import Job, progress_file
from winsweep.attempt.ranks import RankRegistry
from winsweep.attempt.spec import Spec
from winsweep.attempt.stopflag import StopFlag
from winsweep.errors import Busy, MissingInput, NotFound, Stopped
from winsweep.graph import load
from winsweep.store import damage, liveness, manifest, provenance
from winsweep.store.claim import Claim, attempt_paths
from winsweep.store.liveness import BUSY
from winsweep.store.store import RECORD, Store


def run(spec: Spec, rank: int, num_ranks: int, token: str, flag: StopFlag) -> int:
    """One rank of the attempt `token`; the exit code is OK, FAILED, BUSY, BLOCKED or STOPPED (by a signal, which `flag`
    hears).
    """
    store = Store(Path(spec.store)).open(is_made=True)
    _set_threads(spec.placement.threads)
    if store.has(spec.key, spec.name):
        print(f"{spec.name}: published already")
        return OK
    try:
        flag.listen()
        return (
            _follow(spec, store, rank, num_ranks, token, flag) if rank else _claim(spec, store, num_ranks, token, flag)
        )
    except Stopped as e:  # too early, or too late, for an end record of its own
        print(e, file=sys.stderr)
        return _stopped(store, spec.key, rank, token, e)


def _stopped(store: Store, key: str, rank: int, token: str, e: Stopped) -> int:
    """The exit code of a rank that was stopped outside its stage, which counts as an attempt: another turn would be
    given without end.
    """
    if rank == 0 and e.kind != "stopped" and not store.has(key):
        history.count(store, key, token, e.kind, str(e))
        return FAILED if history.failures(store, [key]) else STOPPED
    return STOPPED


def _claim(spec: Spec, store: Store, num_ranks: int, token: str, flag: StopFlag) -> int:
    heartbeat = store.work(spec.key) / "heartbeat"
    try:
        claim = store.claim(spec.key, liveness.owner(token), lambda name: liveness.alive(name, heartbeat, token))
    except Busy as e:
        print(e, file=sys.stderr)
        return BUSY
    explain_predecessor(store, spec.key, claim, token)
    stop = liveness.beat(heartbeat, lambda: flag.kind, claim.still_held)
    try:
        return _lead(spec, store, claim, num_ranks, token, flag)
    finally:
        stop.set()


def _lead(spec: Spec, store: Store, claim: Claim, num_ranks: int, token: str, flag: StopFlag) -> int:
    begun, registry = time.time(), RankRegistry(claim.root, token)
    record = {"attempt": claim.number, "owner": claim.owner, "begun": begun, "node": liveness.node()}
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    where = f"{record['node']}{f', GPUs {seen}' if seen else ''}"
    print(f"{spec.name}: attempt {claim.number} on {where}, {time.strftime('%Y-%m-%d %H:%M:%S')}", flush=True)
    try:
        there = store.has(spec.key, spec.name)  # by somebody who ended between our first look and our claim
        if not there:
            with registry.present(0):
                _make(
                    spec,
                    store,
                    claim,
                    num_ranks,
                    token,
                    record,
                    flag,
                    giving_up(store, spec.key, claim.number, record, registry, 0),
                )
        flag.polled()  # what is published is done, whatever is asked now
        claim.end(record | {"kind": "already" if there else "done", **usage(begun)})
        print(
            f"{spec.name}: {'was published already' if there else f'done after {time.time() - begun:.1f} s'}",
            flush=True,
        )
        store.tidy(spec.key)
        return OK
    except BaseException as raised:
        flag.polled()
        say_why(e := flag.cause(raised), store.root)
        lacked = history.lacking(store, e.key) if isinstance(e, MissingInput) else {}
        code = CODES.get(
            say_end(store, spec.key, claim.number, record | reason_of(e, claim.root, registry) | lacked | usage(begun)),
            FAILED,
        )
        # a stopped one would be given another turn
        return FAILED if code == STOPPED and history.failures(store, [spec.key]) else code


def _make(
    spec: Spec, store: Store, claim: Claim, num_ranks: int, token: str, record: dict, flag: StopFlag, give_up: GiveUp
) -> None:
    inputs = verified_inputs(spec, store, token)
    job = _job(spec, inputs, claim.out, claim.work, 0, num_ranks, token, flag, give_up)
    RankRegistry(claim.root, token).announce(claim.number)
    warm.import_for(spec.stage)
    stage(spec.stage).run(job)
    made = {
        **record,
        "name": spec.name,
        "version": spec.version,
        "params": spec.params,
        "inputs": dict(spec.inputs),
        "notes": job.notes,
        "placement": placement.plain(spec.placement),
        **provenance.circumstances(),
        **usage(record["begun"]),
    }
    if aside := damage.known(store).get(spec.key):
        made["replaces_damaged"] = damage.found_in(aside)
    manifest.write_atomic(claim.out / RECORD, json.dumps(made, indent=1, sort_keys=True).encode())
    store.publish(spec.name, claim, job.written)


def _follow(spec: Spec, store: Store, rank: int, num_ranks: int, token: str, flag: StopFlag) -> int:
    """A rank that is not the leader: waits for the leader's claim and runs the same stage on the same directories."""
    work, begun = store.work(spec.key), time.time()
    registry = RankRegistry(work, token)
    record = {"owner": liveness.owner(token), "begun": begun, "node": liveness.node(), "rank": rank}
    number = _await_leader(spec, store, registry, token, record)
    record["attempt"] = number
    stop = liveness.fence(lambda: store.held(spec.key, number))
    try:
        with registry.present(rank):
            there = found(store, spec.inputs.values())
            inputs = {name: there[key] for name, key in spec.inputs.items()}  # the leader has verified them
            if spec.placement.scratch and "base" in inputs:
                inputs["base"] = staging.staged(inputs["base"], spec.placement.scratch, "", token)
            warm.import_for(spec.stage)
            give_up = giving_up(store, spec.key, number, record, registry, rank)
            stage(spec.stage).run(
                _job(spec, inputs, *attempt_paths(work, number), rank, num_ranks, token, flag, give_up)
            )
        return OK
    except BaseException as raised:
        flag.polled()
        say_why(e := flag.cause(raised), store.root)
        return CODES.get(speak_for_leader(store, spec.key, number, record | reason_of(e, work, registry)), FAILED)
    finally:
        stop.set()


def _await_leader(spec: Spec, store: Store, registry: RankRegistry, token: str, record: dict) -> int:
    """The number of the leader's claim. NotFound if it announced none in time, which is then the end of the attempt
    that it began, if it did.
    """
    try:
        return registry.await_leader(spec.placement.timeout_s)
    except NotFound as e:
        if number := store.number_of(spec.key, token):
            say_end(
                store, spec.key, number, record | {"attempt": number} | reason_of(e, store.work(spec.key), registry)
            )
        raise


def _job(
    spec: Spec,
    inputs: dict[str, Path],
    out: Path,
    work: Path,
    rank: int,
    num_ranks: int,
    token: str,
    flag: StopFlag,
    give_up: GiveUp,
) -> Job:
    report = progress_file(work.parent / "progress.json") if rank == 0 else lambda _: None
    return Job(
        spec.name.partition("/")[2],
        {name: resolve_late(value, inputs) for name, value in spec.params.items()},
        inputs,
        out,
        work,
        spec.placement,
        spec.files,
        Path(spec.store),
        spec.limits,
        rank,
        num_ranks,
        work.parent / f"meeting-{token}",
        _host(spec),
        report,
        stopping=flag.polled,
        give_up=give_up,
    )


def _host(spec: Spec) -> str:
    """A name for this machine that the ranks on other nodes can reach; the loopback where there are none."""
    return liveness.node() if spec.placement.nodes > 1 else "127.0.0.1"


def stage(name: str) -> ModuleType:
    """The file of jobs/ that makes artifacts of a stage."""
    return load(layout.JOBS / f"{name}.py", "winsweep.jobs")


def _set_threads(num: int) -> None:
    """Fix the CPU threads of every library, before or after it was imported: sums depend on them in the last bit."""
    os.environ |= {"OMP_NUM_THREADS": str(num), "MKL_NUM_THREADS": str(num), "TOKENIZERS_PARALLELISM": "false"}
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(num)
