"""Put a study's results into one file for others: tables, report, outputs, judgements, and how each was made.

  python launch/archive.py STUDY.yaml study.zip

The file is a zip with RO-Crate metadata. It names no host, user, account or folder of this machine. On another machine
`reproduce.py study.zip` brings the results there and says whether the same would be made.
"""

import argparse
import re
import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from winsweep import arguments, command_end, paths, screen
from winsweep.amounts import plural
from winsweep.command_names import command
from winsweep.errors import WinsweepError
from winsweep.workspace import open_workspace

if TYPE_CHECKING:
    from winsweep.archive.packing import Packed


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.study(p)
    p.add_argument("file", type=paths.argument, metavar="FILE.zip", help="a file that is not there yet")
    p.add_argument(
        "--with-weights", action="store_true", help="put the models in, too: local ones, trained and collected ones"
    )
    p.add_argument(
        "--with-data",
        action="store_true",
        help="put the data to train on in, too: local files of the study, and the rows that were prepared",
    )
    p.add_argument(
        "--license",
        type=licence,
        metavar="URL",
        help="the licence of the archive, such as https://spdx.org/licenses/CC-BY-4.0",
    )
    arguments.store(p)
    return p


def licence(text: str) -> str:
    """An address of a licence; ArgumentTypeError for anything else."""
    if not re.fullmatch(r"https?://[\w./~%+-]+", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"found {text!a}; legal is its address, https://spdx.org/licenses/NAME")
    return text


@command_end.told
def main() -> int:
    a = parser().parse_args()
    try:
        workspace = open_workspace(a.study, a.store, is_made=True)
        from winsweep.archive import packing

        made = paths.folder_made_for(a.file)
        done = packing.pack(workspace, a.file, a.with_weights, a.with_data, a.license or "")
    except WinsweepError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    except OSError as e:
        print(f"error: {e}; nothing was left there; free some room, or name another file", file=sys.stderr)
        return 1
    try:
        print(made, end="")
        say(done)
    except BrokenPipeError:  # the archive is there all the same
        return screen.nobody_reads()
    return 0


def say(done: "Packed") -> None:
    """What is in the archive, what is not, and what comes next."""
    for why, num in sorted(Counter(done.left_out.values()).items()):
        print(screen.printable(f"records alone of {plural(num, 'result')} ({why})"))
    for name, option in done.local_left_out.items():
        print(screen.printable(f"left out: {name}; its sha256 is in ({option} puts it in)"))
    if done.num_missing:
        print(f"not there: {plural(done.num_missing, 'result')} that the study asks for")
    print(f"archived: {plural(done.num_whole, 'result')} in {done.file}, {done.file.stat().st_size / 1e6:,.1f} MB")
    print(f"then:     {command('reproduce')} {shlex.quote(str(done.file))}, on any machine", flush=True)


if __name__ == "__main__":
    sys.exit(main())
