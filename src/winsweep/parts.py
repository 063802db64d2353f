"""How one part of a study is read: a model, a source of rows, a judge; and where the local files that they name lie."""

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from winsweep import layout, strict
from winsweep.cell import HubModel, Judge, LocalFile, Model, Source
from winsweep.graph import load
from winsweep.pretrain import Pretrain
from winsweep.strict import Node

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
Fingerprint = Callable[[Path], LocalFile]


class Parts:
    """Reads parts of a study; `files` fills with the local files named, by their sha256."""

    def __init__(self, fingerprint: Fingerprint) -> None:
        self.fingerprint = fingerprint
        self.files: dict[str, Path] = {}

    def model(self, name: str, node: Node) -> Model:
        check_name(name, node)
        given = node.mapping()
        strict.refuse_unknown(given, ("hf_id", "revision", "path", "pretrain", "tokenizer", "recipe"), node)
        kinds = [k for k in ("hf_id", "path", "pretrain") if k in given]
        if len(kinds) != 1:
            raise node.error(f"found {' and '.join(kinds) or 'none of them'}", "exactly one of hf_id, path, pretrain is legal")
        tokenizer = self.local(given["tokenizer"]) if "tokenizer" in given else None
        return Model(name, self.base(kinds[0], given, node), tokenizer)

    def base(self, kind: str, given: dict[str, Node], node: Node) -> HubModel | LocalFile | Pretrain:
        if kind == "path":
            return self.local(given["path"])
        if kind == "pretrain":
            return strict.read(Pretrain, given["pretrain"])
        return strict.read_fields(HubModel, {k: given[k] for k in ("hf_id", "revision") if k in given}, node)

    def source(self, node: Node, name: str, others: tuple[str, ...]) -> Source:
        given = {k: v for k, v in node.mapping().items() if k not in others}
        path, empty = given.pop("path", None), given.pop("empty_instructions", None)
        at = given.pop("from", Node("jsonl", node.file, node.line, node.path))
        reader = module_of(layout.TASKS, "winsweep.tasks", strict.read(str, at), at)
        options = strict.read_fields(reader.Options, given, node)
        if path is None and reader.DATA is None and reader.NEEDS_PATH:
            raise node.error("path is missing", f"the reader {at.value} has no data of its own", getattr(reader, "PATH_HELP", "add path: FILE.jsonl"))
        data = self.local(path) if path else reader.DATA
        return Source(name, at.value, reader.VERSION, options, data, strict.read(bool, empty) if empty else False)

    def local(self, node: Node) -> LocalFile:
        path = (Path(node.file).parent / strict.read(str, node)).resolve()
        if not path.exists():
            raise node.error(f"no file at {path}", "a path is legal, relative to the file that names it", "correct it or put the file there")
        found = self.fingerprint(path)
        self.files[found.sha256] = path
        return found

    def judge(self, node: Node) -> Judge:
        given = dict(node.value) if isinstance(node.value, dict) else {"from": node}
        at = given.pop("from", node)
        module = module_of(layout.JUDGES, "winsweep.judges", strict.read(str, at), at)
        return Judge(at.value, module.VERSION, strict.read_fields(module.Options, given, node))


def module_of(folder: Path, package: str, name: str, at: Node) -> ModuleType:
    """The file `name` of `folder`; an unknown name is an error with the near miss."""
    if name not in names_in(folder):
        raise at.error(f"no file {name}.py in {folder.name}/", strict.near(name, names_in(folder)))
    return load(folder / f"{name}.py", package)


def names_in(folder: Path) -> list[str]:
    return sorted(p.stem for p in folder.glob("*.py") if not p.stem.startswith("_"))


def check_name(name: str, at: Node) -> None:
    if not NAME.fullmatch(name):
        raise at.error(f"found {name!r}", "letters, digits, - and _ are legal, a letter or digit first: it names files")
