"""The last job of a submission, `python -m winsweep.slurm.finalizer FOLDER`: tries again what may be tried again, or
makes the table.
"""

from winsweep.amounts import plural
from winsweep.attempt import stopflag

if __name__ == "__main__":
    stopflag.hold()  # before the imports, which take most of the first second

import os
import sys
import time
import uuid
from pathlib import Path

from winsweep import layout, screen
from winsweep.attempt import arrays, attempt, endings, history
from winsweep.attempt.retry import ChainProgress
from winsweep.attempt.stopflag import StopFlag
from winsweep.cluster_file import read_cluster
from winsweep.errors import ClusterDown, Stopped
from winsweep.messages.messenger import Messenger
from winsweep.placement import Cluster
from winsweep.results import publish_table
from winsweep.slurm import containers, halt, machines, queue, task_script, watchdog
from winsweep.slurm.array_folders import spec_of
from winsweep.slurm.node import requeue
from winsweep.slurm.pending_finalizers import FINALIZER_FILE, asked
from winsweep.slurm.reconcile import Look, judged_cells, look, reconcile
from winsweep.store import disk
from winsweep.store.store import Store
from winsweep.trackers import tracking
from winsweep.workspace import Workspace, open_workspace

KNOWN_AFTER_S = 90.0  # longer than a silent attempt, or an unanswered sbatch, can stay unknown
DOWN_S = 1800.0  # how long SLURM may be away
POLL_S = 10.0
SPARE_S = 90.0  # of its time limit, which it leaves: SLURM may ask it to end a minute early
BEGUN = time.monotonic()
ROOM_S = 3600.0  # for as long a finalizer that found no room does nothing at all while nothing changes


def main(folder: Path) -> int:
    """Look again once all is over; a signal puts this job back into the queue, as without it the study would stand
    still.
    """
    screen.speak_any()
    task_script.mark_begun(folder)
    flag = StopFlag()
    try:
        flag.listen()
        return close_once_the_disk_is_there(folder, flag)
    except (Stopped, Exception) as raised:
        if isinstance(e := flag.cause(raised), Stopped):
            print(e, file=sys.stderr, flush=True)
            requeue(f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}")
            return endings.STOPPED
        # the study's file may be gone, the disk full: nobody else would say so
        told = arrays.heard(folder / FINALIZER_FILE)
        halt.note(Store(Path(told["store"])), told["name"], f"the finalizer could not go on: {type(e).__name__}: {e}")
        raise


def close_once_the_disk_is_there(folder: Path, flag: StopFlag) -> int:
    """A disk that is full, read-only or away may be well again soon, and nobody else goes on with the study."""
    limit = time.monotonic() + DOWN_S
    while True:
        try:
            told = arrays.heard(folder / FINALIZER_FILE)
            Store(Path(told["store"])).open(is_made=True)
            return close(told, flag)
        except OSError as e:
            if not disk.is_its(e, folder.parents[2]) or time.monotonic() > limit:
                raise
            print(f"the disk: {e}", file=sys.stderr, flush=True)
            time.sleep(POLL_S)


def close(told: dict, flag: StopFlag) -> int:
    workspace = open_workspace(Path(told["study"]), Path(told["store"])).asked_for(told["cells"], told["analyses"])
    workspace = workspace if told["has_table"] else workspace.models()
    cluster = read_cluster(layout.STAGES, Path(told["cluster"]), workspace.need.stages)
    cluster = containers.resolved(cluster, workspace.store.root, workspace.study.files.values())
    job, before = os.environ["SLURM_ARRAY_JOB_ID"], ChainProgress(**told["chain_progress"])
    limit, stays = time.monotonic() + DOWN_S, False
    while True:
        try:
            cluster = machines.sized(workspace, cluster)[0]
            wait_until_known(workspace)
            if edited(workspace, told, job):
                tell(workspace, cluster, look(workspace, job))
                return 0
            if not stays:
                make_table(workspace, cluster, flag)
                flag.listen()  # the table's attempt polled it
            stayed, seen = stays, reconcile(workspace, cluster, own_job=job, stays=stays, before=before)
            stays = seen.stays
            print(
                f"{plural(len(seen.submitted), 'array')} submitted{'; no room for another finalizer' if stays else ''}",
                flush=True,
            )
            if not stays and not stayed:
                if not seen.submitted:
                    watchdog.drop(workspace.store.root, job)
                    leave_report(workspace)
                tell(workspace, cluster, seen)
                return 0
            if stays:
                wait_for_room()
            limit = time.monotonic() + DOWN_S
        except ClusterDown as e:  # unknown is not gone
            print(e, file=sys.stderr, flush=True)
            if time.monotonic() > limit:
                raise
            time.sleep(POLL_S)


