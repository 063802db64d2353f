"""One attempt at one artifact: claim it, verify what it is made from, run its stage, publish the result, say how it ended."""

import json
import os
import resource
import signal
import sys
import threading
import time
import traceback
import uuid
from pathlib import Path

from winsweep import layout, liveness, manifest, provenance, spec as specs
from winsweep.errors import Busy, MissingInput, Stopped, WinsweepError
from winsweep.graph import load
from winsweep.job import Job, progress_file
from winsweep.spec import Spec
from winsweep.store import RECORD, Claim, Store

OK, FAILED, BUSY, BLOCKED, STOPPED = 0, 1, 75, 66, 80
CODES = {"blocked": BLOCKED, "busy": BUSY, "stopped": STOPPED, "preempted": STOPPED, "time limit": STOPPED}
GANG_S = 120.0  # longest wait of a rank for its leader's claim


def main(path: Path) -> None:
    """`python jobs/STAGE.py SPEC.json`: one attempt by hand, its ranks as given by placement started here."""
    spec = specs.read(path)
    if spec.placement.ranks > 1:
        from winsweep.nursery import run_ranks  # only here: it starts processes
        sys.exit(run_ranks(path, spec.placement.ranks))
    sys.exit(run(path, 0, 1, uuid.uuid4().hex[:12]))


def run(path: Path, rank: int, num_ranks: int, token: str) -> int:
    """One rank of the attempt `token` on the spec at `path`; the exit code is OK, FAILED, BUSY, BLOCKED or STOPPED (by a signal)."""
    spec = specs.read(path)
    store = Store(Path(spec.store)).open()
    _set_threads(spec.placement.threads)
    flag = StopFlag()
    flag.listen()
    if rank:
        return _follow(spec, store, rank, num_ranks, token, flag)
    if spec.key in store.published():
        print(f"{spec.name}: published already")
        return OK
    heartbeat = store.work(spec.key) / "heartbeat"
    try:
        claim = store.claim(spec.key, liveness.owner(token), lambda name: liveness.alive(name, heartbeat, token))
    except Busy as e:
        print(e, file=sys.stderr)
        return BUSY
    _explain_predecessor(store, spec.key, claim, token)
    stop = _beat(heartbeat)
    try:
        return _lead(spec, store, claim, num_ranks, token, flag)
    finally:
        stop.set()


def _lead(spec: Spec, store: Store, claim: Claim, num_ranks: int, token: str, flag: "StopFlag") -> int:
    begun = time.time()
    record = {"attempt": claim.number, "owner": claim.owner, "begun": begun, "node": liveness.node()}
    try:
        there = spec.key in store.published()  # by somebody who ended between our first look and our claim
        if not there:
            _make(spec, store, claim, num_ranks, token, record, flag)
        claim.end(record | {"kind": "already" if there else "done", **_usage(begun)})
        store.tidy(spec.key)
        return OK
    except BaseException as e:
        traceback.print_exc()
        kind = _kind(e)
        reason = {"reason": f"{type(e).__name__}: {e}"[:2000], "progress": progress_of(store.work(spec.key))}
        claim.end(record | {"kind": kind, **reason, **_usage(begun)})
        return CODES.get(kind, FAILED)


def _make(spec: Spec, store: Store, claim: Claim, num_ranks: int, token: str, record: dict, flag: "StopFlag") -> None:
    inputs = verified_inputs(spec, store)
    job = _job(spec, inputs, claim.out, claim.work, 0, num_ranks, token, flag)
    manifest.write_atomic(_gang(claim.root, token), json.dumps({"number": claim.number}).encode())
    stage(spec.stage).run(job)
    made = {**record, "name": spec.name, "version": spec.version, "params": spec.params, "inputs": dict(spec.inputs),
            "notes": job.notes, "placement": vars(spec.placement), **provenance.circumstances(), **_usage(record["begun"])}
    manifest.write_atomic(claim.out / RECORD, json.dumps(made, indent=1, sort_keys=True).encode())
    store.publish(spec.name, claim)


