"""The one door to alpaca_eval 0.6.6: its pairwise annotator and its length-controlled win rate, with the hidden globals pinned.

Pinned: no cache file, no leaderboard, no download, no weights in site-packages, one client, and a failed row stays a
failed row (alpaca_eval keeps it as -1 for ever). alpaca_eval decides what it is the reference for: which output is shown
first (its hash of the instruction), how the answer is parsed, and that identical outputs tie without a call. The prompt's
text is put together here, because its own formatting lets an output fill another output's place or open a new chat turn.
"""

import contextlib
import importlib
import io
import logging
import math
import os
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

from winsweep.errors import Incomplete
from winsweep.judge import endpoint
from winsweep.judge.endpoint import Answer
from winsweep.judges.alpaca import Judge

CHUNK_ROWS = 64  # what a kill can lose
PLACE = re.compile(r"\{(instruction|output_1|output_2)\}")
Row = dict[str, Any]


def annotate(pairs: list[Row], judge: Judge, on_chunk: Callable[[list[Row]], None], num_in_flight: int = 16) -> None:
    """Hand every pair with its preference to `on_chunk`, in order, at most CHUNK_ROWS at a time, judged over the endpoint.

    A pair has `instruction`, `output_1` (the reference's) and `output_2` (the candidate's); the rest of it is kept. Added are
    `preference` in [1, 2] (2: the candidate wins), `raw_completion` (None for a tie without a call), `served_model`,
    `date` (UTC) and the fields of the judge's Identity. Raises BadStudy without a key; Incomplete, naming pairs and reasons, if
    any has no preference: after the last pair, or at once if not one call of a chunk succeeded. Good rows were handed over by then.
    """
    if not pairs:
        return
    client, annotator, failures = endpoint.connect(), _annotator(judge), {}
    for start in range(0, len(pairs), CHUNK_ROWS):
        chunk = pairs[start : start + CHUNK_ROWS]
        good, bad = _judge(chunk, judge, annotator, lambda requests: endpoint.ask_all(client, requests, num_in_flight))
        if good:
            on_chunk(good)
        failures |= {start + i: reason for i, reason in bad.items()}
        if bad and not any(row["raw_completion"] for row in good):
            break
    if failures:
        raise Incomplete(_say_failures(failures, pairs, start + len(chunk), judge))


@dataclass(frozen=True)
class Fit:
    """The official model of one candidate."""

    win_rate_pct: float
    weights: tuple[float, float, float]  # of tanh(standardised length difference), of difficulty, of being the model and no gamed baseline
    c: float  # inverse strength of the L1 penalty


def length_controlled(preferences: list[float], chars_1: list[int], chars_2: list[int], places: list[int], table: str, c: float | None = None) -> Fit:
    """AlpacaEval's own length-controlled win rate (length_controlled_v1) of the side that `chars_2` belongs to.

    `table` is the text of df_gamed.csv; row i has the difficulty of its instruction places[i]. A preference of NaN is a row that was
    not judged: its lengths count, as they do for AlpacaEval. `c` fixes the inverse strength of the penalty instead of 5-fold
    cross-validation, whose folds (scikit-learn's GroupKFold) are the same on every machine from scikit-learn 1.9 on.
    """
    sklearn, pandas, glm = importlib.import_module("sklearn"), importlib.import_module("pandas"), _import("alpaca_eval.metrics.glm_winrate")
    info = glm.GLM_INFO["length_controlled_v1"] | ({} if c is None else {"kwargs": {"n_splits": 0, "C": c}})
    # only the lengths of outputs matter, so no model's text enters pandas; equal names would mean "the baseline itself"
    columns = {"preference": preferences, "output_1": ["x" * n for n in chars_1], "output_2": ["x" * n for n in chars_2]}
    rows = pandas.DataFrame(columns | {"generator_1": "r", "generator_2": "c"}, index=places)
    fitted: list[Any] = []
    with _pinned(glm, table, fitted), _third_party_quiet(), sklearn.config_context():  # the fit switches a global option on
        said = glm.get_length_controlled_winrate(rows, save_weights_dir=None, is_warn_extreme_changes=False, glm_info=info)
    chosen = c if c is not None else float(fitted[0].C_[0])
    return Fit(float(said["length_controlled_winrate"]), tuple(float(w) for w in fitted[0].coef_[0]), chosen)


