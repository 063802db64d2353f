"""Check that a store holds what was put there. It reads everything and changes nothing.

  python launch/fsck.py            the store runs
  python launch/fsck.py STORE      another one

Each finding names what is damaged and the command that makes it again. It may run beside running studies.
Exit code: 0 where all is sound, 1 where something is damaged or lost, 2 where the store cannot be checked.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from winsweep import command_end, paths, screen
from winsweep.amounts import plural
from winsweep.command_names import command
from winsweep.errors import WinsweepError
from winsweep.fsck import whole
from winsweep.fsck.finding import KINDS, readable
from winsweep.fsck.whole import Checked
from winsweep.store.store import Store

MOST_LINES = 40


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument(
        "store",
        type=paths.argument,
        nargs="?",
        default=Path("runs"),
        metavar="STORE",
        help="where results are kept (default: runs)",
    )
    p.add_argument(
        "--threads", type=paths.at_least_one, metavar="NUM", help="read so many files at once (default: one per core)"
    )
    p.add_argument("--verbose", action="store_true", help="print every finding, however many there are")
    p.add_argument("--json", action="store_true", help="one line of JSON for scripts (docs/how_to/fsck.md)")
    return p


@command_end.told
def main() -> int:
    a = parser().parse_args()
    try:
        store = Store(a.store)
        store.refuse_absent(f"{command('fsck')} DIR")
        checked = whole.check(store, a.threads or cores(), progress())
        print(as_json(store, checked) if a.json else "\n".join(lines(store, checked, a.verbose)), flush=True)
    except WinsweepError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return screen.nobody_reads()
    except PermissionError as e:
        at = Path(os.fsdecode(e.filename or a.store))
        print(
            f"error: {screen.printable(str(at))}: cannot be read (Permission denied); {readable(at)}", file=sys.stderr
        )
        return 2
    except OSError as e:
        print(f"error: {e}; the store could not be read to its end", file=sys.stderr)
        return 2
    return 0 if checked.is_sound else 1


def cores() -> int:
    return min(16, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def progress() -> Callable[[int, int, int], None]:
    """A line that stays where it is, on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        return lambda *_: None

    def tell(num: int, of: int, num_bytes: int) -> None:
        end = "\n" if num == of else ""
        print(f"\r{num:,} of {of:,} results read, {num_bytes / 1e9:,.1f} GB ", end=end, file=sys.stderr, flush=True)

    return tell


def lines(store: Store, checked: Checked, is_verbose: bool) -> list[str]:
    """For a person: each finding, then the sums."""
    found = sorted(checked.findings, key=lambda one: (KINDS.index(one.kind), one.place))
    shown = found if is_verbose else found[:MOST_LINES]
    told = [line for one in shown for line in one.lines()]
    if len(shown) < len(found):
        told.append(f"and {len(found) - len(shown):,} more: --verbose")
    if keep := next((one.keep_others for one in found if one.keep_others), ""):
        told.append("rm also makes everything again that was made from a result. That was made from verified files, so")
        told.append("it may stay: set the damaged result aside instead, and it is made again where it is needed:")
        told.append(f"           {screen.printable(keep)}")
    sums = ", ".join(f"{sum(one.kind == kind for one in found):,} {kind}" for kind in KINDS)
    read = (
        f"{plural(checked.num_artifacts, 'result')} ({checked.num_bytes / 1e9:,.1f} GB), "
        f"{plural(checked.num_attempted, 'history', 'histories')}"
    )
    return [*told, f"{store.root}: {read} and the ledgers read: {'sound' if not found else sums}"]


def as_json(store: Store, checked: Checked) -> str:
    return json.dumps(
        {
            "store": str(store.root),
            "is_sound": checked.is_sound,
            "results": checked.num_artifacts,
            "bytes": checked.num_bytes,
            "attempted": checked.num_attempted,
            "findings": [asdict(one) for one in checked.findings],
        }
    )


if __name__ == "__main__":
    sys.exit(main())
