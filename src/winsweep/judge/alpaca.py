"""The one door to alpaca_eval 0.6.6: its parsers of replies and its length-controlled win rate, with the hidden globals
pinned.

Pinned: no download, no weights in site-packages. Pairs are judged without it: its formatting lets an output fill
another output's place or open a new chat turn, and it keeps a failed row as -1 for ever.
"""

import contextlib
import importlib
import io
import logging
import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

Row = dict[str, Any]


def parse(name: str, kwargs: Row, completion: Any) -> list[Any]:
    """What alpaca_eval's completion parser `name` makes of a reply; it raises whatever a reply makes it raise."""
    return getattr(_import("alpaca_eval.completion_parsers"), name)(completion, **kwargs)


@dataclass(frozen=True)
class Fit:
    """The official model of one candidate."""

    win_rate_pct: float
    # of tanh(standardised length difference), of difficulty, of being the model and no gamed baseline
    weights: tuple[float, float, float]
    c: float  # inverse strength of the L1 penalty


def length_controlled(
    preferences: list[float],
    chars_1: list[int],
    chars_2: list[int],
    indices: list[int],
    table: str,
    c: float | None = None,
) -> Fit:
    """AlpacaEval's own length-controlled win rate (length_controlled_v1) of the side that `chars_2` belongs to.

    `table` is the text of df_gamed.csv; row i has the difficulty of its instruction indices[i]. A preference of NaN is
    a row that was not judged: its lengths count, as they do for AlpacaEval. `c` fixes the inverse strength of the
    penalty instead of 5-fold cross-validation, whose folds (scikit-learn's GroupKFold) are the same on every machine
    from scikit-learn 1.9 on.
    """
    sklearn, pandas, glm = (
        importlib.import_module("sklearn"),
        importlib.import_module("pandas"),
        _import("alpaca_eval.metrics.glm_winrate"),
    )
    info = glm.GLM_INFO["length_controlled_v1"] | ({} if c is None else {"kwargs": {"n_splits": 0, "C": c}})
    # only the lengths of outputs matter, so no model's text enters pandas; equal names would mean "the baseline itself"
    columns = {
        "preference": preferences,
        "output_1": ["x" * n for n in chars_1],
        "output_2": ["x" * n for n in chars_2],
    }
    rows = pandas.DataFrame(columns | {"generator_1": "r", "generator_2": "c"}, index=indices)
    fitted: list[Any] = []
    # the fit switches a global option on
    with _pinned(glm, table, fitted), _third_party_quiet(), sklearn.config_context():
        said = glm.get_length_controlled_winrate(
            rows, save_weights_dir=None, is_warn_extreme_changes=False, glm_info=info
        )
    chosen = c if c is not None else float(fitted[0].C_[0])
    return Fit(float(said["length_controlled_winrate"]), three(fitted[0].coef_[0]), chosen)


def three(weights: Iterable[float]) -> tuple[float, float, float]:
    """The weights of a Fit, as plain numbers."""
    length, difficulty, merit = map(float, weights)
    return length, difficulty, merit


@contextlib.contextmanager
def _pinned(glm: ModuleType, table: str, fitted: list[Any]) -> Iterator[None]:
    """The table is read from text instead of the hub, and the fitted model, which alpaca_eval keeps to itself, goes to
    `fitted`.
    """
    before = {name: vars(glm)[name] for name in ("hf_hub_download", "fit_LogisticRegressionCV")}

    def remember(*args: Any, **kwargs: Any) -> Any:
        fitted.append(before["fit_LogisticRegressionCV"](*args, **kwargs))
        return fitted[-1]

    vars(glm).update(hf_hub_download=lambda **_: io.StringIO(table), fit_LogisticRegressionCV=remember)
    try:
        yield
    finally:
        vars(glm).update(before)


@contextlib.contextmanager
def _third_party_quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        # the formula is what liblinear returns, converged or not; published figures hold such folds too
        for message in ("pkg_resources is deprecated", "Inconsistent values: penalty", "Liblinear failed to converge"):
            warnings.filterwarnings("ignore", message, UserWarning)
        yield


def _import(module: str) -> ModuleType:
    """Import with the side effects of importing alpaca_eval undone: a .env file read, the root log level,
    pkg_resources' warning.
    """
    before, level = set(os.environ), logging.getLogger().level
    with _third_party_quiet():
        found = importlib.import_module(module)
    for name in set(os.environ) - before:
        del os.environ[name]
    logging.getLogger().setLevel(level)
    return found
