"""The calibrated columns of a row of the table: of a cell, or of the mean of several seeds."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from winsweep.stats.calibration import NAMES, Z95, calibrated_pct, of_plain
from winsweep.stats.comparison import Scored
from winsweep.stats.uncertainty import over_seeds


def corrected(cells: Sequence[Scored], by: Mapping[str, float]) -> dict[str, float]:
    """The plain win rate of the seeds of an arm as people would give it, see stats.calibration; none for outputs that
    are all the reference's own. `by` is Calibration.plain.

    No judge is asked about identical outputs, which tie for certain: what it was asked is corrected, and they are mixed
    in at 50 %. Shapes: S seeds, N instructions.
    """
    asked_SN = np.array([[not row["is_identical"] for row in cell.kept] for cell in cells])
    if not asked_SN.any():
        return {}
    wins_SN, share = np.stack([cell.judged.wins_N for cell in cells]), float(asked_SN.mean())
    mean = float(wins_SN[asked_SN].mean())
    psi_SN = np.where(asked_SN, wins_SN - mean, 0.0) / share  # of a ratio: its linearization
    seeds_S = psi_SN.mean(axis=1)
    found = over_seeds(100 * (mean + seeds_S), 100 * (psi_SN - seeds_S[:, None]))
    num = max(1, round(share * wins_SN.shape[1]))
    theta, low, high = calibrated_pct(100 * mean, found.error, num, of_plain(by))
    # how many of other instructions would be identical is not certain either
    more = Z95 * float(asked_SN.mean(axis=0).std()) / math.sqrt(wins_SN.shape[1]) * (theta - 50)
    mixed = 50 + share * (theta - 50)
    ends = [mixed + sign * math.hypot(share * (end - theta), more) for sign, end in ((-1, low), (1, high))]
    return dict(zip(NAMES, [mixed, *np.clip(ends, 50 * (1 - share), 50 * (1 + share)).tolist()], strict=True))
