"""The last job of a submission, `python -m winsweep.closing FOLDER`: tries again what may be tried again, or makes the table."""

import json
import sys
import uuid
from pathlib import Path

from winsweep import attempt, layout
from winsweep.house import House, open_house
from winsweep.placement import Cluster, read_cluster
from winsweep.reconcile import judged_cells, look, tick, write_spec
from winsweep.results import publish_table


def main(folder: Path) -> int:
    told = json.loads((folder / "closing.json").read_bytes())
    house = open_house(Path(told["study"]), Path(told["store"]))
    cluster = read_cluster(layout.STAGES, Path(told["cluster"]), house.need.stages)
    make_table(house, cluster)
    seen = tick(house, cluster)
    print(f"{len(seen.submitted)} arrays submitted", flush=True)
    return 0


def make_table(house: House, cluster: Cluster) -> Path | None:
    """The table of every cell that is judged by now, at results/STUDY.csv; None if no cell is, or if its making failed."""
    done = judged_cells(house, look(house).items)
    if not done:
        return None
    table = house.table(done)
    if table.key not in house.store.published():
        attempt.run(write_spec(house, table, cluster.placements.of("aggregate", house.study.name)), 0, 1, uuid.uuid4().hex[:12])
    return publish_table(house.store, house.study.name, table.key)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
