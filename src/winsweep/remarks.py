"""What a person should know of answers that are done: that most were cut, are empty, or are the reference's text."""

import contextlib
import csv
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from winsweep import earlier_tables, judge_card, results, screen
from winsweep.amounts import plural
from winsweep.artifact import Artifact
from winsweep.plan import Item
from winsweep.quoting import quoted
from winsweep.store import small_files
from winsweep.store.manifest import write_atomic
from winsweep.store.store import RECORD
from winsweep.study import jury
from winsweep.study.cell import judge_of
from winsweep.workspace import Workspace

WORDS = {
    "share_truncated": (0.25, "of the answers were cut by the limit of new tokens"),
    "share_empty": (0.1, "of the answers are empty"),
    "share_identical": (0.5, "of the answers are the reference's text, word for word: ties that say nothing"),
}
LEVEL = 0.05  # of p after Holm's correction
TOY_JUDGE = "reference_overlap"
UNFAIR = f"there an arm can only tie or lose by {TOY_JUDGE}; give each row an answer, or name another judge"


def remarks(workspace: Workspace, items: Sequence[Item]) -> list[str]:
    """What is remarkable of the answers of judged cells, a line for each fault with the cells that have it (the table
    has the shares as columns); an arm against itself is not.
    """
    if not workspace.has_table:
        return not_looked_at(workspace)
    published = workspace.store.published()
    known = _known(workspace, published)
    found: dict[str, dict[str, float]] = {name: {} for name in WORDS}
    for label, a in workspace.judged.items():
        if a.key in published:
            for name in remarkable(known[a.digest], _with_itself(a)):
                found[name][label] = known[a.digest][name]
    said = [
        f"note     {screen.few(list(of))}: {_percent(of.values())} {WORDS[name][1]}" for name, of in found.items() if of
    ]
    told = (undecided, earlier_tables.lines, unanswerable, absent_categories, judge_card.against)
    return [*said, *(f"note     {line}" for of in told for line in of(workspace)), *not_looked_at(workspace)]


def undecided(workspace: Workspace) -> list[str]:
    """A line for the arms of the current table that cannot be told from 50, with what would tell them."""
    if not results.is_current(workspace, results.judged(workspace)):
        return []
    told = []
    path = results.path_of(workspace).with_suffix(".differences.csv")
    with contextlib.suppress(OSError, ValueError, KeyError, csv.Error), small_files.lines(path) as f:
        rows = [r for r in csv.DictReader(f) if r["against"] == "parity" and float(r["p_holm"]) >= LEVEL]
        told = [f"{row['model']}.{row['arm']} ({_needed(row)})" for row in rows]
    return [f"not told from 50: {screen.few(told)}; at differences as large as those that were seen"] if told else []


def _needed(row: Mapping[str, str]) -> str:
    num = row["instructions_needed"]
    return f"{plural(int(num), 'instruction')} would do" if num else "more seeds are needed"


def unanswerable(workspace: Workspace) -> list[str]:
    """A line for each instruction set whose rows are known by now and that the toy judge is asked about, if rows of it
    have no answer: there that judge lets no arm win.
    """
    judged = [
        a for a in workspace.order if a.stage == "judge" and TOY_JUDGE in {j.name for j in jury.members(judge_of(a))}
    ]
    told = []
    for asked in dict.fromkeys(a.inputs["instructions"] for a in judged):
        rows = _instruction_rows(workspace, asked)
        if num := sum(row.get("answer") is None for row in rows):
            told.append(f"{num:,} of {len(rows):,} instructions of {asked.label} have no answer: {UNFAIR}")
    return told


def absent_categories(workspace: Workspace) -> list[str]:
    """A line for the categories that arms leave out and that no instruction is of, where the rows are known by now: a
    mistyped one leaves nothing out.
    """
    leaving: dict[str, list[str]] = {}
    for cell in workspace.study.table.cells if workspace.has_table else ():
        for category in cell.leave_out if cell.label in workspace.judged else ():
            leaving.setdefault(category, []).append(cell.label)
    if not leaving:
        return []
    asked = next(iter(workspace.judged.values())).inputs["instructions"]
    rows = _instruction_rows(workspace, asked)
    there = sorted({row.get("dataset") or "" for row in rows} - {""})
    odd = [f"{quoted(name)} ({screen.few(of)})" for name, of in leaving.items() if rows and name not in there]
    legal = f"their categories: {screen.few([quoted(name) for name in there], 20)}" if there else "they have none"
    return [f"leave_out: no instruction of {asked.label} is of {screen.few(odd)}; {legal}"] if odd else []


