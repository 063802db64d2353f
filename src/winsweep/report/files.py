"""The files of a report: results/STUDY.html, and that a run leaves it behind."""

import html
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from winsweep import keys
from winsweep.errors import MissingInput
from winsweep.report import page
from winsweep.report.cards import digest
from winsweep.report.chunks import LARGE_MB, files_of, remove_stale
from winsweep.results import path_of
from winsweep.store import links
from winsweep.store.manifest import sha256_file, write_atomic
from winsweep.workspace import Workspace

QUOTED = re.compile(r"""'(?:[^'\\]|\\.){8,}'|"(?:[^"\\]|\\.){8,}\"""")
FOLDERS = re.compile(r"(?<![\w./])/(?:[^\s/'\",:;]+/)+")
WITHOUT = "-without-texts"
HEAD = 4096  # bytes of a page in which its key stands


def report_path(workspace: Workspace) -> Path:
    """Where a study's report lies once it is made."""
    return path_of(workspace).with_suffix(".html")


def write_report(workspace: Workspace, out: Path | None = None, with_texts: bool = True) -> Path:
    """Write the report of a study as the store is now, whole or not at all; where it lies.

    OSError where it cannot be written. Without texts there is nothing in it of what instructions and answers say.
    """
    target = out or links.refuse(report_path(workspace).parent) / report_path(workspace).name
    key = report_key(workspace, with_texts)
    target.parent.mkdir(parents=out is not None, exist_ok=True)
    folder = target.with_suffix(".texts")
    found, entry = _read(workspace, folder if with_texts else None)
    write_atomic(target, page.page(found if with_texts else without_texts(found), entry, key).encode())
    remove_stale(folder, files_of(entry) if entry else ())  # once no page asks for them
    return target


def texts_note(path: Path) -> str:
    """What a person should know of the folder of texts beside a report; "" if nothing."""
    folder = path.with_suffix(".texts")
    size = sum(p.stat().st_size for p in folder.iterdir()) / 1e6 if folder.is_dir() else 0.0
    return (
        f"{folder} has {size:.0f} MB; winsweep report --without-texts leaves the texts out" if size > LARGE_MB else ""
    )


def _read(workspace: Workspace, folder: Path | None) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What the report shows, and what it must know of the texts in `folder`; read once more where somebody took a
    result away meanwhile.
    """
    try:
        return _read_once(workspace, folder)
    except (FileNotFoundError, MissingInput):
        return _read_once(workspace, folder)


def _read_once(workspace: Workspace, folder: Path | None) -> tuple[dict[str, Any], dict[str, Any] | None]:
    from winsweep.report.contents import contents  # numpy and its kin
    from winsweep.report.table import read_table
    from winsweep.report.texts import write_texts

    table = read_table(workspace)
    return contents(workspace, table), write_texts(workspace, table, folder) if folder else None


def write_after_run(workspace: Workspace) -> str:
    """The report of a run that is over, unless the one that is there says the same, and without texts if that one has
    none; a note if it could not be made, and nothing is raised: the run's results stand without it.
    """
    try:
        published = workspace.store.published()
        is_judged = workspace.has_table and any(a.key in published for a in workspace.judged.values())
        known, path = _key_of(report_path(workspace)), report_path(workspace)
        with_texts = not known.endswith(WITHOUT)  # as the one that is there
        if is_judged and known != report_key(workspace, with_texts):
            write_report(workspace, with_texts=with_texts)
            return f"note     {note}" if (note := texts_note(path)) else ""
    except Exception as e:  # whatever it is, a run is not lost for a page about it
        return f"note     {report_path(workspace)} could not be written: {type(e).__name__}: {e}; the results stand"
    return ""


def report_key(workspace: Workspace, with_texts: bool = True) -> str:
    """What a report is made from, as a short text: results, failures, the study's own words, and the page's code; it
    ends in WITHOUT for one without texts.
    """
    facts = workspace.facts()
    asked = {a.key for a in workspace.order}
    found = keys.digest(
        {
            "code": [sha256_file(path) for path in sorted(page.WEB.parent.rglob("*.*")) if path.suffix != ".pyc"],
            "study": [workspace.study.path.name, workspace.study.name, workspace.study.notes],
            "cells": [*workspace.judged],
            "published": sorted(asked & facts.present),
            "failed": dict(facts.failed),
            "card": digest(workspace),
        }
    )
    return found if with_texts else f"{found}{WITHOUT}"


def without_texts(found: Mapping[str, Any]) -> dict[str, Any]:
    """The same for others to read: reasons of failures quote instructions and name folders, which are left out."""
    return dict(found) | {
        "notes": [{name: _public(value) for name, value in note.items()} for note in found["notes"]],
        "state": dict(found["state"])
        | {
            "missing": [{name: _public(value) for name, value in cell.items()} for cell in found["state"]["missing"]],
            "table_note": _public(found["state"]["table_note"]),
        },
    }


def _public(value: Any) -> Any:
    return FOLDERS.sub("…/", QUOTED.sub("…", value)) if isinstance(value, str) else value


def _key_of(path: Path) -> str:
    """The key that stands in the page at `path`; "" if there is none."""
    try:
        with open(path, "rb") as f:
            head = f.read(HEAD).decode("utf-8", "replace")
    except OSError:
        return ""
    return html.unescape(head.partition('name="winsweep-key" content="')[2].partition('"')[0])