def _follow(spec: Spec, store: Store, rank: int, num_ranks: int, token: str, flag: "StopFlag") -> int:
    """A rank that is not the leader: waits for the leader's claim and runs the same stage on the same directories."""
    work = store.work(spec.key)
    number = _await_leader(_gang(work, token))
    inputs = {name: store.find(key) for name, key in spec.inputs.items()}  # the leader has verified them
    job = _job(spec, inputs, work / f"out-{number:06d}", work / "state", rank, num_ranks, token, flag)
    try:
        stage(spec.stage).run(job)
        return OK
    except BaseException as e:
        traceback.print_exc()
        return CODES.get(_kind(e), FAILED)


def _job(spec: Spec, inputs: dict[str, Path], out: Path, work: Path, rank: int, num_ranks: int, token: str, flag: "StopFlag") -> Job:
    report = progress_file(work.parent / "progress.json") if rank == 0 else lambda _: None
    return Job(spec.name.partition('/')[2], resolve_late(spec.params, inputs), inputs, out, work, spec.placement, spec.files, rank, num_ranks,
               work.parent / f"meeting-{token}", _host(spec), report, stopping=flag.polled)


def _host(spec: Spec) -> str:
    """A name for this machine that the ranks on other nodes can reach; the loopback where there are none."""
    return liveness.node() if spec.placement.nodes > 1 else "127.0.0.1"


def verified_inputs(spec: Spec, store: Store) -> dict[str, Path]:
    """Every input directory, each file of it checked against its manifest; MissingInput or Damaged otherwise."""
    found = {name: store.find(key) for name, key in spec.inputs.items()}
    for path in found.values():
        manifest.verify(path, repair=spec.rebuild(path.relative_to(store.root).as_posix()))
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


class StopFlag:
    """Which signal asked this process to end. A stage that polls decides itself when; in any other the signal ends it at once."""

    def __init__(self) -> None:
        self.kind: str | None = None
        self.is_polled = False

    def listen(self) -> None:
        for signum in (signal.SIGTERM, signal.SIGUSR2):
            signal.signal(signum, self.receive)

    def receive(self, signum: int, _: object) -> None:
        """Only notes the signal where a stage polls: a collective save must not begin in the middle of another collective."""
        on_slurm = "SLURM_JOB_ID" in os.environ
        self.kind = "time limit" if signum == signal.SIGUSR2 else "preempted" if on_slurm else "stopped"
        if not self.is_polled:
            raise Stopped(self.kind)

    def polled(self) -> str | None:
        self.is_polled = True
        return self.kind


def _explain_predecessor(store: Store, key: str, claim: Claim, token: str) -> None:
    """Write the end record that the attempt before this one did not live to write."""
    before = claim.number - 1
    if before < 1 or store.end_of(key, before) is not None:
        return
    owner = (claim.root / "claims" / f"{before:06d}").read_text()
    requeued = liveness.same_task(owner, token)  # SLURM itself put the task back: its node went away
    told = {"kind": "node" if requeued else "killed", "reason": "no end record: " + ("its node went away" if requeued else "killed, or its node died")}
    claim.end({"attempt": before, "owner": owner, **told, "progress": progress_of(claim.root), "begun": time.time()}, number=before)


def progress_of(work: Path) -> int:
    """How far the attempts at an artifact have come, by their own count."""
    try:
        return json.loads((work / "progress.json").read_bytes())["done"]
    except (FileNotFoundError, ValueError):
        return 0


def _gang(work: Path, token: str) -> Path:
    return work / f"gang-{token}.json"


def _await_leader(path: Path) -> int:
    limit = time.monotonic() + GANG_S
    while time.monotonic() < limit:
        try:
            return json.loads(path.read_bytes())["number"]
        except FileNotFoundError:
            time.sleep(0.05)
    raise MissingInput(f"{path}: rank 0 did not claim the artifact within {GANG_S:.0f} s; its log says why")


def _beat(path: Path) -> threading.Event:
    """Touch `path` until told to stop, so that other hosts see that this attempt lives."""
    stop = threading.Event()

    def loop() -> None:
        while not stop.is_set():
            path.touch()
            stop.wait(liveness.HEARTBEAT_S)

    threading.Thread(target=loop, daemon=True).start()
    return stop


def _kind(e: BaseException) -> str:
    """The class of a failure, as an end record shows it."""
    if isinstance(e, WinsweepError):
        return e.kind
    if "gloo" in str(e).lower() or "nccl" in str(e).lower():
        return "hang" if "timed out" in str(e).lower() or "timeout" in str(e).lower() else "killed"  # a peer is gone
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