def _instruction_rows(workspace: Workspace, asked: Artifact) -> list[dict]:
    """The rows of an instruction set as prepared, or else of its local file; none where neither is at hand, or the file
    is wrong, which `inspection` tells.
    """
    from winsweep.text.prepare import rows_of

    files, made = workspace.study.files, workspace.store.published().get(asked.key)
    source = asked.plain_params["source"]
    with contextlib.suppress(Exception):  # of a reader that knows no words for it, too
        if made:
            return [json.loads(line) for line in (made / "instructions.jsonl").read_bytes().splitlines()]
        if (source["data"] or {}).get("sha256") in files:
            return list(rows_of("instructions", source, lambda data: files[data["sha256"]]))
    return []


def not_looked_at(workspace: Workspace) -> list[str]:
    """A line for the finetunes that are done and for which held-out rows are named now, but were not when they were
    made: no key moves by that, so they stay.
    """
    published = workspace.store.published()
    made = [a for a in workspace.order if a.stage == "finetune" and a.limits.get("eval") and a.key in published]
    rows = {a.label: a.limits["eval"]["rows"] for a in made}
    notes = {a.label: _notes(published[a.key]).get("held_out", {}) for a in made}
    without = [label for label in rows if notes[label].get("rows") != rows[label]]
    said = f"note     {screen.few(without)}: finetuned before eval: named these rows; the result stays as it is"
    return [said] if without else []


def _notes(made: Path) -> dict:
    try:
        return json.loads((made / RECORD).read_bytes())["notes"]
    except (OSError, ValueError, KeyError):
        return {}


def remarkable(found: Mapping[str, float], with_itself: bool = False) -> list[str]:
    """The shares that are large enough to be said."""
    return [
        name
        for name, (least, _) in WORDS.items()
        if found.get(name, 0.0) >= least and not (with_itself and name == "share_identical")
    ]


def _percent(values: Collection[float]) -> str:
    ends = dict.fromkeys(f"{100 * end(values):.0f}" for end in (min, max))
    return f"{' to '.join(ends)} %"


def told_of(found: Mapping[str, float], with_itself: bool = False) -> str:
    """The shares that are large enough to be said, in words."""
    return "; ".join(f"{100 * found[name]:.0f} % {WORDS[name][1]}" for name in remarkable(found, with_itself))


def shares(annotations: Path) -> dict[str, float]:
    """The shares of a judged comparison by its rows; none where they cannot be read."""
    try:
        rows = json.loads(annotations.read_bytes())
        num = len(rows) or 1
        return {
            "share_truncated": sum(bool(r.get("truncated")) for r in rows) / num,
            "share_empty": sum(not r["output_2"].strip() for r in rows) / num,
            "share_identical": sum(r["output_1"] == r["output_2"] for r in rows) / num,
        }
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return {}


def _known(workspace: Workspace, published: Mapping[str, Path]) -> dict[str, dict[str, float]]:
    """The shares of every judged comparison that is there, by its digest: as the last table has them, or as they were
    when they were read before, which is remembered: each `status` before the table would read thousands.
    """
    memory, told = workspace.store.root / ".cache" / "shares.json", _of_table(workspace)
    try:
        found = small_files.mapping(memory, small_files.LARGE_BYTES) or {}
        before = {digest: of for digest, of in found.items() if _are_shares(of)}
    except OSError:
        before = {}
    known = {**before, **told}
    missing = [a for a in workspace.judged.values() if a.key in published and a.digest not in known]
    read = {a.digest: shares(published[a.key] / "annotations.json") for a in missing}
    if read:
        with contextlib.suppress(OSError):  # a store of another user, say: then all are read again
            memory.parent.mkdir(exist_ok=True)
            write_atomic(memory, json.dumps(before | {digest: of for digest, of in read.items() if of}).encode())
    return known | read


def _are_shares(of: object) -> bool:
    return isinstance(of, dict) and all(isinstance(of.get(name, 0), (int, float)) for name in WORDS)


def _of_table(workspace: Workspace) -> dict[str, dict[str, float]]:
    """The shares by the digest of the comparison, of the study's last table: one file instead of thousands."""
    try:
        with small_files.lines(results.path_of(workspace)) as f:
            return {
                row["judge_key"]: {name: float(row[name] or 0) for name in WORDS}
                for row in csv.DictReader(f)
                if row.get("judge_key")
            }
    except (OSError, ValueError, KeyError, csv.Error):
        return {}


def _with_itself(a: Artifact) -> bool:
    return a.inputs.get("reference") == a.inputs["candidate"]