def leave_report(workspace: Workspace) -> None:
    """The report of what there is now that nothing more is submitted; where it cannot be written, the log says so."""
    from winsweep.report.files import write_after_run

    if note := write_after_run(workspace):
        print(note, flush=True)


def tell(workspace: Workspace, cluster: Cluster, seen: Look) -> None:
    """A person and trackers are told last, when the study goes on or has ended without this job, and within the time
    that this job has left: a tracker that hangs must not bring it back into the queue.
    """
    halted = "" if seen.submitted else halt.reason(workspace.store, workspace.study.name)
    Messenger(workspace, cluster).close(seen.items, halted)
    placed = cluster.placements.of("aggregate", workspace.study.name)
    left_s = 60 * placed.time_min - placed.signal_s - SPARE_S - (time.monotonic() - BEGUN)
    tracking.at_end(workspace, cluster.track, min(left_s, tracking.MOST_S))


def wait_for_room() -> None:
    """Return when the user's jobs are others than now: there may be room. Asks less often the longer it waits."""
    began, before = time.monotonic(), {t.id for t in queue.snapshot()}
    while {t.id for t in queue.snapshot()} == before and time.monotonic() - began < ROOM_S:
        time.sleep(min(2 + (time.monotonic() - began) / 10, 30))


def edited(workspace: Workspace, told: dict, own_job: str) -> bool:
    """Whether the study's file asks for something else than when this job was submitted, which is then left to a
    person.
    """
    now = asked(workspace)
    changed = [label for label in told["cells"] if now["asked"].get(label) != told["asked"][label]]
    # with cells that were cancelled
    gone = {name for name, a in workspace.study.analyses.items() if a.cell.label not in told["cells"]}
    changed += [name for name, key in told["analyses"].items() if now["analyses"].get(name) != key and name not in gone]
    if changed and not look(workspace, own_job).finalizer:
        halt.note(
            workspace.store,
            told["name"],
            f"{told['study']} was edited after it was submitted ({', '.join(changed[:3])}"
            f"{' …' if len(changed) > 3 else ''}), so nothing more was submitted; sweep.py runs it as it is now",
        )
        watchdog.drop(workspace.store.root, own_job)
    return bool(changed)


def wait_until_known(workspace: Workspace) -> None:
    """Return when it is known of every attempt whether it lives, or after a time in which any dead one is known."""
    limit = time.monotonic() + KNOWN_AFTER_S
    while look(workspace).has_unknown and time.monotonic() < limit:
        time.sleep(POLL_S)


def make_table(workspace: Workspace, cluster: Cluster, flag: StopFlag) -> Path | None:
    """The table of every cell that is judged by now, at results/STUDY.csv; None if none is, or wanted, or if its making
    failed.
    """
    done = judged_cells(workspace, look(workspace).items)
    if not done or not workspace.has_table:
        return None
    table = workspace.table(done)
    if table.key not in workspace.store.published() and not history.failures(workspace.store, [table.key]):
        code = attempt.run(
            spec_of(workspace, table, cluster.placements.of("aggregate", workspace.study.name)),
            0,
            1,
            uuid.uuid4().hex[:12],
            flag,
        )
        if code == endings.STOPPED:
            raise Stopped("stopped")
    return publish_table(workspace.store, workspace.study.name, table.key)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
