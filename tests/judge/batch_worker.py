"""A process that judges by batches and goes on when it waited: `python -m tests.judge.batch_worker STORE NUM OUT`."""

import json
import sys
import time
from pathlib import Path

from winsweep.errors import Waiting
from winsweep.judge import batch_visit, batches
from winsweep.judge.batch_files import Sizes
from winsweep.judge.judging import judge_all
from winsweep.judges import alpaca

from . import asking
from .pairs import make_pairs


def main(store: Path, num: int, out: Path) -> None:
    for name in ("UNSEEN_S", "SHORTEST_S", "PAUSE_S"):
        setattr(batch_visit, name, 0.05)
    batches.PAUSE_S = batches.BACKOFF_S = batches.TURN_S = 0.05
    batches.STAY_S = 0.5
    asked = asking.options(batch=True)
    rows: list[dict] = []
    while len(rows) < num:
        ledger = asking.ledger_of(store, asked)
        rows.clear()
        try:
            judge = alpaca.judge(asked)
            ask = batches.asker(judge, asked.limits, ledger, Sizes(requests=max(10, num // 10)))
            judge_all(make_pairs(num), judge, rows.extend, ledger, ask)
        except Waiting as e:
            time.sleep(max(0.0, e.until - time.time()))
    rows.sort(key=lambda row: row["instruction"])
    out.write_text(json.dumps([row | {"date": ""} for row in rows], ensure_ascii=False))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
