"""How a YAML file becomes nodes: values that know the file, line and key where they were written."""

import json
import re
from pathlib import Path

import yaml

from winsweep import paths
from winsweep.errors import BadData, BadStudy
from winsweep.strict import Findings, Node, near

HALF = re.compile("[\ud800-\udfff]")
MOST_ENTRIES = 500_000
MOST_BYTES = 32 << 20
TAB, TABS = "'\\t'", "\nindent with spaces: YAML takes no tabs there"


def read_yaml(path: Path) -> Node:
    """The file as Nodes; BadStudy for text that is not YAML, a key that is not text, or a key given twice."""
    paths.checked(path, "a YAML file")
    try:
        root = _compose(paths.read_text(path, MOST_BYTES, "a YAML file is legal"))
    except FileNotFoundError:
        raise BadStudy(f"{path}: no such file{_beside(path)}") from None
    except OSError as e:
        raise BadStudy(f"{path}: cannot be read: {e.strerror or e}; a YAML file is legal") from None
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise BadStudy(f"{path}: not YAML: {e}{TABS if TAB in str(e) else ''}") from None
    except BadData as e:  # a pipe, or gigabytes
        raise BadStudy(str(e)) from None
    except RecursionError:
        raise BadStudy(
            f"{path}: too many lists and mappings lie in each other; a few are legal; write the file anew"
        ) from None
    try:
        if (num := _num_entries(root, {})) > MOST_ENTRIES:
            raise BadStudy(
                f"{path}: found {num:,} entries, each alias (*) counted as what it stands for; {MOST_ENTRIES:,} are "
                f"legal; remove some"
            )
        return _node(root, str(path), "") if root else Node(None, str(path), 1, "")
    except RecursionError:
        raise BadStudy(
            f"{path}: an entry holds itself, by an alias (*) within its own anchor (&); remove the alias"
        ) from None


def _num_entries(raw: yaml.Node | None, known: dict[int, int]) -> int:
    """How many entries there are when each alias stands for a copy; RecursionError where one lies in itself."""
    if raw is None or isinstance(raw, yaml.ScalarNode):
        return 1
    if id(raw) not in known:
        parts = raw.value if isinstance(raw, yaml.SequenceNode) else [value for _, value in raw.value]
        known[id(raw)] = 1 + sum(_num_entries(part, known) for part in parts)
    return known[id(raw)]


def _beside(path: Path) -> str:
    """What could have been meant by a file that is not there."""
    if not path.parent.is_dir():
        return f"; {path.parent} is no directory"
    names = sorted(p.name for p in path.parent.glob("[!.]*") if p.suffix in (".yaml", ".yml") and p.is_file())
    return f"; {near(path.name, names)}" if names else f"; {path.parent} has no YAML file"


def _compose(text: str) -> yaml.Node | None:
    """The graph of a YAML text: by libyaml where it is there, ten times as fast; what it refuses, the slow parser
    explains better.
    """
    try:
        return yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return yaml.compose(text, Loader=yaml.SafeLoader)


def _node(raw: yaml.Node, file: str, path: str) -> Node:
    line = raw.start_mark.line + 1
    if isinstance(raw, yaml.MappingNode):
        return Node(_mapping(raw, file, path), file, line, path)
    if isinstance(raw, yaml.SequenceNode):
        return Node([_node(v, file, f"{path}[{i}]") for i, v in enumerate(raw.value)], file, line, path)
    node = Node(_scalar(raw, Node(raw.value, file, line, path)), file, line, path)
    if isinstance(node.value, str) and (half := HALF.search(node.value)):
        raise node.error(f"found {half[0]!a} alone, half of a character", "whole characters are legal", "remove it")
    return node


def _scalar(raw: yaml.Node, at: Node) -> object:
    try:
        return yaml.constructor.SafeConstructor().construct_object(raw)
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as e:  # a date of month 13, =, !!int a, !own
        kind = raw.tag.removeprefix("tag:yaml.org,2002:")
        why = "" if isinstance(e, yaml.YAMLError) else f" ({e})"
        raise at.error(
            f"found {raw.value[:60]!r}, which YAML takes for a {kind}{why}",
            "text, numbers, true and false are legal",
            f"quote it: {json.dumps(raw.value[:60], ensure_ascii=False)}",
        ) from None


def _mapping(raw: yaml.MappingNode, file: str, path: str) -> dict[str, Node]:
    out: dict[str, Node] = {}
    lines: dict[str, int] = {}  # also of entries with an error
    seen = Findings()
    for key, value in raw.value:
        here = Node(key.value, file, key.start_mark.line + 1, f"{path}.{key.value}".lstrip("."))
        if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
            seen.found.append(str(here.error(f"the key {key.value!r} is not text", "keys are names", "quote it")))
        elif key.value in lines:
            seen.found.append(
                str(here.error("the key is given twice", f"it stands at line {lines[key.value]} already", "remove one"))
            )
        else:
            lines[key.value] = here.line
            if (entry := seen.of(_node, value, file, here.path)) is not None:
                out[key.value] = entry
    seen.stop()
    return out


def overlay(below: Node, over: Node) -> Node:
    """`below` with what `over` says instead: mappings are merged key by key, a key without a value (key: null) is taken
    out.
    """
    if not isinstance(below.value, dict) or not isinstance(over.value, dict):
        return over
    merged = {k: overlay(v, over.value[k]) if k in over.value else v for k, v in below.value.items()} | {
        k: v for k, v in over.value.items() if k not in below.value
    }
    return Node({k: v for k, v in merged.items() if v.value is not None}, over.file, over.line, over.path)
