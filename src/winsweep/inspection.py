"""Every local file of a study, read before anything runs by the code that will read it, so that its faults cost nothing
to find.
"""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from winsweep.amounts import plural
from winsweep.artifact import Artifact, closure
from winsweep.errors import BadData, WinsweepError
from winsweep.store import small_files
from winsweep.store.manifest import write_atomic
from winsweep.workspace import Workspace

# What was found whole, by what was asked of which content; delete it and only time is lost. Its number goes up where a
# look finds what it did not find before.
CACHE = "looked-2.json"


@dataclass(frozen=True)
class Finding:
    """One file as the artifact `made` will read it: `num_rows`, or the `problem` with file, line and what is legal."""

    made: Artifact
    path: Path
    num_rows: int
    problem: str = ""


def findings(workspace: Workspace) -> list[Finding]:
    """A finding for each local file that something still to be made reads rows from; a file that was found whole is not
    read again.

    Rows of tasks and instructions by their readers, given outputs joined with the instructions, the table of
    difficulty. Files that are not there are not looked at (they are the study's `missing`), nor is what comes from a
    hub.
    """
    cache = workspace.store.root / ".cache" / CACHE
    known, found = _known(cache), []
    before = dict(known)
    for a, path, name, read in _looks(workspace):
        if name not in known:
            found.append(_look(a, path, read))
            if not found[-1].problem:
                known[name] = found[-1].num_rows
        else:
            found.append(Finding(a, path, known[name]))
    if known != before:
        with contextlib.suppress(OSError):  # a store that this user may only read
            cache.parent.mkdir(exist_ok=True)
            write_atomic(cache, json.dumps(known, indent=1).encode())
    return found


def refuse(workspace: Workspace) -> None:
    """BadData with every problem of every file, and which cells have none."""
    wrong = [f for f in findings(workspace) if f.problem]
    if wrong:
        keys = {f.made.key for f in wrong}
        in_table = any(f.made.stage == "aggregate" for f in wrong)  # also that of some cells
        whole = [
            label
            for label in workspace.judged
            if not in_table and not keys & {a.key for a in closure(workspace.ends(label))}
        ]
        rest = (
            f"{len(whole)} of {len(workspace.judged)} cells need none of this: --only={whole[0]} makes one of them"
            if whole
            else "every cell needs them"
        )
        raise BadData("\n".join([*dict.fromkeys(f.problem for f in wrong), f"nothing was started; {rest}"]))


def lines(found: list[Finding]) -> list[str]:
    """What a dry run says of the files: a line for each problem, and how many are whole."""
    wrong = list(dict.fromkeys(f.problem for f in found if f.problem))
    num = len({f.path for f in found if not f.problem} - {f.path for f in found if f.problem})
    return [
        *(f"wrong: {line}" for line in wrong),
        *(
            [(f"{plural(num, 'local file')} of rows read to {'their' if num > 1 else 'its'} end, without a fault")]
            if num
            else []
        ),
    ]


def _looks(workspace: Workspace) -> Iterator[tuple[Artifact, Path, str, Callable[[], int]]]:
    """What to read: the artifact that needs it, its file, a name that changes with content and question, and how."""
    files, published = workspace.study.files, workspace.store.published()
    for a in workspace.order:
        if a.key in published:
            continue
        params = a.plain_params if a.stage in ("prepare", "judge", "aggregate") else {}
        if "source" in params and (path := _there(files, params["source"]["data"])):
            yield a, path, a.key, partial(_count_rows, a, files)
        elif a.stage == "judge" and (path := _there(files, params.get("reference"))):
            asked = a.inputs["instructions"]
            name = f"outputs/{params['reference']['sha256']} {asked.key}"
            yield a, path, name, partial(_join, path, asked, files)
        elif a.stage == "aggregate" and (path := _there(files, params.get("difficulty"))):
            yield a, path, f"difficulty/{params['difficulty']['sha256']}", partial(_table, path)


def _there(files: Mapping[str, Path], data: dict | None) -> Path | None:
    path = files.get((data or {}).get("sha256", ""))
    return path if path and path.exists() else None


def _look(a: Artifact, path: Path, read: Callable[[], int]) -> Finding:
    try:
        return Finding(a, path, read())
    except WinsweepError as e:
        said = str(e)
    except Exception as e:  # a fault of a reader that knows no words for it is found here too
        said = f"{type(e).__name__}: {e}"
    return Finding(a, path, 0, said if str(path) in said else f"{path}: {said}")


def _rows(a: Artifact, files: Mapping[str, Path]) -> Iterator[dict]:
    from winsweep.text.prepare import rows_of

    return rows_of(a.plain_params["purpose"], a.plain_params["source"], lambda data: files[data["sha256"]])


def _count_rows(a: Artifact, files: Mapping[str, Path]) -> int:
    return sum(1 for _ in _rows(a, files))


def _join(path: Path, asked: Artifact, files: Mapping[str, Path]) -> int:
    """Rows of given outputs; each instruction must have one, where the instructions are at hand."""
    from winsweep.judge.pairs import by_instruction
    from winsweep.text.source import file_rows

    outputs = by_instruction(path, list(file_rows(path)))
    data = asked.plain_params["source"]["data"]
    if data is None or _there(files, data):
        try:
            missing = [row["instruction"] for row in _rows(asked, files) if row["instruction"] not in outputs]
        except WinsweepError:  # told of its own file
            missing = []
        if missing:
            raise BadData(
                f"{path}: no output for {plural(len(missing), 'instruction')} of {asked.label}, the first being "
                f"{missing[0][:60]!r}; outputs are joined by "
                "the instruction's exact text; complete the file"
            )
    return len(outputs)


def _table(path: Path) -> int:
    from winsweep.stats.official import read_table

    return len(read_table(path).wins_G)


def _known(cache: Path) -> dict[str, int]:
    known = small_files.mapping(cache, small_files.LARGE_BYTES) or {}
    return {name: num for name, num in known.items() if small_files.is_count(num)}
