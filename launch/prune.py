"""Remove results that no study needs. It lists them and asks first.

  python launch/prune.py STUDY.yaml [STUDY.yaml ...]     keep what these studies want; offer the rest

What the table of another study was made from stays, unless --others is given.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from winsweep import arguments, command_end, paths, screen
from winsweep.amounts import plural
from winsweep.errors import WinsweepError
from winsweep.pruning import Waste, closed, remove, spared, waste
from winsweep.retention import kept
from winsweep.store import disk
from winsweep.store.lookup import untidy
from winsweep.workspace import Workspace, open_workspace

MOST_LINES = 40


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument(
        "studies", type=paths.argument, nargs="+", metavar="STUDY.yaml", help="every study whose results must stay"
    )
    p.add_argument(
        "--others", action="store_true", help="offer also what other studies' tables, or running studies, need"
    )
    p.add_argument("--verbose", action="store_true", help="list every directory, however many there are")
    p.add_argument("--yes", action="store_true", help="remove without asking")
    arguments.store(p)
    return p


@command_end.told
def main() -> int:
    a = parser().parse_args()
    try:
        workspaces = [open_workspace(study, a.store, is_made=True) for study in a.studies]
        left = untidy(workspaces[0].store.root)
        others = {} if a.others else kept(workspaces, left)
        found = waste(workspaces, others, left)
        stay = closed(found)
        found = [w for w in found if w not in stay]
        say(workspaces, others, found, a.verbose)
        if stay:
            said = plural(len(stay), "more directory is", "more directories are")
            print(screen.printable(f"{said} left alone: another user owns folders there, such as {stay[0].path}"))
    except WinsweepError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # nobody saw what would go, so nothing goes
        screen.nobody_reads()
        return 130
    except OSError as e:
        print(f"error: {disk.words(e, a.store)}", file=sys.stderr)
        return 2
    if found and (a.yes or agreed()):
        remove(found)
        print("removed")
    return 0


def say(workspaces: Sequence[Workspace], others: Mapping[str, str], found: Sequence[Waste], is_verbose: bool) -> None:
    """Print what would go, and for whom the rest stays."""
    for study, (num, num_bytes) in sorted(spared(workspaces, others).items()):
        print(
            f"{num_bytes / 1e6:10.1f} MB  in {plural(num, 'directory is', 'directories are')} left alone for "
            f"{screen.printable(study)} (--others offers them too)"
        )
    print("".join(f"{screen.printable(line)}\n" for line in listed(found, is_verbose)), end="")
    print(
        f"{sum(w.num_bytes for w in found) / 1e6:10.1f} MB in {plural(len(found), 'directory', 'directories')}",
        flush=True,
    )


def listed(found: Sequence[Waste], is_verbose: bool) -> list[str]:
    """A line for each directory; of very many one for each folder and reason."""
    if is_verbose or len(found) <= MOST_LINES:
        return [f"{w.num_bytes / 1e6:10.1f} MB  {w.path}  ({w.why})" for w in found]
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for w in found:
        num, num_bytes = sums.get(name := (str(w.path.parent), w.why), (0, 0))
        sums[name] = (num + 1, num_bytes + w.num_bytes)
    lines = [f"{size / 1e6:10.1f} MB  {num} in {folder}/  ({why})" for (folder, why), (num, size) in sums.items()]
    return [*lines, "each one by its path: --verbose"]


def agreed() -> bool:
    try:
        return input("Remove them? [y/N] ").strip().lower() == "y"
    except (EOFError, RuntimeError):  # nobody answers, or its output is closed
        return False


if __name__ == "__main__":
    sys.exit(main())
