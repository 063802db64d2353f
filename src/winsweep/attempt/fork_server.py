"""A process that imports the heavy libraries at most once and forks every local attempt from itself, so that an attempt
starts in milliseconds.

It reads one JSON command a line from standard input ({"id", "spec", "ranks", "log", "gpus"}) and writes {"id", "code"}
when that attempt is over. When its input ends, as it does when the launcher dies however suddenly, it stops every
attempt.
"""

import functools
import json
import os
import selectors
import signal
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from winsweep import graph, layout, screen
from winsweep.attempt import attempt, warm
from winsweep.attempt import spec as specs
from winsweep.attempt.stopflag import StopFlag
from winsweep.store import folders, links, provenance

# stages that need torch and transformers; a judgement starts at once
MODELS = ("pretrain", "check", "finetune", "collect", "generate", "rank")
GRACE_S = 5.0  # between the end of one rank and the kill of the others; between SIGTERM and SIGKILL
POLL_S = 0.02
IDLE_S = 1.0  # between looks where a child that ends, or a command, wakes the loop
ORPHAN_S = 2.0  # how long an attempt whose parent is gone may take to say so


@dataclass
class ProcessGroup:
    """The processes of one attempt; `codes` by rank once they ended."""

    pids: dict[int, int]
    codes: dict[int, int] = field(default_factory=dict)
    kill_at: float | None = None


def main() -> None:
    wire = os.fdopen(os.dup(1), "w")  # libraries that print on import must not speak on the wire
    os.dup2(2, 1)
    groups: dict[str, ProcessGroup] = {}
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin.buffer, selectors.EVENT_READ)
    woken = hear_children()
    selector.register(woken, selectors.EVENT_READ)
    read_once()
    buffer = b""
    while True:
        # a rank that must be killed ends by no signal
        for key, _ in selector.select(POLL_S if any(group.kill_at for group in groups.values()) else IDLE_S):
            data = os.read(key.fd, 1 << 16)
            if key.fd == woken:
                continue
            if not data:
                return stop(groups)
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                handle(json.loads(line), groups)
        for name in [n for n, group in groups.items() if poll(group)]:
            print(json.dumps({"id": name, "code": groups.pop(name).codes[0]}), file=wire, flush=True)


def hear_children() -> int:
    """A pipe from which something can be read whenever a child has ended."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return read


def read_once() -> None:
    """What every attempt would find out by itself: the stages' files, and the commit and packages that run."""
    graph.discover(layout.JOBS, "winsweep.jobs")
    provenance.of_process()


@functools.cache
def preload() -> None:
    """Import what stages with models need; nothing here may start a thread or touch a GPU, as children are forked from
    this state.
    """
    warm.import_for("finetune", "collect", "generate")  # torch, transformers, deepspeed
    with warm.no_garbage():
        import sacrebleu  # noqa: F401


def handle(command: dict, groups: dict[str, ProcessGroup]) -> None:
    """Fork an attempt; before the first one of a model, which would import for seconds by itself, import what all of
    them share.
    """
    if Path(command["spec"]).parts[-3] in MODELS:  # .work/STAGE/DIGEST/spec.json
        preload()
    groups[command["id"]] = start(Path(command["spec"]), command["ranks"], Path(command["log"]), command["gpus"])


def start(spec: Path, ranks: int, log: Path | None, gpus: str | None) -> ProcessGroup:
    """Fork the ranks of one attempt; output goes to `log` (rank r > 0: the same name with .rR)."""
    token = uuid.uuid4().hex[:12]
    sys.stdout.flush()
    sys.stderr.flush()
    group = ProcessGroup({})
    for rank in range(ranks):
        try:
            group.pids[rank] = fork(spec, rank, ranks, token, log, gpus)
        except OSError as e:  # no process or memory left: this rank failed
            print(f"rank {rank} of {spec} cannot be started: {e}", file=sys.stderr, flush=True)
            group.pids[rank], group.codes[rank] = 0, 1
    return group


def fork(spec: Path, rank: int, ranks: int, token: str, log: Path | None, gpus: str | None) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if log:
            redirect(log if rank == 0 else log.with_suffix(f".r{rank}.log"))
        screen.speak_any()
        if gpus is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = gpus
        die_with_parent()
        code = attempt.run(specs.read(spec), rank, ranks, token, StopFlag())
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def redirect(log: Path) -> None:
    folders.make(links.refuse(log.parent))
    fd = os.open(links.refuse(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666)  # less the umask
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(fd, 1)
    os.dup2(fd, 2)


def die_with_parent() -> None:
    """End this process when its parent is gone: nobody would hear of its result, and another may start it again."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGTERM)  # leave an end record if that is quick
        time.sleep(ORPHAN_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def poll(group: ProcessGroup) -> bool:
    """Reap what ended; once one rank has failed or the leader is through, the others get a grace time. True when all
    ended.
    """
    for rank, pid in group.pids.items():
        if rank not in group.codes:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                group.codes[rank] = os.waitstatus_to_exitcode(status)
    if group.kill_at is None and (0 in group.codes or any(group.codes.values())):
        group.kill_at = time.monotonic() + GRACE_S
    if group.kill_at and time.monotonic() > group.kill_at:
        signal_all(group, signal.SIGKILL)
    return len(group.codes) == len(group.pids)


def stop(groups: dict[str, ProcessGroup]) -> None:
    for group in groups.values():
        signal_all(group, signal.SIGTERM)
        group.kill_at = group.kill_at or time.monotonic() + GRACE_S
    while [group for group in groups.values() if not poll(group)]:  # each is polled
        time.sleep(POLL_S)


def signal_all(group: ProcessGroup, signum: int) -> None:
    for rank, pid in group.pids.items():
        if rank not in group.codes:
            os.kill(pid, signum)


def run_ranks(spec: Path, ranks: int, call_off: Callable[[], None]) -> int:
    """The ranks of one attempt, with output to this terminal: the leader's exit code. Ctrl-C calls it off."""
    group = start(spec, ranks, None, None)
    try:
        while not poll(group):
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        call_off()
        stop({"": group})
    return group.codes[0]


if __name__ == "__main__":
    main()
