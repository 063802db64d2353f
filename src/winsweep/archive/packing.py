"""An archive written: which results of a study go in whole, of which the record alone, and the list of all of it."""

import json
import mmap
import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from winsweep.archive import crate, public
from winsweep.archive.listed import RECORDS, WHOLE
from winsweep.archive.study_copy import FILE, StudyCopy, copy_of
from winsweep.archive.zipped import STORED, Writer
from winsweep.artifact import Artifact
from winsweep.command_names import command
from winsweep.errors import BadStudy, Damaged, NotFound
from winsweep.keys import plain
from winsweep.store import links, manifest, provenance
from winsweep.store.store import RECORD
from winsweep.study.cell import judge_of
from winsweep.validation import card
from winsweep.workspace import Workspace

FORMAT = 1
LIST, KEYS = "archive.json", "keys.jsonl"
STUDY, RESULTS, CARDS = "study", "results", "cards"
WEIGHTS = ("pretrain", "finetune", "collect")
OF_A_MACHINE = ("check", "check_judge")  # what was looked at before anything was made; looked at anew elsewhere
SHORTEST = 6  # letters of a folder's path that is looked for in files


@dataclass(frozen=True)
class Packed:
    """What went in, and what did not (name to why)."""

    file: Path
    num_whole: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    local_left_out: dict[str, str] = field(default_factory=dict)  # to the option that puts it in
    num_missing: int = 0  # results of the study that are not there


def pack(
    workspace: Workspace, target: Path, with_weights: bool = False, with_data: bool = False, licence: str = ""
) -> Packed:
    """Write the archive of a study's results at `target`, whole or not at all; the same store gives the same bytes.

    BadStudy for a target that is there or a study that cannot go elsewhere, NotFound where nothing is made yet, Damaged
    where a result differs from its manifest, OSError as of the disk.
    """
    if target.exists() or target.is_symlink():
        raise BadStudy(f"{target}: is there already; nothing is written over; name another file")
    published = workspace.store.published()
    if not any(a.key in published for a in workspace.order):
        raise NotFound(f"{workspace.study.name}: nothing of it is made yet, so there is nothing to archive")
    copy = copy_of(workspace)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(partial, "xb") as file:
            writer = Writer(file)
            try:
                done = _fill(writer, workspace, copy, _Choice(with_weights, with_data), licence)
            finally:
                writer.close()
            file.flush()
            os.fsync(file.fileno())
        os.link(partial, target)  # fails where somebody else was quicker
    except FileExistsError:
        raise BadStudy(f"{target}: is there already; nothing is written over; name another file") from None
    finally:
        partial.unlink(missing_ok=True)
    return Packed(target, *done)


@dataclass(frozen=True)
class _Choice:
    with_weights: bool
    with_data: bool

    def why_left_out(self, a: Artifact, made: Path, private: Sequence[bytes]) -> str:
        """Why a result's files do not go in, or no text."""
        if a.stage in WEIGHTS and not self.with_weights:
            return "weights: --with-weights"
        if a.stage in OF_A_MACHINE:
            return "a check of one machine"
        if a.stage == "prepare" and a.plain_params.get("purpose") == "examples" and not self.with_data:
            return "data to train on: --with-data"
        return next((f"{p.name} names a folder of this machine" for p in _small(made) if _has(p, private)), "")


def _fill(
    writer: Writer, workspace: Workspace, copy: StudyCopy, choice: _Choice, licence: str
) -> tuple[int, dict[str, str], dict[str, str], int]:
    published, private = workspace.store.published(), _private(workspace)
    left_out: dict[str, str] = {}
    made: list[dict[str, Any]] = []
    local = _study(writer, copy, choice)
    for source, name in _results(workspace, copy, private):
        writer.add(name, source)
    for path in _cards(workspace):
        writer.add(f"{CARDS}/{path.parent.name}/{path.name}", path)
    there = {a.key: f"{WHOLE}/{a.name}" for a in workspace.order if a.key in published}
    for a in workspace.order:
        if a.key in published and (why := choice.why_left_out(a, published[a.key], private)):
            left_out[a.name], there[a.key] = why, f"{RECORDS}/{a.name}"
    for a in sorted(workspace.order, key=lambda a: a.name):
        if a.key in there:
            record = _artifact(writer, a, published[a.key], there[a.key], a.name not in left_out)
            inputs = sorted(there[i.key] for i in a.inputs.values() if i.key in there)
            made.append({"name": a.name, "folder": there[a.key], "record": record, "inputs": inputs})
    writer.add(KEYS, b"".join(_asked(a, there) for a in sorted(workspace.order, key=lambda a: a.name)))
    graph = crate.metadata(workspace.study.name, workspace.study.notes.strip(), writer.entries, made, licence)
    writer.add(crate.FILE, _json(graph))
    code = provenance.commit()
    told = {
        "format": FORMAT,
        "study": workspace.study.name,
        "winsweep": metadata.version("winsweep"),
        "commit": provenance.commit_text(code),
        "local": local,
        "code": sorted(copy.code),
        "left_out": left_out,
        "files": dict(writer.entries),
    }
    writer.add(LIST, _json(told))
    options = {name: "--with-weights" if about["is_folder"] else "--with-data" for name, about in local.items()}
    lacking = {name: option for name, option in options.items() if not local[name]["is_in"]}
    return len(there) - len(left_out), left_out, lacking, len(workspace.order) - len(there)


