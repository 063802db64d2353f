"""What a shell proposes after `winsweep`: the commands and options that the commands' own parsers know, by shtab."""

import argparse
from collections.abc import Iterator, Mapping

from winsweep import layout, paths
from winsweep.command_names import SCRIPTS
from winsweep.graph import load

SHELLS = ("bash", "zsh", "tcsh")


def script(shell: str, says: Mapping[str, str]) -> str:
    """The completion script of one of SHELLS; `says` has a line for each command."""
    import shtab

    parser = argparse.ArgumentParser(prog="winsweep")
    commands = parser.add_subparsers()
    for name, file in SCRIPTS.items():
        own = load(layout.LAUNCH / f"{file}.py", "winsweep.launch").parser()
        command = commands.add_parser(name, parents=[own], add_help=False, help=says[name])
        for action in _paths(command):
            action.complete = shtab.FILE  # type: ignore[attr-defined] # an attribute that shtab looks for
    commands.add_parser("completion", help=says["completion"]).add_argument("shell", choices=SHELLS)
    return shtab.complete(parser, shell)


def _paths(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    return (action for action in parser._actions if action.type is paths.argument)
