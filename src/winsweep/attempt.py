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
from winsweep.errors import Busy, MissingInput, WinsweepError
from winsweep.graph import load
from winsweep.job import Job, progress_file
from winsweep.spec import Spec
from winsweep.store import RECORD, Claim, Store

OK, FAILED, BUSY, BLOCKED = 0, 1, 75, 66
GANG_S = 120.0  # longest wait of a rank for its leader's claim


def main(path: Path) -> None:
    """`python jobs/STAGE.py SPEC.json`: one attempt by hand, its ranks as given by placement started here."""
    spec = specs.read(path)
    if spec.placement.ranks > 1:
        from winsweep.nursery import run_ranks  # only here: it starts processes
        sys.exit(run_ranks(path, spec.placement.ranks))
    sys.exit(run(path, 0, 1, uuid.uuid4().hex[:12]))


def run(path: Path, rank: int, num_ranks: int, token: str) -> int:
    """One rank of the attempt `token` on the spec at `path`; the exit code is OK, FAILED, BUSY or BLOCKED."""
    spec = specs.read(path)
    store = Store(Path(spec.store)).open()
    _set_threads(spec.placement.threads)
    signal.signal(signal.SIGTERM, _stop)
    if rank:
        return _follow(spec, store, rank, num_ranks, token)
    if spec.key in store.published():
        print(f"{spec.name}: published already")
        return OK
    heartbeat = store.work(spec.key) / "heartbeat"
    try:
        claim = store.claim(spec.key, liveness.owner(token), lambda name: liveness.alive(name, heartbeat))
    except Busy as e:
        print(e, file=sys.stderr)
        return BUSY
    stop = _beat(heartbeat)
    try:
        return _lead(spec, store, claim, num_ranks, token)
    finally:
        stop.set()


def _lead(spec: Spec, store: Store, claim: Claim, num_ranks: int, token: str) -> int:
    begun = time.time()
    record = {"attempt": claim.number, "owner": claim.owner, "begun": begun}
    try:
        there = spec.key in store.published()  # by somebody who ended between our first look and our claim
        if not there:
            _make(spec, store, claim, num_ranks, token, record)
        claim.end(record | {"kind": "already" if there else "done", **_usage(begun)})
        store.tidy(spec.key)
        return OK
    except BaseException as e:
        traceback.print_exc()
        kind = _kind(e)
        claim.end(record | {"kind": kind, "reason": f"{type(e).__name__}: {e}"[:2000], **_usage(begun)})
        return BLOCKED if kind == "blocked" else BUSY if kind == "busy" else FAILED


def _make(spec: Spec, store: Store, claim: Claim, num_ranks: int, token: str, record: dict) -> None:
    inputs = verified_inputs(spec, store)
    job = _job(spec, inputs, claim.out, claim.work, 0, num_ranks, token)
    manifest.write_atomic(_gang(claim.root, token), json.dumps({"number": claim.number}).encode())
    stage(spec.stage).run(job)
    made = {**record, "name": spec.name, "version": spec.version, "params": spec.params, "inputs": dict(spec.inputs),
            "notes": job.notes, "placement": vars(spec.placement), **provenance.circumstances(), **_usage(record["begun"])}
    manifest.write_atomic(claim.out / RECORD, json.dumps(made, indent=1, sort_keys=True).encode())
    store.publish(spec.name, claim)


def _follow(spec: Spec, store: Store, rank: int, num_ranks: int, token: str) -> int:
    """A rank that is not the leader: waits for the leader's claim and runs the same stage on the same directories."""
    work = store.work(spec.key)
    number = _await_leader(_gang(work, token))
    inputs = {name: store.find(key) for name, key in spec.inputs.items()}  # the leader has verified them
    job = _job(spec, inputs, work / f"out-{number:06d}", work / "state", rank, num_ranks, token)
    try:
        stage(spec.stage).run(job)
        return OK
    except BaseException:
        traceback.print_exc()
        return FAILED


def _job(spec: Spec, inputs: dict[str, Path], out: Path, work: Path, rank: int, num_ranks: int, token: str) -> Job:
    report = progress_file(work.parent / "progress.json") if rank == 0 else lambda _: None
    return Job(spec.name.partition('/')[2], resolve_late(spec.params, inputs), inputs, out, work, spec.placement, spec.files, rank, num_ranks,
               work.parent / f"meeting-{token}", report)


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


def _stop(signum: int, _: object) -> None:
    raise SystemExit(f"stopped by {signal.Signals(signum).name}")


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
