"""Which file a study extends, and what the two say together."""

import os
from pathlib import Path

from winsweep import paths, strict
from winsweep.errors import BadStudy
from winsweep.strict import Node
from winsweep.yaml_nodes import overlay, read_yaml

MOST_FILES = 20  # that extend each other


def read_extended(path: Path, over: tuple[Path, ...] = ()) -> Node:
    """The file at `path` over the one that it extends:, if it does; BadStudy if a file extends itself, or if they are
    more than MOST_FILES.
    """
    root = read_yaml(path)
    given = root.mapping()
    if "extends" not in given:
        return root
    at, files = given["extends"], (*over, Path(os.path.realpath(path)))
    base = paths.checked(path.parent / strict.read(str, at), f"{at.file}:{at.line}: {at.path}")
    if Path(os.path.realpath(base)) in files:
        raise at.error(f"{base} extends this file", "a study that extends no other must be at the end")
    if len(files) > MOST_FILES:
        raise at.error(f"found {len(files)} files that extend each other", f"{MOST_FILES} are legal", "join some")
    try:
        below = read_extended(base, files)
    except BadStudy as e:
        if base.exists():
            raise
        raise BadStudy(f"{at.file}:{at.line}: extends: {e}") from None
    return overlay(below, Node({k: v for k, v in given.items() if k != "extends"}, root.file, root.line, root.path))
