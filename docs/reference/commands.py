"""Commands in Markdown: from an argument parser, and from a Makefile. Pure."""

import argparse
import re
from collections.abc import Iterator

from tables import markdown, sentence

DEFAULT = re.compile(r"\s*\(default: ([^()]*)\)")
WORDS = {"int": "whole number", "float": "number", "argument": "path"}  # by the function that reads an argument
TARGET = re.compile(r"([a-z][\w -]*):(?!=)")


def command(parser: argparse.ArgumentParser, typed: str) -> str:
    """What a command does, and a table of its arguments; `typed` is how it is called."""
    parser.prog = typed
    rows = [_row(action) for action in actions(parser)]
    about = sentence((parser.description or "").strip().partition("\n\n")[0].partition(": python ")[0])
    return f"{about}\n\n```text\n{_usage(parser)}\n```\n\n{markdown(('argument', 'value', 'default', 'meaning'), rows)}"


def actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """The arguments of a command but --help."""
    return [a for a in parser._actions if not isinstance(a, argparse._HelpAction)]


def _usage(parser: argparse.ArgumentParser) -> str:
    """One line for each argument, whatever the width of the terminal."""
    words = [
        a.metavar or a.dest.upper() if not a.option_strings else f"[{a.option_strings[0]}{_operand(a)}]"
        for a in actions(parser)
    ]
    lines = [parser.prog]
    for word in words:
        lines = [*lines[:-1], f"{lines[-1]} {word}"] if len(lines[-1]) + len(word) < 88 else [*lines, f"    {word}"]
    return "\n".join(lines)


def _row(action: argparse.Action) -> tuple[str, str, str, str]:
    said = (action.help or "").replace("%(default)s", str(action.default))
    default = DEFAULT.search(said)
    name = ", ".join(f"`{o}`" for o in action.option_strings) or f"`{action.metavar or action.dest.upper()}`"
    return name, _value(action), _default(action, default[1] if default else ""), sentence(DEFAULT.sub("", said))


def _default(action: argparse.Action, said: str) -> str:
    if not action.option_strings:
        return "—" if action.nargs == "?" else "needed"
    if action.nargs == 0:
        return "off"
    return said or "—"


def _value(action: argparse.Action) -> str:
    if action.choices:
        return "one of " + ", ".join(f"`{c}`" for c in action.choices)
    if action.nargs == 0:
        return "—"
    word = WORDS.get(getattr(action.type, "__name__", ""), "text")
    return f"one or more: {word}" if action.nargs == "+" else word


def _operand(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    word = str(action.metavar or action.dest.upper())
    return f" [{word}]" if action.nargs == "?" else f" {word}"


def targets(makefile: str) -> dict[str, str]:
    """Each public target of a Makefile, and the comment lines right above it."""
    names = public(makefile)
    return {name: " ".join(said) for found, said in _rules(makefile) for name in found if name in names}


def public(makefile: str) -> list[str]:
    """The targets that are no files."""
    return " ".join(re.findall(r"^\.PHONY:(.*)", makefile, re.MULTILINE)).split()


def _rules(makefile: str) -> Iterator[tuple[list[str], list[str]]]:
    above: list[str] = []
    for line in makefile.splitlines():
        if line.startswith("#"):
            above.append(line.lstrip("# "))
            continue
        if (found := TARGET.match(line)) and not line.startswith("\t"):
            yield found[1].split(), above
        if not line.startswith((".PHONY", "ASKED", "$(foreach", "export")):
            above = []