def _judge(
    chunk: list[Row], judge: Judge, annotator: Any, ask_all: Callable[[list[Row]], list[Answer]]
) -> tuple[list[Row], dict[int, str]]:
    """Rows of the pairs that have a preference, and the reason for each position that has none."""
    # alpaca_eval sees a name for each output; equal names where the outputs are equal, so that it ties them
    names = [(f"{i}-1", f"{i}-1" if pair["output_1"] == pair["output_2"] else f"{i}-2") for i, pair in enumerate(chunk)]
    texts = {name: text for pair, both in zip(chunk, names) for name, text in zip(both, (pair["output_1"], pair["output_2"]))}
    answers: dict[int, Answer] = {}

    def complete(prompts: list[str]) -> dict[str, list[Any]]:
        shown = [tuple(prompt.split()) for prompt in prompts]
        ids = [int(first.split("-")[0]) for first, _ in shown]
        requests = [_request(judge, chunk[i]["instruction"], texts[a], texts[b]) for i, (a, b) in zip(ids, shown)]
        answers.update(zip(ids, ask_all(requests)))
        choices = [answers[i].choice for i in ids]
        return {"completions": [c["text"] if c else "" for c in choices], "completions_all": [c or "" for c in choices]}

    for single in annotator.annotators.values():
        single.prompt_template, single.completions_kwargs, single.fn_completions = "{output_1}\n{output_2}", {}, complete
    found = _preferences(annotator, chunk, names)
    rows, failures = [], {}
    for i, pair in enumerate(chunk):
        answer = answers.get(i, Answer(None))
        if i in found:
            date = datetime.now(UTC).isoformat(timespec="seconds")
            extra = {"raw_completion": answer.choice, "served_model": answer.served_model, "date": date}
            rows.append(pair | {"preference": found[i]} | asdict(judge.identity) | extra)
        else:
            failures[i] = answer.failure or "no preference in the answer"
    return rows, failures


def _preferences(annotator: Any, chunk: list[Row], names: list[tuple[str, str]]) -> dict[int, float]:
    given = [{"instruction": p["instruction"], "output_1": a, "output_2": b} for p, (a, b) in zip(chunk, names)]
    with _third_party_quiet():
        try:
            rows = annotator(given, chunksize=None)
        except AssertionError:  # alpaca_eval throws a whole chunk away for one number outside [1, 2]
            return {}
    found = {int(row["output_1"].split("-")[0]): row["preference"] for row in rows}
    return {i: float(p) for i, p in found.items() if p is not None and math.isfinite(p) and 1 <= p <= 2}


def _request(judge: Judge, instruction: str, output_1: str, output_2: str) -> Row:
    values = {"instruction": instruction, "output_1": output_1, "output_2": output_2}
    # one pass over the template, never over what was put in
    messages = [{"role": role, "content": PLACE.sub(lambda m: values[m[1]], text).strip()} for role, text in judge.messages]
    return judge.request | {"model": judge.identity.model, "messages": messages}


def _annotator(judge: Judge) -> Any:
    annotators = _import("alpaca_eval.annotators")
    with _third_party_quiet():
        return annotators.PairwiseAnnotator(
            annotators_config=str(judge.path), seed=0, caching_path=None, is_avoid_reannotations=False, is_store_missing_annotations=False
        )


def _say_failures(failures: dict[int, str], pairs: list[Row], num_tried: int, judge: Judge) -> str:
    some = "; ".join(f"#{i} {pairs[i]['instruction'][:60]!r}: {reason}" for i, reason in list(failures.items())[:5])
    more = f"; and {len(failures) - 5} more" if len(failures) > 5 else ""
    stop = "" if num_tried == len(pairs) else f" (stopped there: not one call for the last {CHUNK_ROWS} succeeded)"
    told = f"{len(failures)} of {num_tried} pairs tried{stop} have no preference: {some}{more}"
    return f"judge {judge.identity.annotator} with {judge.identity.model}: {told}; every pair needs one; run again to judge what is missing"


@contextlib.contextmanager
def _pinned(glm: ModuleType, table: str, fitted: list[Any]) -> Iterator[None]:
    """The table is read from text instead of the hub, and the fitted model, which alpaca_eval keeps to itself, goes to `fitted`."""
    download, fit = glm.hf_hub_download, glm.fit_LogisticRegressionCV

    def remember(*args: Any, **kwargs: Any) -> Any:
        fitted.append(fit(*args, **kwargs))
        return fitted[-1]

    glm.hf_hub_download, glm.fit_LogisticRegressionCV = lambda **_: io.StringIO(table), remember
    try:
        yield
    finally:
        glm.hf_hub_download, glm.fit_LogisticRegressionCV = download, fit


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
    """Import with the side effects of importing alpaca_eval undone: a .env file read, the root log level, pkg_resources' warning."""
    before, level = set(os.environ), logging.getLogger().level
    with _third_party_quiet():
        found = importlib.import_module(module)
    for name in set(os.environ) - before:
        del os.environ[name]
    logging.getLogger().setLevel(level)
    return found
