"""How one part of a study is read: a model, a source of rows, a judge; and where the local files that they name lie."""

import errno
import itertools
import os
import re
import shlex
import stat
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Literal

from winsweep import command_names, paths, plugins, strict
from winsweep.escapes import visible
from winsweep.quoting import cut, quoted
from winsweep.strict import Node
from winsweep.study import judges
from winsweep.study.cell import HubData, HubModel, Judge, LocalFile, Model, Source
from winsweep.study.names import MOST_LETTERS, check_name
from winsweep.study.pretrain import Pretrain
from winsweep.study.row_options import read_options, take_row_options
from winsweep.study.rules import Grammar
from winsweep.study.sections import ModelSection, RowsEntry
from winsweep.study.web_file import UrlFile

SHA256 = re.compile("[0-9a-f]{64}")
MOST_FILES = 20_000  # of a directory that a study names
URL = re.compile(r"https?://[^\s/]+/\S+")
Fingerprint = Callable[[Path], LocalFile]
Base = HubModel | LocalFile | Pretrain  # where a model comes from


class Parts:
    """Reads parts of the study at `path`; what local files it names fills `files` (by sha256), `urls` and `missing` (by
    path, worded), what grammars `grammars` (by place).
    """

    def __init__(self, path: Path, fingerprint: Fingerprint) -> None:
        self.path, self.fingerprint = path, fingerprint
        self.files: dict[str, Path] = {}
        self.urls: dict[Path, UrlFile] = {}
        self.missing: dict[Path, str] = {}
        self.grammars: dict[str, Grammar] = {}

    def model(self, name: str, node: Node) -> Model | None:
        """One entry of models:, None for one that starts from a cell; BadStudy with everything that is wrong with
        it.
        """
        check_name(name, node)
        if isinstance(node.value, str):
            a_path = node.value.startswith(("/", ".", "~"))
            what = f"path: {node.value}" if a_path else f"hf_id: {node.value}, revision: COMMIT"
            raise node.error(f"found {strict.show(node.value)}", "a mapping is legal here", f"type {name}: {{{what}}}")
        given = node.mapping()
        seen = strict.Findings()
        seen.of(strict.refuse_unknown, given, strict.keys(ModelSection), node)
        kinds = [k for k in ("hf_id", "path", "pretrain", "from") if k in given]
        if len(kinds) != 1:
            seen.found.append(
                str(
                    node.error(
                        f"found {' and '.join(kinds) or 'none of them'}",
                        "exactly one of hf_id, path, pretrain, from is legal",
                    )
                )
            )
        tokenizer = seen.of(self.local, given["tokenizer"]) if "tokenizer" in given else None
        context = seen.of(self.context, given)
        if kinds == ["from"]:
            seen.of(strict.read, str, given["from"])
            for key in ("revision", "tokenizer"):
                seen.of(_refuse_beside_from, key, given)
            seen.stop()
            return None
        base: Base | None = seen.of(self.base, kinds[0], given, node) if len(kinds) == 1 else None
        seen.stop()
        if base is None:
            raise LookupError("a model without a source")
        return Model(name, base, tokenizer, context)

    def context(self, given: Mapping[str, Node]) -> int | None:
        """The tokens that an entry of models: says its model may hold; BadStudy for fewer than 2."""
        tokens: int | None = strict.read(int, given["context"]) if "context" in given else None
        if tokens is not None and tokens < 2:
            raise given["context"].error(f"found {tokens}", "a number of tokens from 2 is legal")
        return tokens

    def base(self, kind: str, given: dict[str, Node], node: Node) -> Base:
        """Where a model comes from: `kind` is the one of hf_id, path and pretrain that is given."""
        if kind == "path":
            return self.folder(given["path"])
        if kind == "pretrain":
            return strict.read(Pretrain, given["pretrain"])
        return strict.read_fields(HubModel, {k: given[k] for k in ("hf_id", "revision") if k in given}, node)

    def folder(self, node: Node) -> LocalFile:
        """What `node` names by a path, which is a directory."""
        found = self.on_disk(node)
        if found.sha256 in self.files and self.files[found.sha256].is_file():
            raise node.error(
                f"found a file, {self.files[found.sha256]}", "the directory of a model is legal", "name it"
            )
        return found

    def source(
        self, node: Node, name: str, purpose: Literal["examples", "instructions"], others: tuple[str, ...] = ()
    ) -> Source:
        """Where rows come from and who reads them for this purpose; keys of `others` are not the reader's. BadStudy."""
        given = {k: v for k, v in node.mapping("path").items() if k not in others}
        path = given.pop("path", None)
        at = given.pop("from", Node("jsonl", node.file, node.line, node.path))
        reader_name: str = strict.read(str, at)
        reader, code = self.plugin(plugins.TASKS, reader_name, at)
        if not hasattr(reader, purpose):
            ours = [n for n in plugins.names(plugins.TASKS) if hasattr(plugins.ours(plugins.TASKS, n), purpose)]
            raise at.error(f"the reader {reader_name} has no {purpose}", f"legal here: {', '.join(ours)}")
        seen = strict.Findings()
        of_rows = seen.of(take_row_options, given, strict.keys(reader.Options)) or {}
        own = strict.keys(reader.Options)
        seen.of(strict.refuse_unknown, given, dict.fromkeys((*own, *strict.keys(RowsEntry), *others)), node)
        options = seen.of(read_options, reader, {k: v for k, v in given.items() if k in own}, purpose, node)
        data = seen.of(self.data, reader, at, path, node)
        seen.stop()
        reading = 2 if self.reads_anew(reader, data) else 1
        read = Source(name, reader_name, reader.VERSION, options, data, reading=reading, code=code)
        return replace(read, **of_rows)

    def data(self, reader: ModuleType, at: Node, path: Node | None, node: Node) -> LocalFile | HubData | None:
        """Where a reader's rows come from: the file named, or its own data."""
        if path is None and reader.DATA is None and reader.NEEDS_PATH:
            raise node.error(
                "path is missing",
                f"the reader {at.value} has no data of its own",
                getattr(reader, "PATH_HELP", "add path: FILE.jsonl"),
            )
        return self.local(path) if path else reader.DATA

    def reads_anew(self, reader: ModuleType, data: LocalFile | HubData | None) -> bool:
        """Whether the reader reads this file otherwise than it once did, see Source.reading."""
        file = self.files.get(data.sha256) if isinstance(data, LocalFile) else None
        return file is not None and hasattr(reader, "reads_anew") and file.is_file() and reader.reads_anew(file)

    def local(self, node: Node) -> LocalFile:
        """What `node` names by a path or as {url, sha256}; if it is not there, it is one of the `missing`."""
        return self.from_web(node) if isinstance(node.value, dict) else self.on_disk(node)

    def on_disk(self, node: Node, most_bytes: int | None = None) -> LocalFile:
        """The file or directory that a path names, relative to the file that says so; else it is `missing`. BadStudy
        for a directory or a file of more than `most_bytes`, before it is read.
        """
        if not (named := strict.read(str, node)).strip():
            raise node.error("found an empty path", "a path is legal, relative to the file that names it", "type one")
        told = Path(node.file).parent / os.path.expanduser(named)
        # realpath: links in a circle lead nowhere, and raise nothing
        path = Path(os.path.realpath(paths.checked(told, f"{node.file}:{node.line}: {node.path}")))
        if not _can_be_read(path, node):
            why = node.error(
                f"no file at {path}",
                "a path is legal, relative to the file that names it",
                "correct it or put the file there",
            )
            self.missing.setdefault(path, str(why))
            return LocalFile(f"missing {path}")  # told apart by path, as nobody knows its content
        if most_bytes is not None and path.is_dir():
            raise node.error("found a directory", "a file is legal here", "name the file in it")
        if most_bytes is not None and (size := path.stat().st_size) > most_bytes:
            raise node.error(f"found {size:,} bytes", f"{most_bytes:,} bytes at most are legal", "write less")
        if path.is_dir() and sum(1 for _ in itertools.islice(path.rglob("*"), MOST_FILES + 1)) > MOST_FILES:
            raise node.error(
                f"found a directory of more than {MOST_FILES:,} files, {path}",
                "a file is legal, or the directory of a model: all of it is read",
                "name that one",
            )
        found = self.known(path, node)
        self.files[found.sha256] = path
        return found

    def known(self, path: Path, node: Node) -> LocalFile:
        """What is at `path`, by its content; BadStudy where that cannot be read."""
        try:
            return self.fingerprint(path)
        except OSError as e:
            raise node.error(
                f"found a file that cannot be read ({e.strerror or e}): {e.filename or path}",
                "files that you may read are legal",
                "correct it, or its permissions",
            ) from None

    def from_web(self, node: Node) -> LocalFile:
        """The file of the web that {url, sha256} names, by its copy here; else it is one of the `missing`."""
        file = strict.read_fields(UrlFile, node.mapping(), node)
        if not URL.fullmatch(file.url):
            raise node.mapping()["url"].error(f"found {quoted(file.url)}", "http://… and https://… are legal")
        if not SHA256.fullmatch(file.sha256):
            raise node.mapping()["sha256"].error(
                f"found {quoted(file.sha256)}", "64 digits 0-9 and a-f are legal", "type what sha256sum says"
            )
        self.files[file.sha256], self.urls[file.path] = file.path, file
        if not file.path.exists() or self.fingerprint(file.path).sha256 != file.sha256:
            why = node.error(
                f"{file.url} is not fetched yet",
                f"type: {command_names.command('run')} {shlex.quote(str(self.path))} --prefetch",
            )
            self.missing.setdefault(file.path, str(why))
        return LocalFile(file.sha256)

    def judge(self, node: Node) -> Judge:
        """A judge by its name, or by from: and its options; BadStudy."""
        return judges.read(node, self)

    def plugin(self, kind: plugins.Kind, name: str, at: Node) -> tuple[ModuleType, LocalFile | None]:
        """The file `name` of a kind, and the user's own as what it contains; an unknown name is an error with the near
        miss.
        """
        beside = Path(at.file).resolve().parent
        path = plugins.own(kind, name, beside)
        if path is None and name not in plugins.names(kind):
            folder = kind.folder.name
            raise at.error(
                f"no file {visible(cut(name, MOST_LETTERS))}.py in {folder}/",
                f"{strict.near(name, plugins.names(kind, beside))}; your own are found in {beside / folder}",
            )
        if path is None:
            return plugins.ours(kind, name), None
        code = self.known(path, at)
        self.files[code.sha256] = path
        return plugins.read_own(kind, path, code.sha256), code


def _can_be_read(path: Path, node: Node) -> bool:
    """Whether a file or a directory is there; BadStudy for what is neither, such as a pipe, read once at most."""
    try:
        mode = path.stat().st_mode
    except OSError as e:
        if e.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return False
        # such as a name that is too long
        raise node.error(f"found a path that cannot be read ({e.strerror})", "a path is legal", "correct it") from e
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise node.error(f"found a pipe or a device, {path}", "a file or a directory is legal", "name one")
    return True


def _refuse_beside_from(key: str, given: Mapping[str, Node]) -> None:
    if key in given:
        raise given[key].error(
            "found it beside from:", "it is that of the cell that the model starts from", "remove it"
        )
