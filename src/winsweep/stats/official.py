"""AlpacaEval's length_controlled_v1 for rows placed by their instruction: its number, the fast fit of it, and how sure
it is.

Shapes: N rows of one comparison, G = 1,610 rows of the two gamed baselines, F = 3 features (length, difficulty, merit),
M comparisons.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.special import expit

from winsweep import paths
from winsweep.amounts import plural
from winsweep.errors import BadData, NotFound
from winsweep.judge import alpaca
from winsweep.quoting import excerpt
from winsweep.stats import glm
from winsweep.stats.annotations import Judged
from winsweep.stats.instruction_index import NUM_ALPACA_EVAL

GamedRow = dict[str, str | None]  # a field that a short row lacks is None
GAMED_WEIGHT = 0.1  # of each row of the two gamed baselines, beside 1 of a judged row (length_controlled_v1)
# within which the fast fit is the official one at the same penalty; liblinear stops at a tolerance of its own
AGREEMENT_PCT = 0.02
NEAR_ZERO = 4.0  # standard errors of a weight within which the penalty may hold it at 0 in another sample
NUM_DRAWS = 8192
BESIDE = "instruction_difficulty.csv"  # the data set's file of difficulties, for a table without them


@dataclass(frozen=True)
class Table:
    """df_gamed.csv of the data set tatsu-lab/alpaca_eval, with a column of difficulty: its text and its numbers."""

    text: str
    x_FG: np.ndarray
    wins_G: np.ndarray

    @property
    def difficulty_N(self) -> np.ndarray:
        return self.x_FG[1, :NUM_ALPACA_EVAL]


def read_table(path: Path) -> Table:
    """The table at `path`, completed from instruction_difficulty.csv beside it where it has no difficulty.

    NotFound if a file is not there; BadData unless it has each of 805 instructions in order, twice.
    """
    rows = _read(path)
    if [row.get("index") for row in rows] != [str(i) for i in range(NUM_ALPACA_EVAL)] * 2:
        legal = f"legal is index 0 to {NUM_ALPACA_EVAL - 1} in order, twice"
        raise BadData(
            f"{path}: found {plural(len(rows), 'row')}; {legal}; fetch df_gamed.csv of the data set "
            "tatsu-lab/alpaca_eval again"
        )
    if "instruction_difficulty" not in rows[0]:
        rows = _completed(rows, path.with_name(BESIDE))
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    lengths_G, difficulty_G, wins_G = (
        _numbers(path, rows, c) for c in ("std_delta_len", "instruction_difficulty", "preference")
    )
    return Table(text.getvalue(), np.stack([np.tanh(lengths_G), difficulty_G, np.zeros_like(wins_G)]), wins_G)


def _numbers(path: Path, rows: Sequence[GamedRow], column: str, name: str = "df_gamed.csv") -> np.ndarray:
    """A column of the table; BadData with the row for what is no finite number."""
    found = []
    for n, row in enumerate(rows, 1):
        if (number := _number(row.get(column))) is None:
            raise BadData(
                f"{path}: row {n}: {column}: found {excerpt(row.get(column))}; a number is legal; fetch {name} of the "
                f"data set tatsu-lab/alpaca_eval again"
            )
        found.append(number)
    return np.array(found)


def _number(text: str | None) -> float | None:
    try:
        found = float(text or "")
    except ValueError:
        return None
    return found if np.isfinite(found) else None


def by_position(judged: Judged) -> Judged:
    """The rows as AlpacaEval's own code takes them: row i has the difficulty of instruction i, even if one before it is
    missing.
    """
    return replace(judged, indices_N=np.arange(len(judged.wins_N)))


def official(judged: Judged, table: Table, c: float | None = None) -> alpaca.Fit:
    """The number that AlpacaEval publishes, by its code and liblinear, for rows of its instructions; `c` as there."""
    preferences, chars_1, chars_2, indices = (
        column.tolist() for column in (judged.wins_N + 1, judged.chars_1_N, judged.chars_2_N, judged.indices_N)
    )
    return alpaca.length_controlled(preferences, chars_1, chars_2, indices, table.text, c)


def fast(comparisons: Sequence[Judged], table: Table, c: float | Sequence[float] | None = None) -> list[alpaca.Fit]:
    """The same model of all comparisons at once, minimised exactly: within AGREEMENT_PCT of `official` at the same
    penalty `c`.

    Without `c` it is chosen over the same folds; where several penalties score alike, liblinear's own error may choose
    another.
    """
    found: dict[int, alpaca.Fit] = {}
    sizes = np.array([np.isfinite(one.wins_N).sum() for one in comparisons])
    for size in np.unique(sizes):
        of = np.flatnonzero(sizes == size).tolist()
        rows = stack([comparisons[i] for i in of], table)
        c_M = glm.choose_strengths(rows) if c is None else np.broadcast_to(np.asarray(c, float), sizes.shape)[of]
        for i, weights_F, strength in zip(of, glm.fit(rows, c_M), c_M):
            win_rate_pct = 100 * float(at_equal_length(comparisons[i], table, weights_F).mean())
            found[i] = alpaca.Fit(win_rate_pct, alpaca.three(weights_F), float(strength))
    return [found[i] for i in range(len(comparisons))]


def stack(comparisons: Sequence[Judged], table: Table) -> glm.Rows:
    """The rows that the model is fitted to, of comparisons with equally many judged rows: first the gamed ones, as
    AlpacaEval has them.
    """
    num = len(comparisons)
    own = [features(one, table)[:, np.isfinite(one.wins_N)] for one in comparisons]
    x_MFN = np.concatenate([np.broadcast_to(table.x_FG, (num, *table.x_FG.shape)), np.stack(own)], axis=2)
    wins_MN = np.stack([np.r_[table.wins_G, one.wins_N[np.isfinite(one.wins_N)]] for one in comparisons])
    weights_N = np.r_[np.full(len(table.wins_G), GAMED_WEIGHT), np.ones(own[0].shape[1])]
    return glm.Rows(x_MFN, wins_MN, np.broadcast_to(weights_N, wins_MN.shape))


def features(judged: Judged, table: Table) -> np.ndarray:
    """Length, difficulty and merit of each row [F, N]; all rows count in the spread of lengths, judged or not."""
    lengths_N = np.tanh(judged.longer_N / judged.longer_N.std(ddof=1))
    return np.stack([lengths_N, table.difficulty_N[judged.indices_N], np.ones_like(lengths_N)])


def at_equal_length(judged: Judged, table: Table, weights_F: np.ndarray) -> np.ndarray:
    """What the candidate is predicted to win of each row [N] if both outputs were equally long."""
    return expit(weights_F[1] * table.difficulty_N[judged.indices_N] + weights_F[2])


def standard_error_pct(judged: Judged, table: Table, fit: alpaca.Fit) -> float:
    """Standard error of the official number over instructions, its penalty and the gamed rows held fixed.

    sd(psi) / sqrt(N), with the influence psi of `influence`. Where the penalty holds a weight at 0, or may in another
    sample, the number has a corner there, and the error is that of the limit in which a minimum with an L1 penalty is
    distributed (Knight & Fu 2000, theorem 2), drawn with a fixed seed.
    """
    psi_N, moved_NF, hessian_FF = influence(judged, table, fit)
    weights_F, num = np.array(fit.weights), len(psi_N)
    error_F = np.sqrt(
        np.maximum(np.diag(np.linalg.pinv(hessian_FF) @ (moved_NF.T @ moved_NF) @ np.linalg.pinv(hessian_FF)), 0)
    )
    if (np.abs(weights_F) > NEAR_ZERO * error_F).all():
        return float(psi_N.std(ddof=1) / num**0.5)
    p_N = at_equal_length(judged, table, weights_F)
    moves_N4 = np.column_stack([moved_NF - moved_NF.mean(axis=0), (p_N - p_N.mean()) / num])
    root_K4 = np.linalg.qr(moves_N4, mode="r")  # K is 4, or the number of rows if these are fewer
    half_D = np.random.default_rng(0).standard_normal((NUM_DRAWS // 2, len(root_K4))) @ root_K4
    draws_D = np.concatenate([half_D, -half_D])
    solved_DF = glm.nearest(hessian_FF, weights_F, _slope(judged, table, fit), draws_D[:, :3], fit.c)
    slope_F = _gradient(judged, table, p_N)
    return float(100 * ((solved_DF - weights_F) @ slope_F + draws_D[:, 3]).std(ddof=1))


def influence(judged: Judged, table: Table, fit: alpaca.Fit) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each row's influence on the number in percent [N], its score [N, F], and the Hessian [F, F] of the weighted
    logloss.

    psi_i = p_i - mean(p) + N * score_i H^-1 J (Huber 1964; the gamed rows are fixed data), with p the prediction at
    equal length and J the gradient of mean(p), over the weights that are not 0.
    """
    weights_F, is_judged_N = np.array(fit.weights), np.isfinite(judged.wins_N)
    rows = stack([judged], table)
    x_FN, p_own_N = rows.x_MFN[0], expit(weights_F @ rows.x_MFN[0])
    hessian_FF = (x_FN * rows.weights_MN[0] * p_own_N * (1 - p_own_N)) @ x_FN.T
    score_NF = np.zeros((len(judged.wins_N), 3))
    score_NF[is_judged_N] = (x_FN * (rows.wins_MN[0] - p_own_N))[:, len(table.wins_G) :].T
    free_F, inverse_FF = weights_F != 0, np.zeros((3, 3))
    inverse_FF[np.ix_(free_F, free_F)] = np.linalg.pinv(hessian_FF[np.ix_(free_F, free_F)])
    p_N = at_equal_length(judged, table, weights_F)
    psi_N = p_N - p_N.mean() + len(p_N) * score_NF @ inverse_FF @ _gradient(judged, table, p_N)
    return 100 * psi_N, score_NF, hessian_FF


