"""The table of a dry run: all that can be known of a study's models, judges and machines before anything runs."""

from collections.abc import Sequence

from winsweep.check import early, room
from winsweep.check.room import GpuGb
from winsweep.inspection import Finding
from winsweep.placement import Placements
from winsweep.plan import Item
from winsweep.workspace import Workspace


def say_checks(
    workspace: Workspace,
    placements: Placements,
    items: Sequence[Item],
    num_jobs: int | None,
    gpu_gb: GpuGb | None,
    num_above: int = 0,
) -> int:
    """Print the table of what is still to be made, its last line counting the `num_above` problems said before it too.

    1 if a model is broken, which no environment fixes.
    """
    from winsweep.check.table import table_text  # rich is slow to import

    models, facts = early.models(workspace, items)
    models = [row for row in models if row.finding.what not in early.INSTALL]  # told once, of packages
    found = [
        *models,
        *early.quick(workspace, items),
        *room.rows(workspace.store.root, placements, items, num_jobs, gpu_gb, facts),
    ]
    if found or num_above:
        print(table_text(found, num_above))
    return int(any(row.finding.verdict == "problem" for row in models))


def unreadable(workspace: Workspace, looked: Sequence[Finding]) -> int:
    """How many problems the files of a study have, each said on a line of its own: faults of rows, and files that are
    neither here nor of the web.
    """
    return len({f.problem for f in looked if f.problem}) + len(
        workspace.study.missing.keys() - workspace.study.urls.keys()
    )
