"""How a YAML file becomes nodes: values that know the file, line and key where they were written."""

import re
from pathlib import Path

import yaml

from winsweep import paths, synonyms
from winsweep.errors import BadData, BadStudy
from winsweep.quoting import quoted
from winsweep.strict import Findings, Node, near

HALF = re.compile("[\ud800-\udfff]")
STUDY = re.compile(rb"^(models|extends)[ \t]*:", re.MULTILINE)
MOST_LOOKED = 64 << 10  # bytes of a file that may be a study
MOST_ENTRIES = 500_000
MOST_BYTES = 32 << 20
MOST_DEPTH = 50  # of lists and mappings that lie in each other
MOST_NUMBER = 200  # letters of a number, a date or a truth value
MOST_EXPLAINED = 100_000  # letters of a text that PyYAML's own parser reads in a second or two
TAG = "tag:yaml.org,2002:"
COLLECTIONS = ("map", "seq")
NOUNS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
    "timestamp": "a date",
    "value": "a sign of its own",
}
TAB, TABS = "'\\t'", " (indent with spaces, as YAML takes no tabs there)"
LEGAL = "a YAML file is legal"
# what yaml.safe_load raises of a text that others wrote: !!int abc, !!timestamp x, "\\U00110000", [[[[…
ERRORS = (yaml.YAMLError, ValueError, LookupError, AttributeError, OverflowError, RecursionError)


def read_yaml(path: Path) -> Node:
    """The file as Nodes; BadStudy for a file that cannot be read, and as of `parse`."""
    paths.checked(path, "a YAML file")
    try:
        text = paths.read_text(path, MOST_BYTES, LEGAL)
    except FileNotFoundError:
        raise BadStudy(f"{path}: no such file{_beside(path)}") from None
    except OSError as e:
        raise BadStudy(f"{path}: cannot be read: {e.strerror or e}; {LEGAL}") from None
    except UnicodeDecodeError as e:
        line = e.object.count(b"\n", 0, e.start) + 1
        found = f"found the byte 0x{e.object[e.start]:02x}, which is not UTF-8"
        raise BadStudy(f"{path}:{line}: {found}; {LEGAL}; save it as UTF-8") from None
    except BadData as e:  # a pipe, or gigabytes
        raise BadStudy(str(e)) from None
    return parse(text, str(path))


def parse(text: str, file: str, path: str = "") -> Node:
    """A text of YAML as Nodes of `file`, below `path`; BadStudy, with the line, as of `graph`, and for a value that
    YAML cannot read as what it seems, a tag, and a key that is not text or given twice.
    """
    root = graph(text, file)
    return _node(root, file, path) if root else Node(None, file, 1, path)


def graph(text: str, file: str) -> yaml.Node | None:
    """The nodes of PyYAML of a text; BadStudy, with the line, for text that is not YAML, and for more entries, each
    alias counted as what it stands for, or depth than is legal.
    """
    if (most := text.count(",") + text.count("\n")) > MOST_ENTRIES:  # before they are objects in memory
        raise BadStudy(f"{file}: found {most:,} lines and commas; {MOST_ENTRIES:,} are legal; remove some")
    root = _composed(text, file)
    try:
        num = _num_entries(root, {}, file, 0)
    except RecursionError:  # pragma: no cover - where somebody called from deep down
        raise BadStudy(_too_deep(file, 1)) from None
    if num > MOST_ENTRIES:
        raise BadStudy(
            f"{file}: found {num:,} entries, each alias (*) counted as what it stands for; {MOST_ENTRIES:,} are "
            f"legal; remove some"
        )
    return root


def _num_entries(raw: yaml.Node | None, known: dict[int, int], file: str, depth: int) -> int:
    """How many entries there are when each alias stands for a copy; BadStudy where one lies in itself, or too deep."""
    if raw is None or isinstance(raw, yaml.ScalarNode):
        return 1
    if known.get(id(raw)) == 0:
        raise BadStudy(
            f"{file}:{raw.start_mark.line + 1}: an entry holds itself, by an alias (*) within its own anchor (&); "
            "entries that end are legal; remove the alias"
        )
    if depth > MOST_DEPTH:
        raise BadStudy(_too_deep(file, raw.start_mark.line + 1))
    if id(raw) not in known:
        known[id(raw)] = 0
        parts = raw.value if isinstance(raw, yaml.SequenceNode) else [part for pair in raw.value for part in pair]
        known[id(raw)] = 1 + sum(_num_entries(part, known, file, depth + 1) for part in parts)
    return known[id(raw)]


def _too_deep(file: str, line: int) -> str:
    found = f"found more than {MOST_DEPTH} lists and mappings that lie in each other"
    return f"{file}:{line}: {found}; a few are legal; write the file anew"


def _beside(path: Path) -> str:
    """What could have been meant by a file that is not there."""
    if not path.parent.is_dir():
        return f"; {path.parent} is no directory"
    there = sorted(p for p in path.parent.glob("[!.]*") if p.suffix in (".yaml", ".yml") and p.is_file())
    alike = synonyms.closest(path.stem, [p.stem for p in there])
    names = [p.name for p in there if p.stem == alike or _is_study(p)]
    meant = next((f"; did you mean {p.name}?" for p in there if p.stem == alike), "")
    # of its stem alone: all names have the same end
    return f"; {near('', names)}{meant}" if names else f"; {path.parent} has no study, and no YAML file called alike"