def _study(writer: Writer, copy: StudyCopy, choice: _Choice) -> dict[str, dict[str, Any]]:
    """The study and what lies beside it; of each local file or directory its sha256, and whether it is in."""
    writer.add(f"{STUDY}/{FILE}", copy.text.encode())
    for place, (path, _) in sorted(copy.code.items()):
        writer.add(f"{STUDY}/{place}", path)
    told = {}
    for place, (path, sha256) in sorted(copy.local.items()):
        is_in = path.exists() and (choice.with_weights if path.is_dir() else choice.with_data)
        told[place] = {"sha256": sha256, "is_in": is_in, "is_folder": path.is_dir()}
        for file in (manifest.files_of(path) if path.is_dir() else [path]) if is_in else ():
            inside = f"/{file.relative_to(path).as_posix()}" if path.is_dir() else ""
            writer.add(f"{STUDY}/{place}{inside}", file.resolve())
    return told


def _cards(workspace: Workspace) -> Iterator[Path]:
    """The card of the study's judge, where the table is made with it."""
    for a in list(workspace.judged.values())[:1] if workspace.study.table.calibration else ():
        yield card.place(workspace.store.root, judge_of(a), a.plain_params["identity"])


def _results(workspace: Workspace, copy: StudyCopy, private: Sequence[bytes]) -> Iterator[tuple[Path | bytes, str]]:
    """The tables and figures that people read, and the report without texts."""
    folder, name = workspace.store.root / "results", workspace.study.name
    if folder.is_dir() and not folder.is_symlink():
        for path in sorted(links.refuse(p) for p in folder.glob(f"{name}.*")):
            if path.suffix in (".csv", ".json", ".svg") and path.is_file() and not _has(path, private):
                yield path, f"{RESULTS}/{path.name}"
    if page := _report(workspace, copy, private):
        yield page, f"{RESULTS}/{name}.html"


def _report(workspace: Workspace, copy: StudyCopy, private: Sequence[bytes]) -> bytes:
    """The report without texts as of the last result; nothing where nothing is judged, or where it fails."""
    published = workspace.store.published()
    if not workspace.has_table or not any(a.key in published for a in workspace.judged.values()):
        return b""
    dates = [str(crate.published_on([_record(published[a.key])])) for a in workspace.order if a.key in published]
    try:
        from winsweep.report import files, page
        from winsweep.report.contents import contents

        found = files.without_texts(contents(workspace)) | {"made": max(dates)}
        typed = {**copy.typed, str(workspace.study.path): FILE}
        text = page.page(public.replaced(found, typed), None, "").encode()
    except Exception:  # whatever it is: an archive without a page is one
        return b""
    for folder in private:
        text = text.replace(folder, "…".encode())
    return text


def _artifact(writer: Writer, a: Artifact, made: Path, folder: str, is_whole: bool) -> dict[str, Any]:
    """One result, its record fit for others, with a manifest that agrees; Damaged where a file is not as it was."""
    entries = manifest.read(made)
    record = public.record(_record(made))
    for name, entry in sorted(entries.items()) if is_whole else ():
        if name != RECORD and writer.add(f"{folder}/{name}", links.inside(made, made / name)) != entry:
            raise Damaged(f"{made / name}: differs from its manifest; type: {_fsck(made)}")
    entries[RECORD] = writer.add(f"{folder}/{RECORD}", _json(record))
    writer.add(f"{folder}/{manifest.NAME}", _json(entries))
    return record


def _asked(a: Artifact, there: dict[str, str]) -> bytes:
    """What one result of the study was asked for, and where it lies in the archive."""
    inputs = {name: i.key for name, i in a.inputs.items()}
    told = {"stage": a.stage, "label": a.label, "version": a.version, "params": plain(a.plain_params), "inputs": inputs}
    return json.dumps({"key": a.key, "folder": there.get(a.key, ""), **told}, sort_keys=True).encode() + b"\n"


def _record(made: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((made / RECORD).read_bytes()))
    except (OSError, ValueError, TypeError) as e:
        raise Damaged(f"{made / RECORD}: no record ({type(e).__name__}); type: {_fsck(made)}") from None


def _fsck(made: Path) -> str:
    return f"{command('fsck')} {shlex.quote(str(made.parents[1]))}"


def _private(workspace: Workspace) -> list[bytes]:
    """Folders of this machine that no file for others should name."""
    folders = {workspace.store.root, workspace.study.path.resolve().parent, Path.home()}
    folders |= {path.parent for path in workspace.study.files.values()}
    names = {str(folder) for folder in folders if len(str(folder)) >= SHORTEST}
    return sorted((name.encode() for name in names), key=len, reverse=True)


def _small(made: Path) -> list[Path]:
    return [p for p in manifest.files_of(made) if p.name != RECORD and p.suffix not in STORED]


def _has(path: Path, private: Sequence[bytes]) -> bool:
    """Whether a file has one of these texts; read by the system as it is needed."""
    if not path.stat().st_size:
        return False
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return any(data.find(folder) >= 0 for folder in private)


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"
