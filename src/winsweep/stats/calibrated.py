"""The calibrated columns of a row of the table: of a cell, or of the mean of several seeds."""

from collections.abc import Mapping, Sequence

import numpy as np

from winsweep.stats.calibration import NAMES, calibrated_pct, of_plain
from winsweep.stats.comparison import Scored
from winsweep.stats.uncertainty import over_seeds


def corrected(cells: Sequence[Scored], by: Mapping[str, float]) -> dict[str, float]:
    """The plain win rate of the seeds of an arm as people would give it, see stats.calibration; none for outputs that
    are all the reference's own. `by` is Calibration.plain.
    """
    if all(cell.columns["share_identical"] == 1 for cell in cells):
        return {}
    wins_SN = np.stack([cell.judged.wins_N for cell in cells])
    found = over_seeds(100 * wins_SN.mean(axis=1), 100 * (wins_SN - wins_SN.mean(axis=1, keepdims=True)))
    figures = calibrated_pct(found.value, found.error, wins_SN.shape[1], of_plain(by))
    return dict(zip(NAMES, figures, strict=True))
