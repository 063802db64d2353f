"""What is in a tracker, read by its own library or format and by nothing of ours: rows as often as they are there."""

import json
import sqlite3
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Found:
    """A run as its tracker has it."""

    name: str
    group: str
    rows: list[dict[str, float]] = field(default_factory=list)  # `step`, and figures by the names of log.jsonl
    final: dict[str, float] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)

    def add(self, step: float, figures: dict[str, float]) -> None:
        rows = {name.removeprefix("train/"): v for name, v in figures.items() if name.startswith("train/")}
        if rows:
            self.rows.append({"step": step, **rows})
        for name, value in figures.items():
            if name.startswith("final/"):
                assert name not in self.final or self.final[name] == value, f"two values of {name}"
                self.final[name] = value


def tensorboard(place: Path, project: str) -> dict[str, Found]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    found = {}
    for folder in sorted({path.parent for path in (place / project).rglob("events.out.tfevents.*")}):
        read = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
        about = read.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
        start = HParamsPluginData.FromString(about).session_start_info
        config = {k: v.string_value or v.number_value for k, v in start.hparams.items()}
        run = found[folder.name[-len("finetune-") - 12 :]] = Found(str(config["name"]), start.group_name, config=config)
        steps: dict[int, dict[str, float]] = {}
        for tag in read.Tags()["scalars"]:
            for event in read.Scalars(tag):
                assert tag not in steps.setdefault(event.step, {}), f"{tag} twice at {event.step}"
                steps[event.step][tag] = event.value
        for step in sorted(steps):
            run.add(step, steps[step])
    return {name.removeprefix("-"): run for name, run in found.items()}


def trackio(place: Path, project: str) -> dict[str, Found]:
    with sqlite3.connect(place / f"{project}.db") as base:
        configs = base.execute("select run_id, run_name, config from configs").fetchall()
        found = {id: Found(name, json.loads(c)["_Group"], config=json.loads(c)) for id, name, c in configs}
        for id, step, figures in base.execute("select run_id, step, metrics from metrics order by step, id"):
            found[id].add(step, json.loads(figures))
    base.close()
    return found


def mlflow(place: Path, project: str) -> dict[str, Found]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{place / 'mlflow.db'}")
    found = {}
    for run in client.search_runs([client.get_experiment_by_name(project).experiment_id]):
        about = run.data
        assert about.tags["winsweep.key"] not in found, "a run twice"
        one = found[about.tags["winsweep.key"]] = Found(run.info.run_name, about.tags["group"], config=about.params)
        steps: dict[int, list[dict[str, float]]] = {}
        for name in about.metrics:
            for m in client.get_metric_history(run.info.run_id, name):
                rows = steps.setdefault(m.step, [{}])
                if name in rows[-1]:
                    rows.append({})
                rows[-1][name] = m.value
        for step in sorted(steps):
            for row in steps[step]:
                one.add(step, row)
    return found


def wandb(place: Path, project: str) -> dict[str, Found]:
    from wandb.proto import wandb_internal_pb2

    found: dict[str, Found] = {}
    for path in sorted((place / project / "wandb").glob("offline-run-*/*.wandb")):
        records = [wandb_internal_pb2.Record.FromString(data) for data in records_of(path.read_bytes())]
        about = next(r.run for r in records if r.HasField("run"))
        config = {item.key: json.loads(item.value_json) for item in about.config.update}
        run = found.setdefault(about.run_id, Found(about.display_name, about.run_group, config=config))
        assert about.project == project and any(r.HasField("exit") for r in records)
        summary: dict[str, float] = {}
        for record in records:
            if record.HasField("history"):
                told = {i.key or i.nested_key[0]: json.loads(i.value_json) for i in record.history.item}
                run.add(told["_step"], told)
            if record.HasField("summary"):
                told = {i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in record.summary.update}
                summary |= {k: v for k, v in told.items() if k.startswith("final/")}
        run.final = summary
    return found


def records_of(data: bytes) -> Iterator[bytes]:
    """The records of a LevelDB log behind wandb's header of 7 bytes: blocks of 32 KiB, records whole or in pieces."""
    assert data[:4] == b":W&B"
    at, pieces = 7, b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        _, size, kind = struct.unpack_from("<IHB", data, at)
        pieces += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # whole, or the last piece
            yield pieces
            pieces = b""