def _is_study(path: Path) -> bool:
    """Whether a file looks like a study, by the keys at the left of its first lines."""
    try:
        with paths.opened(path, LEGAL) as file:
            return STUDY.search(file.read(MOST_LOOKED)) is not None
    except (OSError, BadData):
        return False


def _composed(text: str, file: str) -> yaml.Node | None:
    """The graph of a YAML text: by libyaml where it is there, ten times as fast; what it refuses, the slow parser
    explains better.
    """
    fast = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _graph(text, file, fast)
    except BadStudy:
        if fast is yaml.SafeLoader or len(text) > MOST_EXPLAINED:
            raise
    return _graph(text, file, yaml.SafeLoader)


def _graph(text: str, file: str, parser: type) -> yaml.Node | None:
    loader = None
    try:
        loader = parser(text)
        return loader.get_single_node()
    except yaml.YAMLError as e:
        raise BadStudy(_not_yaml(text, file, getattr(loader, "line", 0) + 1, e)) from None
    except RecursionError:
        raise BadStudy(_too_deep(file, getattr(loader, "line", 0) + 1)) from None
    except (ValueError, OverflowError):  # of half a character, and of "\\U00110000", which is none
        found = "found half a character, or an escape that stands for none"
        raise BadStudy(f"{file}:{getattr(loader, 'line', 0) + 1}: {found}; {LEGAL}; correct it") from None


def _not_yaml(text: str, file: str, line: int, error: yaml.YAMLError) -> str:
    """What the parser says, in one line with its place: PyYAML's own words have several, and a part of the file."""
    if isinstance(error, yaml.reader.ReaderError):
        char = chr(error.character) if isinstance(error.character, int) else str(error.character)
        line = text.count("\n", 0, max(text.find(char), 0)) + 1
        return f"{file}:{line}: not YAML: found the character U+{ord(char):04X}; {LEGAL}; remove it"
    mark, begun = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    said = " ".join(filter(None, [getattr(error, "problem", None), getattr(error, "note", None)])) or str(error)
    while_, line = getattr(error, "context", None), mark.line + 1 if mark else line
    behind = f" {while_} of line {begun.line + 1}" if while_ and begun else ""
    shown = (text.splitlines() or [""])[min(line, text.count("\n") + 1) - 1 :][:1]
    here = f"; the line is {quoted(shown[0].strip())}" if shown and shown[0].strip() else ""
    return f"{file}:{line}: not YAML: {said}{behind}{TABS if TAB in said else ''}{here}; {LEGAL}; correct it"


def _node(raw: yaml.Node, file: str, path: str) -> Node:
    line = raw.start_mark.line + 1
    if not isinstance(raw, yaml.ScalarNode) and raw.tag.removeprefix(TAG) not in COLLECTIONS:
        raise _tagged(raw, Node(None, file, line, path))
    if isinstance(raw, yaml.MappingNode):
        return Node(_mapping(raw, file, path), file, line, path)
    if isinstance(raw, yaml.SequenceNode):
        return Node([_node(v, file, f"{path}[{i}]") for i, v in enumerate(raw.value)], file, line, path)
    node = Node(_scalar(raw, Node(raw.value, file, line, path)), file, line, path)
    if isinstance(node.value, str) and (half := HALF.search(node.value)):
        raise node.error(f"found {half[0]!a} alone, half of a character", "whole characters are legal", "remove it")
    return node


def _tagged(raw: yaml.Node, at: Node) -> BadStudy:
    return at.error(f"found the tag {quoted(raw.tag)}", "values without a tag (!) are legal", "take the tag out")


def _scalar(raw: yaml.Node, at: Node) -> object:
    kind, why = raw.tag.removeprefix(TAG), ""
    if kind not in NOUNS:
        raise _tagged(raw, at)
    if kind == "str":
        return raw.value
    try:
        if len(raw.value) <= MOST_NUMBER:
            return yaml.constructor.SafeConstructor().construct_object(raw)
        why = f" of {len(raw.value):,} letters"
    except ValueError as e:  # a date of month 13
        why = f" ({e})"
    except ERRORS:  # =, !!bool abc, !!timestamp abc
        pass
    raise at.error(
        f"found {quoted(raw.value)}, which YAML takes for {NOUNS[kind]}{why}",
        "text, numbers, true and false are legal",
        "quote it" if len(raw.value) > MOST_NUMBER else f"quote it: {quoted(raw.value)}",
    ) from None


def _mapping(raw: yaml.MappingNode, file: str, path: str) -> dict[str, Node]:
    out: dict[str, Node] = {}
    lines: dict[str, int] = {}  # also of entries with an error
    seen = Findings()
    for key, value in raw.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else "…"
        here = Node(name, file, key.start_mark.line + 1, f"{path}.{name}".lstrip("."))
        if not isinstance(key, yaml.ScalarNode):
            what = "a list" if isinstance(key, yaml.SequenceNode) else "a mapping"
            seen.found.append(str(here.error(f"the key is {what}", "names are legal", "type one")))
        elif key.tag != f"{TAG}str":
            seen.found.append(str(here.error(f"the key {quoted(name)} is not text", "keys are names", "quote it")))
        elif name in lines:
            seen.found.append(
                str(here.error("the key is given twice", f"it stands at line {lines[name]} already", "remove one"))
            )
        else:
            lines[name] = here.line
            if (entry := seen.of(_node, value, file, here.path)) is not None:
                out[name] = entry
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
