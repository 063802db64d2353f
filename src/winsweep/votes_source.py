"""Votes wherever a person has them: a file, a file of the web or of a hub data set, or what the report's reader saved,
whose texts are in a study's store.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from winsweep import paths, yaml_nodes
from winsweep.errors import BadData, BadStudy
from winsweep.quoting import quoted
from winsweep.store.manifest import sha256_file
from winsweep.study.cell import HubData
from winsweep.study.web_file import UrlFile
from winsweep.validation import votes
from winsweep.validation.pair import Pair
from winsweep.workspace import Workspace

MOST_BYTES = 1 << 30  # of a file of votes
READER = "winsweep votes"  # the format of files that the reader saves
LEGAL = "legal are a path, {url: …, sha256: …} and {hf_id: …, file: …, revision: …}"


def read(words: str, workspace: Workspace | None) -> tuple[list[Pair], dict[str, str]]:
    """The pairs of votes that `words` name, and what names their source; BadStudy or BadData says what is wrong.

    `workspace` is of the study whose answers a reader of its report voted on.
    """
    path, source = located(words)
    reader = _readers(path)
    if reader is None:
        return votes.read(path), source
    if workspace is None:
        raise BadStudy(
            f"{path}: votes of a report's reader, which name texts by their digests; legal with --study, whose store "
            "has the texts; add --study STUDY.yaml"
        )
    rows = _Reader(path, reader, workspace)
    found = votes.pairs(rows, str(path))
    lost = f"{rows.num_lost} of its {len(rows.votes)} votes are on answers that are not there any more"
    return found, source | ({"note": lost} if rows.num_lost else {})


def located(words: str) -> tuple[Path, dict[str, str]]:
    """Where a file of votes lies, fetched if it must be, and what names it: its address or name, and its sha256."""
    if not words.lstrip().startswith("{"):
        path = paths.checked(words, "--votes")
        if not paths.is_file(path):
            raise BadData(f"--votes: no file at {path}; {LEGAL}; correct the path")
        try:
            if (size := path.stat().st_size) > MOST_BYTES:
                raise BadData(
                    f"--votes: {path} has {size:,} bytes; a file of at most {MOST_BYTES:,} is legal; name another"
                )
            return path, {"name": path.name, "sha256": sha256_file(path)}
        except OSError as e:
            raise BadData(f"--votes: {path} cannot be read ({e.strerror}); {LEGAL}; name another") from None
    given = _mapping(words)
    if set(given) == {"url", "sha256"}:
        return _of_web(UrlFile(given["url"], given["sha256"]))
    if set(given) == {"hf_id", "file", "revision"}:
        from winsweep.text import hub

        path = hub.fetch_data(HubData(given["hf_id"], given["file"], given["revision"]))
        return path, {"name": f"{given['hf_id']} {given['file']} at {given['revision']}", "sha256": sha256_file(path)}
    raise BadStudy(f"--votes: found the keys {', '.join(given) or 'of nothing'}; {LEGAL}; correct them")


def _mapping(words: str) -> dict[str, str]:
    try:
        found = yaml_nodes.parse(words, "--votes").plain()
    except BadStudy:
        found = None
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise BadStudy(f"--votes: {quoted(words)} is no mapping of texts; {LEGAL}; put quotes around digits")
    return {str(k): v for k, v in found.items()}


def _of_web(file: UrlFile) -> tuple[Path, dict[str, str]]:
    from winsweep.prefetch import download
    from winsweep.study.parts import SHA256, URL

    if not URL.fullmatch(file.url) or not SHA256.fullmatch(file.sha256):
        raise BadStudy(
            f"--votes: found url {quoted(file.url)} and sha256 {quoted(file.sha256)}; legal are http://… or https://… "
            "and the 64 digits 0-9 and a-f that sha256sum says"
        )
    if not file.path.exists() or sha256_file(file.path) != file.sha256:
        download(file)
    return file.path, {"name": file.url, "sha256": file.sha256}


def _readers(path: Path) -> dict[str, Any] | None:
    """What a reader saved; None for any other file, which the reader of rows reads."""
    with open(path, "rb") as f:
        if READER.encode() not in f.read(4096):
            return None
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BadData(
            f"{path}: not JSON ({error}); legal is a file that the reader saved; save the votes again"
        ) from None
    if not isinstance(found, dict) or found.get("format") != READER:
        return None
    if found.get("version") != 1 or not isinstance(found.get("votes"), list):
        raise BadData(
            f"{path}: votes of version {quoted(found.get('version'))}; legal is version 1; save the votes again"
        )
    return found


class _Reader:
    """Rows of instruction, two outputs and a vote, of votes that name all three by digests; `where` as that of Rows."""

    def __init__(self, path: Path, found: Mapping[str, Any], workspace: Workspace) -> None:
        self.path, self.votes, self.workspace, self.where = path, found["votes"], workspace, ""
        self.num_lost = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        judged = _Judged(self.workspace)
        for n, vote in enumerate(self.votes):
            self.where = f"{self.path} vote {n}"
            row = judged.row(vote) if isinstance(vote, dict) else None
            self.num_lost += row is None
            if row:
                yield row | {"preference": vote.get("preference")}
        if self.num_lost == len(self.votes):
            raise BadData(
                f"{self.path}: none of its {len(self.votes)} votes is on answers that {self.workspace.store.root} has; "
                "legal are votes on this study's report; name the study and store of that report"
            )


class _Judged:
    """The judged rows of a study's cells, each by the digests of its texts."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace, self.published = workspace, workspace.store.published()
        self.cells: dict[str, dict[tuple[str, ...], dict[str, Any]]] = {}

    def row(self, vote: Mapping[str, Any]) -> dict[str, Any] | None:
        names = tuple(str(vote.get(name)) for name in ("instruction", "output_1", "output_2"))
        return self._of(str(vote.get("cell"))).get(names)

    def _of(self, label: str) -> dict[tuple[str, ...], dict[str, Any]]:
        if label not in self.cells:
            self.cells[label] = self._read(label)
        return self.cells[label]

    def _read(self, label: str) -> dict[tuple[str, ...], dict[str, Any]]:
        from winsweep.report.texts import text_digest

        artifact = self.workspace.judged.get(label)
        if artifact is None or artifact.key not in self.published:
            return {}
        rows = json.loads((self.published[artifact.key] / "annotations.json").read_bytes())
        kept = ("instruction", "output_1", "output_2", "dataset", "answer")
        return {
            tuple(text_digest(row[name]) for name in kept[:3]): {name: row[name] for name in kept if name in row}
            for row in rows
        }