def _gradient(judged: Judged, table: Table, p_N: np.ndarray) -> np.ndarray:
    q_N = p_N * (1 - p_N)
    return np.array([0.0, (q_N * table.difficulty_N[judged.indices_N]).mean(), q_N.mean()])


def _slope(judged: Judged, table: Table, fit: alpaca.Fit) -> np.ndarray:
    """The gradient [F] of the weighted logloss at the fit."""
    rows = stack([judged], table)
    x_FN = rows.x_MFN[0]
    return (x_FN * rows.weights_MN[0]) @ (expit(np.array(fit.weights) @ x_FN) - rows.wins_MN[0])


def _completed(rows: list[GamedRow], beside: Path) -> list[GamedRow]:
    given = _read(beside)
    difficulty = {row.get("index"): row.get("instruction_difficulty") for row in given}
    if len(given) != NUM_ALPACA_EVAL or difficulty.keys() != {str(i) for i in range(NUM_ALPACA_EVAL)}:
        found = f"{plural(len(given), 'row')} of {plural(len(difficulty), 'index', 'indices')}"
        raise BadData(
            f"{beside}: found {found}; legal is one for each of 0 to {NUM_ALPACA_EVAL - 1}; fetch {BESIDE} of the "
            f"data set tatsu-lab/alpaca_eval again"
        )
    _numbers(beside, given, "instruction_difficulty", BESIDE)
    return [row | {"instruction_difficulty": difficulty[row["index"]]} for row in rows]


def _read(path: Path) -> list[GamedRow]:
    try:
        raw = paths.opened(path, "legal is the table of AlpacaEval")
        with io.TextIOWrapper(raw, encoding="utf-8", newline="") as f:
            rows = list(csv.DictReader(f))
    except (csv.Error, UnicodeDecodeError) as e:
        raise BadData(
            f"{path}: not a table ({e}); legal is that file of the data set tatsu-lab/alpaca_eval; fetch it again"
        ) from None
    except FileNotFoundError:
        raise NotFound(
            f"{path}: not there; legal is that file of the data set tatsu-lab/alpaca_eval; fetch it once"
        ) from None
    if bad := next((n for n, row in enumerate(rows, 1) if None in row), 0):
        raise BadData(
            f"{path}: row {bad}: more fields than the header has; legal is that file of the data set "
            f"tatsu-lab/alpaca_eval; fetch it again"
        )
    return rows
