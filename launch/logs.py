"""Print the log of a cell: of the attempt that runs, or of the last one; of a finetune also its last steps.

  python launch/logs.py STUDY.yaml llama.gsm.s1             what it did last
  python launch/logs.py STUDY.yaml llama.gsm.s1 --follow    go on with new lines

Ctrl-C ends --follow. The cell goes on.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from winsweep import arguments, command_end, logs
from winsweep.command_names import command
from winsweep.errors import WinsweepError
from winsweep.store import disk
from winsweep.workspace import open_workspace


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.study(p)
    p.add_argument("cell", metavar="CELL", help=f"such as llama.gsm.s1. {command('status')} --cells lists them")
    p.add_argument("--stage", help="the log of this stage, such as finetune")
    p.add_argument("--follow", action="store_true", help="go on printing until the cell is done or has failed")
    arguments.store(p)
    return p


@command_end.told
def main() -> int:
    a = parser().parse_args()
    try:
        workspace = open_workspace(a.study, a.store, is_made=True)
        if a.follow:
            return 0 if logs.follow(workspace, a.cell, a.stage, say) else 1
        path = logs.current(workspace, a.cell, a.stage)
        say(f"{logs.title(path)}\n{(outcome := logs.outcome(workspace, path))}")
        steps = logs.steps_text(workspace, path)
        say(steps if outcome else "")  # the last line of what is over says how it ended
        seen: dict[Path, int] = {}
        while text := logs.new_text(path, seen, last=True):
            say(text)
        say(steps if not outcome else "")
    except WinsweepError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, BrokenPipeError):
        return 130
    except OSError as e:
        print(f"error: {disk.words(e, a.store)}", file=sys.stderr)
        return 2
    return 0


def say(text: str) -> None:
    print(text, end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
