"""Where a study's judges have batches on their way, as a person reads it: a line for each."""

import time

from winsweep import screen
from winsweep.errors import WinsweepError
from winsweep.judge import asked, batch_records
from winsweep.study import jury
from winsweep.study.cell import judge_of
from winsweep.workspace import Workspace

SHOWN = 10


def lines(workspace: Workspace) -> list[str]:
    """A line for each batch that is not over, of judges that still have something to do, the oldest first."""
    published = workspace.store.published()
    waiting = [a for a in workspace.order if a.stage == "judge" and a.key not in published]
    folders = {}
    for a in waiting:
        for judge in jury.members(judge_of(a)):
            folders[batch_records.folder_of(asked.ledger_of(judge, workspace.store.root).folder)] = judge.name
    told = []
    for folder, name in folders.items():
        try:
            told += [f"batch    judge {name}: {_told(record)}" for record in batch_records.open_ones(folder)]
        except (WinsweepError, OSError) as e:
            told.append(f"batch    judge {name}: {e}")
    more = [f"batch    … and {len(told) - SHOWN} more"] if len(told) > SHOWN else []
    return [screen.printable(line) for line in told[:SHOWN]] + more


def _told(record: batch_records.Record) -> str:
    """Where it is, and when that was asked last."""
    when = f", asked {time.strftime('%a %H:%M', time.localtime(record.looked))}" if record.looked else ""
    return f"{batch_records.told(record)}{when}"
