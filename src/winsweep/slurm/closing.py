"""The last job of a submission, `python -m winsweep.slurm.closing FOLDER`: tries again what may be tried again, or makes the table."""

from winsweep.attempt import stopflag

if __name__ == "__main__":
    stopflag.hold()  # before the imports, which take most of the first second

import json
import os
import sys
import time
import uuid
from pathlib import Path

from winsweep import layout
from winsweep.attempt import attempt, endings, history
from winsweep.attempt.retry import ChainProgress
from winsweep.attempt.stopflag import StopFlag
from winsweep.errors import ClusterDown, Stopped
from winsweep.house import House, open_house
from winsweep.placement import Cluster, read_cluster
from winsweep.results import publish_table
from winsweep.slurm import halt, queue, watchdog
from winsweep.slurm.finalizer import CLOSING_FILE, asked
from winsweep.slurm.node import requeue
from winsweep.slurm.opening import spec_of
from winsweep.slurm.reconcile import judged_cells, look, tick
from winsweep.store.store import Store

SETTLE_S = 90.0  # longer than a silent attempt, or an unanswered sbatch, can stay unknown
DOWN_S = 1800.0  # how long SLURM may be away
POLL_S = 10.0
LINGER_S = 3600.0  # for as long a closing job that found no room does nothing at all while nothing changes


def main(folder: Path) -> int:
    """Look again once all is over; a signal puts this job back into the queue, as without it the study would stand still."""
    flag = StopFlag()
    try:
        flag.listen()
        return close(json.loads((folder / CLOSING_FILE).read_bytes()), flag)
    except Stopped as e:
        print(e, file=sys.stderr, flush=True)
        requeue(f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}")
        return endings.STOPPED
    except Exception as e:  # the study's file may be gone, the disk full: nobody else would say so
        told = json.loads((folder / CLOSING_FILE).read_bytes())
        halt.note(Store(Path(told["store"])), told["name"], f"the closing job could not go on: {type(e).__name__}: {e}")
        raise


def close(told: dict, flag: StopFlag) -> int:
    house = open_house(Path(told["study"]), Path(told["store"])).asked_for(told["cells"], told["analyses"])
    house = house if told["has_table"] else house.models()
    cluster = read_cluster(layout.STAGES, Path(told["cluster"]), house.need.stages)
    job, before = os.environ["SLURM_ARRAY_JOB_ID"], ChainProgress(**told["chain_progress"])
    limit, stays = time.monotonic() + DOWN_S, False
    while True:
        try:
            settle(house)
            if edited(house, told, job):
                return 0
            if not stays:
                make_table(house, cluster, flag)
                flag.listen()  # the table's attempt polled it
            stayed, seen = stays, tick(house, cluster, own_job=job, stays=stays, before=before)
            stays = seen.stays
            print(f"{len(seen.submitted)} arrays submitted{'; no room for another closing job' if stays else ''}", flush=True)
            if not stays and not stayed:
                if not seen.submitted:
                    watchdog.drop(house.store.root, job)
                return 0
            if stays:
                linger()
            limit = time.monotonic() + DOWN_S
        except ClusterDown as e:  # unknown is not gone
            print(e, file=sys.stderr, flush=True)
            if time.monotonic() > limit:
                raise
            time.sleep(POLL_S)


def linger() -> None:
    """Return when the user's jobs are others than now: there may be room. Asks less often the longer it waits."""
    began, before = time.monotonic(), {t.id for t in queue.snapshot()}
    while {t.id for t in queue.snapshot()} == before and time.monotonic() - began < LINGER_S:
        time.sleep(min(2 + (time.monotonic() - began) / 10, 30))


def edited(house: House, told: dict, own_job: str) -> bool:
    """Whether the study's file asks for something else than when this job was submitted, which is then left to a person."""
    now = asked(house)
    changed = [label for label in told["cells"] if now["asked"].get(label) != told["asked"][label]]
    gone = {name for name, a in house.study.analyses.items() if a.cell.label not in told["cells"]}  # with cells that were cancelled
    changed += [name for name, key in told["analyses"].items() if now["analyses"].get(name) != key and name not in gone]
    if changed and not look(house, own_job).closing:
        halt.note(house.store, told["name"], f"{told['study']} was edited after it was submitted ({', '.join(changed[:3])}"
                                              f"{' …' if len(changed) > 3 else ''}), so nothing more was submitted; sweep.py runs it as it is now")
        watchdog.drop(house.store.root, own_job)
    return bool(changed)


def settle(house: House) -> None:
    """Return when it is known of every attempt whether it lives, or after a time in which any dead one is known to be."""
    limit = time.monotonic() + SETTLE_S
    while look(house).unsettled and time.monotonic() < limit:
        time.sleep(POLL_S)


def make_table(house: House, cluster: Cluster, flag: StopFlag) -> Path | None:
    """The table of every cell that is judged by now, at results/STUDY.csv; None if none is, or wanted, or if its making failed."""
    done = judged_cells(house, look(house).items)
    if not done or not house.has_table:
        return None
    table = house.table(done)
    if table.key not in house.store.published() and not history.failures(house.store, [table.key]):
        code = attempt.run(spec_of(house, table, cluster.placements.of("aggregate", house.study.name)), 0, 1, uuid.uuid4().hex[:12], flag)
        if code == endings.STOPPED:
            raise Stopped("stopped")
    return publish_table(house.store, house.study.name, table.key)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
