"""Length-controlled win rates of every published model at hand, ours beside alpaca_eval's: python
tests/benchmarks/bench_lc.py [DRAWS]

For each: the error with its C given, as published and with rows placed by instruction; the error and C by
cross-validation; the fast fit less the official one at the same C; the standard error over that of a bootstrap of DRAWS
(1,000); the head-to-head win rate likewise. Then the times of the whole set, medians of interleaved rounds of one run.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tests.stats.published import Model, arrays_of, as_published, bootstrap_pct, drawn, fitted, paired_bootstrap, table  # noqa: E402
from winsweep.stats import official  # noqa: E402
from winsweep.stats.paired import OWN_REFERENCE, paired  # noqa: E402

NUM_ROUNDS = 3
HEAD = (
    f"{'model':38s} {'published':>9s} {'error, C given':>14s} {'placed':>9s} {'C':>10s} {'C by CV':>10s} "
    f"{'error':>8s} {'fast':>8s} {'±':>6s} {'of boot':>7s} {'paired':>7s} {'±':>6s} {'of boot':>7s}"
)


def line(model: Model, num_draws: int) -> str:
    """The figures of one model, all errors in points."""
    placed, rows = arrays_of(model), as_published(model)
    given, by_place, chosen = (
        official.official(rows, table(), model.c),
        official.official(placed, table(), model.c),
        official.official(rows, table()),
    )
    fast = official.fast([rows], table(), model.c)[0].win_rate_pct - given.win_rate_pct
    error = official.standard_error_pct(rows, table(), given)
    judged = replace(
        drawn(placed, np.flatnonzero(np.isfinite(placed.wins_N))), reference=OWN_REFERENCE if model.era == "ae2" else ""
    )
    alone = paired(judged, table().difficulty_N)
    of_boot = alone.standard_error_pct / paired_bootstrap(judged, num_draws).std(ddof=1)
    return (
        f"{model!s:38s} {model.lc:9.4f} {given.win_rate_pct - model.lc:14.1e} {by_place.win_rate_pct - model.lc:9.1e} "
        f"{model.c:10.4g} {chosen.c:10.4g} "
        f"{chosen.win_rate_pct - model.lc:8.4f} {fast:8.4f} {error:6.3f} "
        f"{error / bootstrap_pct(rows, model.c, num_draws):7.3f} "
        f"{alone.win_rate_pct:7.2f} {alone.standard_error_pct:6.3f} {of_boot:7.3f}"
    )


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    found = fitted()
    print(HEAD)
    for model in found:
        print(line(model, int(sys.argv[1]) if len(sys.argv) > 1 else 1000), flush=True)
    rows, strengths = [as_published(model) for model in found], [model.c for model in found]
    works = {
        "alpaca_eval, C by CV": lambda: [official.official(one, table()) for one in rows],
        "fast, C by CV": lambda: official.fast(rows, table()),
        "alpaca_eval, C given": lambda: [official.official(one, table(), c) for one, c in zip(rows, strengths)],
        "fast, C given": lambda: official.fast(rows, table(), strengths),
    }
    took = {name: [] for name in works}
    for _ in range(NUM_ROUNDS):
        for name, work in works.items():
            took[name].append(seconds(work))
    for slow, quick in (list(works)[:2], list(works)[2:]):
        print(
            f"{len(rows)} models  {slow} {median(took[slow]):.3f} s  {quick} {median(took[quick]):.4f} s  "
            f"{median(took[slow]) / median(took[quick]):.0f} times"
        )


if __name__ == "__main__":
    main()
