"""Which file a study extends, and what the two say together."""

from pathlib import Path

from winsweep import strict
from winsweep.strict import Node
from winsweep.yaml_nodes import overlay, read_yaml


def read_extended(path: Path, over: tuple[Path, ...] = ()) -> Node:
    """The file at `path` over the one that it extends:, if it does; BadStudy if a file extends itself."""
    root = read_yaml(path)
    given = root.mapping()
    if "extends" not in given:
        return root
    base = path.parent / strict.read(str, given["extends"])
    if base.resolve() in (path.resolve(), *over):
        raise given["extends"].error(f"{base} extends this file", "a study that extends no other must be at the end")
    below = read_extended(base, (path.resolve(), *over))
    return overlay(below, Node({k: v for k, v in given.items() if k != "extends"}, root.file, root.line, root.path))
