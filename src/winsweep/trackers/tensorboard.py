"""TensorBoard: a directory for each run with an event file of its figures, to which is only ever added, and one that
says what was asked for.

Where a training goes back to a checkpoint, a mark of TensorBoard's own says so, and its readers leave out what came
after. Final figures stand one step behind the last. Figures are float32, as TensorBoard's are.
"""

import os
import shlex
import struct
import time
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from winsweep.paths import unlinked_opener
from winsweep.store.manifest import write_atomic
from winsweep.trackers.runs import Held, Run, named, unnamed

PACKAGES = "tensorboard"
ABOUT = "events.out.tfevents.0.about."  # then a digest of what the run was told last
FIGURES = "events.out.tfevents.1.figures"  # read last, by its name, and so for as long as it grows
VERSION = "brain.Event:2"
HEAD, FRAME = struct.Struct("<Q"), 16  # bytes around a record


def stored(value: float) -> float:
    """A number as an event file has it."""
    return struct.unpack("f", struct.pack("f", value))[0]


def show(place: Path, project: str) -> str:
    return f"tensorboard --logdir {shlex.quote(str(place / project))}"


def held(place: Path, project: str, run: Run) -> Held:
    folder = _folder(place, project, run)
    steps: dict[int, dict[str, float]] = {}
    for event in _events(folder / FIGURES):
        if event.HasField("session_log"):
            steps = {step: row for step, row in steps.items() if step < event.step}
        elif event.HasField("summary"):
            steps[event.step] = {v.tag: v.simple_value for v in event.summary.value}
    rows = [row for step, figures in steps.items() if len(row := unnamed(figures, step)) > 1]
    said = [path.name.removeprefix(ABOUT) for path in folder.glob(f"{ABOUT}*")]
    return Held(rows, said[0] if len(said) == 1 else "")


def write(place: Path, project: str, run: Run, keep: int) -> None:
    folder = _folder(place, project, run)
    folder.mkdir(parents=True, exist_ok=True)
    _append(folder / FIGURES, run, keep)
    write_atomic(folder / f"{ABOUT}{run.about}", _asked(run))
    for path in folder.glob(f"{ABOUT}*"):
        if path.name != f"{ABOUT}{run.about}":
            path.unlink()


def _folder(place: Path, project: str, run: Run) -> Path:
    """That of the run, whatever name it had when it was made."""
    known = sorted((place / project).glob(f"*/*-{run.id}"))
    return known[0] if known else place / project / run.group / f"{run.name}-{run.id}"


def _append(path: Path, run: Run, keep: int) -> None:
    """Add what comes after the first `keep` rows in one write, behind the last whole record; what else was there counts
    no more.
    """
    api, now, whole = _library(), time.time(), _whole(path)
    back_to = int(run.rows[keep - 1]["step"]) + 1 if keep else 0
    again = api.Event(wall_time=now, step=back_to, session_log=api.SessionLog(status=api.SessionLog.START))
    events = [again if whole else api.Event(wall_time=now, file_version=VERSION)]
    events += [api.Event(wall_time=now, step=int(r["step"]), summary=_summary(named(r))) for r in run.rows[keep:]]
    events += [api.Event(wall_time=now, step=run.last_step + 1, summary=_summary(run.final))] if run.final else []
    with open(path, "r+b" if path.exists() else "wb", opener=unlinked_opener) as file:
        file.truncate(whole)
        file.seek(whole)
        file.write(b"".join(map(_record, events)))
        file.flush()
        os.fsync(file.fileno())


def _whole(path: Path) -> int:
    """Bytes of the whole records of an event file: the last one may have been cut by a kill."""
    size, at = path.stat().st_size if path.exists() else 0, 0
    with open(path if size else os.devnull, "rb") as file:
        while at + FRAME <= size:
            file.seek(at)
            end = at + FRAME + HEAD.unpack(file.read(HEAD.size))[0]
            if end > size:
                break
            at = end
    return at


def _events(path: Path) -> Iterator[Any]:
    """The whole records of an event file."""
    whole, at = _whole(path), 0
    with open(path if whole else os.devnull, "rb", opener=unlinked_opener) as file:
        data = file.read(whole)
    while at < whole:
        size = HEAD.unpack_from(data, at)[0]
        yield _library().Event.FromString(data[at + 12 : at + 12 + size])
        at += FRAME + size


def _asked(run: Run) -> bytes:
    """What a run was asked for and its group, as TensorBoard's HParams page reads them."""
    api, now = _library(), time.time()
    info = api.SessionStartInfo(group_name=run.group, start_time_secs=now)
    for name, value in {"name": run.name, "kind": run.kind, **run.config}.items():
        setattr(info.hparams[name], "string_value" if isinstance(value, str) else "number_value", value)
    content = api.HParamsPluginData(session_start_info=info, version=api.metadata.PLUGIN_DATA_VERSION)
    about = api.metadata.create_summary_metadata(content)
    start = api.Summary.Value(tag=api.metadata.SESSION_START_INFO_TAG, metadata=about)
    events = [
        api.Event(wall_time=now, file_version=VERSION),
        api.Event(wall_time=now, summary=api.Summary(value=[start])),
    ]
    return b"".join(map(_record, events))


def _summary(figures: Mapping[str, float]) -> Any:
    api = _library()
    return api.Summary(value=[api.Summary.Value(tag=tag, simple_value=value) for tag, value in figures.items()])


def _record(event: Any) -> bytes:
    """An event as it stands in a file: its length and its bytes, each with their check sum."""
    data, crc = event.SerializeToString(), _library().crc
    size = HEAD.pack(len(data))
    return size + struct.pack("<I", crc(size)) + data + struct.pack("<I", crc(data))


def library(place: Path) -> Any:
    """What is used of TensorBoard; ImportError where it is missing."""
    return _library()


@cache
def _library() -> SimpleNamespace:
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionStartInfo

    return SimpleNamespace(
        Event=Event,
        SessionLog=SessionLog,
        Summary=Summary,
        crc=masked_crc32c,
        metadata=metadata,
        HParamsPluginData=HParamsPluginData,
        SessionStartInfo=SessionStartInfo,
    )
