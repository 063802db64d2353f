"""The table of a dry run: everything that can be known of a study's models, judges and machines before anything runs."""

from collections.abc import Sequence

from winsweep.check import early, room
from winsweep.check.room import GpuGb
from winsweep.house import House
from winsweep.placement import Placements
from winsweep.plan import Item


def say_checks(house: House, placements: Placements, items: Sequence[Item], num_jobs: int | None, gpu_gb: GpuGb | None) -> int:
    """Print the table of what is still to be made; 1 if a model is broken, which no environment mends."""
    from winsweep.check.table import table_text  # rich is slow to import

    models, facts = early.models(house, items)
    models = [row for row in models if row.finding.what not in early.INSTALL]  # told once, of packages
    found = [*models, *early.quick(house, items), *room.rows(house.store.root, placements, items, num_jobs, gpu_gb, facts)]
    if found:
        print(table_text(found))
    return int(any(row.finding.verdict == "problem" for row in models))
