"""MLflow: a SQLite database with an experiment for each study, or what the variable MLFLOW_TRACKING_URI names."""

import logging
import os
import shlex
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from winsweep.trackers.runs import FINAL, TABLE, TRAIN, Held, Run, named, unnamed

PACKAGES = "mlflow-skinny sqlalchemy alembic"
KEY, ABOUT, GROUP = "winsweep.key", "winsweep.about", "group"  # tags: about is written last
BATCH = 900  # figures of one call: 1,000 are the most that MLflow takes
LONGEST = 6000  # characters of a parameter
URI = "MLFLOW_TRACKING_URI"


def stored(value: float) -> float:
    """A number as a database has it."""
    return float(value)


def show(place: Path, project: str) -> str:
    where = f'"${URI}"' if os.environ.get(URI) else shlex.quote(_own(place))  # theirs may have a password in it
    return f"mlflow ui --backend-store-uri {where}"


def held(place: Path, project: str, run: Run) -> Held:
    with _quiet():
        found = _found(place, project, run)
        steps: dict[int, dict[str, float]] = {}
        for name in [n for n in (found[0].data.metrics if found else ()) if n.startswith(TRAIN)]:
            for figure in _client(place).get_metric_history(found[0].info.run_id, name):
                steps.setdefault(figure.step, {})[name] = figure.value
    rows = [unnamed(figures, step) for step, figures in sorted(steps.items())]
    return Held(rows, found[0].data.tags.get(ABOUT, "") if len(found) == 1 else "")


def write(place: Path, project: str, run: Run, keep: int) -> None:
    """What was said once cannot be taken back: where more is there than stays, the run is deleted, as MLflow does that,
    and made anew.
    """
    with _quiet():
        client, found = _client(place), _found(place, project, run)
        goes_on = len(found) == 1 and _goes_on(found[0], run) and keep == len(held(place, project, run).rows)
        if not goes_on:
            for old in found:
                client.delete_run(old.info.run_id)
        id = found[0].info.run_id if goes_on else _created(place, project, run)
        _log(client, id, run, keep if goes_on else 0)
        client.set_terminated(id)
        client.log_batch(id, tags=[_entities().RunTag(*pair) for pair in {**_tags(run), ABOUT: run.about}.items()])


def _goes_on(found: Any, run: Run) -> bool:
    """Whether rows and final figures can be added to what is there."""
    return found.data.params == _params(run) and not any(name.startswith(FINAL) for name in found.data.metrics)


def _found(place: Path, project: str, run: Run) -> Sequence[Any]:
    client = _client(place)
    experiment = client.get_experiment_by_name(project)
    return client.search_runs([experiment.experiment_id], f"tags.`{KEY}` = '{run.id}'") if experiment else []


def _created(place: Path, project: str, run: Run) -> str:
    client = _client(place)
    experiment = client.get_experiment_by_name(project)
    number = experiment.experiment_id if experiment else client.create_experiment(project)
    made = client.create_run(number, run_name=run.name, tags={KEY: run.id, GROUP: run.group, "kind": run.kind})
    client.log_batch(made.info.run_id, params=[_entities().Param(*pair) for pair in _params(run).items()])
    return made.info.run_id


def _log(client: Any, id: str, run: Run, keep: int) -> None:
    """The time of a figure is its step, so that whoever says it twice says it once."""
    metric = _entities().Metric
    figures = [
        metric(name, value, int(row["step"]), int(row["step"]))
        for row in run.rows[keep:]
        for name, value in named(row).items()
    ]
    figures += [metric(name, value, run.last_step, run.last_step) for name, value in run.final.items()]
    for n in range(0, len(figures), BATCH):
        client.log_batch(id, metrics=figures[n : n + BATCH])


def _params(run: Run) -> dict[str, str]:
    """What was asked for; what a table says of it may change, and stands in tags."""
    return {name: str(value)[:LONGEST] for name, value in run.config.items() if not name.startswith(TABLE)}


def _tags(run: Run) -> dict[str, str]:
    return {name: str(value)[:LONGEST] for name, value in run.config.items() if name.startswith(TABLE)}


def _own(place: Path) -> str:
    return f"sqlite:///{place / 'mlflow.db'}"


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@cache
def _client(place: Path) -> Any:
    place.mkdir(parents=True, exist_ok=True)
    return library(place).MlflowClient(tracking_uri=os.environ.get(URI) or _own(place))


def library(place: Path) -> Any:
    """The package; ImportError where it is missing."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    with _quiet():
        import alembic  # noqa: F401  MLflow imports it once a database is there
        import mlflow
        import sqlalchemy  # noqa: F401

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return mlflow


def _entities() -> Any:
    from mlflow import entities

    return entities
