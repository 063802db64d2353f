"""The logs of a cell's attempts for a person: which one matters now, and its text without anything that a terminal
would act on.
"""

import json
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from winsweep import cell_results, strict, training_log
from winsweep.artifact import Artifact, closure
from winsweep.attempt.history import failures
from winsweep.errors import BadStudy, NotFound
from winsweep.paths import unlinked_opener
from winsweep.plan import state_of
from winsweep.store import small_files
from winsweep.store.store import RECORD
from winsweep.training_log import Steps
from winsweep.workspace import Workspace, chain

STEPS = 10  # of a finetune that are told
CHUNK = 1 << 20  # bytes of a log that are held at a time
POLL_S = 0.5
ESCAPE = re.compile(
    "\x1b\\[[0-?]{0,99}[ -/]{0,9}[@-~]|\x1b[\\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\\\)|\x1b[ -/]{0,9}[0-~]"
)
# Other control characters, and those that turn the direction of text or are no line break to a reader.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """`text` with line breaks and tabs, and without terminal escapes and other control characters; a carriage return
    breaks a line.
    """
    return CONTROL.sub("", ESCAPE.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def steps(workspace: Workspace, label: str, stage: str | None = None) -> list[Artifact]:
    """What a cell is made from, inputs first, without what belongs to the cell that it is compared with; of one stage
    if it is named.
    """
    own = chain(workspace.ends(cell_results.named(workspace, label).label))
    if stage is not None and stage not in own:
        raise BadStudy(f"--stage {stage}: {label} has no such stage; {strict.near(stage, own)}")
    return [a for a in closure(workspace.ends(label)) if a in own.get(a.stage, ()) and stage in (None, a.stage)]


def logs(workspace: Workspace, a: Artifact) -> list[Path]:
    """The logs of rank 0 of all attempts at `a`, or what SLURM wrote down where none came so far; oldest first."""
    found = [p for p in (workspace.store.work(a.key) / "logs").glob("*.log") if not re.search(r"\.r\d+\.log$", p.name)]
    return sorted(found or early(workspace.store.root, a.key), key=lambda p: p.stat().st_mtime)


def early(root: Path, key: str) -> list[Path]:
    """What tasks of `key` printed before their attempt had a log (Python was not found, say), less empty files."""
    found = []
    for path in (root / ".work" / "arrays").glob("*/map.json"):
        told = (small_files.mapping(path, small_files.LARGE_BYTES) or {}).get("keys")
        for index, keys in enumerate(told if isinstance(told, list) else ()):
            if isinstance(keys, list) and key in keys:
                found += [p for p in path.parent.glob(f"*_{index}_*_log.out") if p.stat().st_size]
    return found


def current(workspace: Workspace, label: str, stage: str | None = None) -> Path:
    """The log of the attempt that runs, else of the one that failed (another cell's, if that holds this one up), else
    the last.
    """
    items = workspace.plan(workspace.facts())
    own = steps(workspace, label, stage)
    failed = [a for a in closure(workspace.ends(label)) if state_of(items, a) == "failed"]
    found = [
        (state_of(items, a), path)
        for a in [*own, *(failed if stage is None else [])]
        for path in logs(workspace, a)[-1:]
    ]
    if not found:
        why = next(
            (f"{i.artifact.name}: {i.state}, {i.why}" for i in items if i.artifact in own), "its logs were removed"
        )
        raise NotFound(f"{label}: no attempt has written a log yet; {why}; --follow waits for one")
    return max(found, key=lambda pair: (pair[0] == "running", pair[0] == "failed", pair[1].stat().st_mtime))[1]


def steps_text(workspace: Workspace, path: Path) -> str:
    """The last steps of the finetune whose log is at `path`, and where all of them are; "" for any other stage."""
    own = next((a for a in workspace.order if workspace.store.work(a.key) / "logs" == path.parent), None)
    where = training_log.path_of(workspace.store, own.key) if own else None
    if own is None or where is None:
        return ""
    told = training_log.read_on(where, Steps()).steps[-STEPS:]
    return "".join(f"{line}\n" for line in [f"==> {where}", *training_log.text(workspace.store, own, told)])


def new_steps(workspace: Workspace, own: Sequence[Artifact], seen: dict[str, Steps]) -> str:
    """The last step that each finetune of `own` took since `seen`, which is moved on: a line, or none."""
    told = []
    for a in own:
        where = training_log.path_of(workspace.store, a.key)
        if where is None:
            continue
        before = seen.get(a.key, Steps())
        seen[a.key] = now = training_log.read_on(where, before)
        fresh = now.steps[-1:] if now.steps != before.steps else ()
        told += training_log.text(workspace.store, a, fresh)
    return "".join(f"{line}\n" for line in told)


def title(path: Path) -> str:
    """A line that names a log, and the logs of the other ranks where there are any."""
    others = ", ".join(sorted(p.name for p in path.parent.glob(f"{path.stem}.r*.log")))
    return f"==> {path}" + (f" (other ranks: {others})" if others else "")


def outcome(workspace: Workspace, path: Path) -> str:
    """A line that says how the attempts whose log is at `path` ended, if they did: why they failed, or where and how
    fast the result was made.
    """
    try:
        key = path.resolve().parents[1].relative_to(workspace.store.root / ".work").as_posix()
    except ValueError:  # what SLURM wrote down
        return ""
    made = workspace.store.published().get(key)
    if made is None:
        why = failures(workspace.store, [key]).get(key)
        return clean(f"failed: {why}\n") if why else ""
    try:
        record = json.loads((made / RECORD).read_bytes())
    except FileNotFoundError:
        return ""
    notes = "".join(
        f"; {name} {value}" for name, value in record["notes"].items() if isinstance(value, (int, float, str))
    )
    return clean(f"done: in {record['seconds']:.1f} s on {record.get('node') or record['host']}{notes}"[:1000] + "\n")


def follow(
    workspace: Workspace, label: str, stage: str | None, say: Callable[[str], None], poll_s: float = POLL_S
) -> bool:
    """Say the current log, then what is added to any log of the cell, until the cell is done (True) or has failed
    (False).
    """
    own = steps(workspace, label, stage)
    shown = _current_or_reason(workspace, label, stage, say)
    seen = {path: path.stat().st_size for a in own for path in logs(workspace, a) if path != shown}
    if shown:
        say(f"{title(shown)}\n")
    trained: dict[str, Steps] = {}
    while True:
        over = end(workspace, own, workspace.ends(label))  # before reading: what was written until then is read below
        paths = sorted((p for a in own for p in logs(workspace, a)), key=lambda p: p.stat().st_mtime)
        # a failure may be another cell's
        for path in paths if over is not False else [*paths, current(workspace, label, stage)]:
            while text := new_text(path, seen, last=over is not None):
                say(text if path == shown else f"{title(path)}\n{text}")
                shown = path
        say(new_steps(workspace, own, trained) if over is None else "")
        if over is not None:
            return over
        time.sleep(poll_s)


def _current_or_reason(workspace: Workspace, label: str, stage: str | None, say: Callable[[str], None]) -> Path | None:
    try:
        return current(workspace, label, stage)
    except NotFound as e:
        say(clean(f"{e}\n"))
        return None


def end(workspace: Workspace, own: Sequence[Artifact], ends: Sequence[Artifact]) -> bool | None:
    """Whether the steps named are done (True), or something that the cell needs has failed (False); None while neither
    is so.
    """
    present = workspace.store.published()
    if any(all(a.key in present for a in of) for of in (ends, own)):
        return True
    missing = [a.key for a in closure(ends) if a.key not in present]
    return (
        False
        if failures(workspace.store, [k for k in missing if not workspace.store.holder(k, workspace.alive(k))])
        else None
    )


def new_text(path: Path, seen: dict[Path, int], last: bool = False) -> str:
    """The whole lines that were added to `path` since `seen`, which is moved on; with `last` an unfinished line too."""
    with open(path, "rb", opener=unlinked_opener) as f:
        f.seek(seen.get(path, 0))
        data = f.read(CHUNK)
    if not last and len(data) < CHUNK:
        data = data[: max(data.rfind(b"\n"), data.rfind(b"\r")) + 1]
    seen[path] = seen.get(path, 0) + len(data)
    return clean(data.decode(errors="replace"))
