"""The one door to alpaca_eval 0.6.6: its pairwise annotator and its length-controlled win rate, with the hidden globals pinned.

Pinned: no cache file, no leaderboard, no download, no weights in site-packages, one client, and a failed row stays a
failed row (alpaca_eval keeps it as -1 for ever). alpaca_eval decides what it is the reference for: which output is shown
first (its hash of the instruction), how the answer is parsed, and that identical outputs tie without a call. The prompt's
text is put together here, because its own formatting lets an output fill another output's place or open a new chat turn.
"""

import contextlib
import csv
import importlib
import logging
import math
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
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
    win_rate_pct: float
    length: float  # weight of tanh(standardised length difference)
    difficulty: float  # weight of the instruction's difficulty; 0 in the minimal formula
    merit: float  # weight of being the model rather than a gamed baseline


def length_controlled(
    preferences: list[float], chars_1: list[int], chars_2: list[int], table: Path | None, c: float | None = None
) -> Fit:
    """AlpacaEval's own length-controlled win rate of the side that `chars_2` belongs to.

    With a `table` (df_gamed.csv) the formula is length_controlled_v1 and row i is the table's instruction i; without one it is
    length_controlled_minimal. `c` fixes the inverse strength of the L1 penalty instead of 5-fold cross-validation.
    """
    sklearn, glm = importlib.import_module("sklearn"), _import("alpaca_eval.metrics.glm_winrate")
    name = "length_controlled_v1" if table else "length_controlled_minimal"
    info = glm.GLM_INFO[name] | ({} if c is None else {"kwargs": {"n_splits": 0, "C": c}})
    # only the lengths of outputs matter, so no model's text enters pandas; equal names would mean "the baseline itself"
    columns = zip(preferences, chars_1, chars_2, strict=True)
    rows = [{"preference": p, "output_1": "x" * a, "output_2": "x" * b, "generator_1": "r", "generator_2": "c"} for p, a, b in columns]
    with tempfile.TemporaryDirectory() as scratch, _pinned(glm, table or _blank_table(len(rows), Path(scratch))), _third_party_quiet():
        with sklearn.config_context():  # the fit switches a global option on
            said = glm.get_length_controlled_winrate(rows, name, save_weights_dir=scratch, is_warn_extreme_changes=False, glm_info=info)
        length, *difficulty, merit = _weights(Path(scratch) / name / "baseline_r.csv")
    return Fit(float(said["length_controlled_winrate"]), length, difficulty[0] if difficulty else 0.0, merit)


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


def _weights(file: Path) -> list[float]:
    with open(file, newline="") as f:
        return [float(x) for x in list(csv.reader(f))[1][1:]]


def _blank_table(num_rows: int, scratch: Path) -> Path:
    """A table whose difficulty is 0 everywhere: alpaca_eval reads one even for the formula that has no difficulty."""
    path = scratch / "blank.csv"
    rows = "".join(f"none,{i},0.0,0.0,False,0.5\n" for i in range(num_rows))
    path.write_text("model,index,std_delta_len,instruction_difficulty,not_gamed_baseline,preference\n" + rows)
    return path


@contextlib.contextmanager
def _pinned(glm: ModuleType, table: Path) -> Iterator[None]:
    download, glm.hf_hub_download = glm.hf_hub_download, lambda **_: str(table)
    try:
        yield
    finally:
        glm.hf_hub_download = download


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
