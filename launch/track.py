"""Write a study's training logs and figures to an experiment tracker.

  python launch/track.py STUDY.yaml --to tensorboard             what there is now
  python launch/track.py STUDY.yaml --to tensorboard --follow    go on until the study is done

Called again, it adds what is new. Nothing is sent anywhere.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from winsweep import arguments, command_end, paths
from winsweep.amounts import plural
from winsweep.errors import WinsweepError
from winsweep.trackers import tracking
from winsweep.workspace import open_workspace


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.study(p)
    p.add_argument("--to", required=True, metavar="TRACKER", help=f"one of {', '.join(tracking.NAMES)}")
    p.add_argument("--follow", action="store_true", help="go on until all is done or has failed")
    p.add_argument(
        "--out", metavar="DIR", type=paths.argument, help="where the tracker's files are kept (default: in the store)"
    )
    arguments.store(p)
    return p


@command_end.told
def main() -> int:
    a = parser().parse_args()
    try:
        workspace = open_workspace(a.study, a.store, lenient=True, is_made=not a.follow)
        place = (a.out or tracking.place_of(workspace.store, a.to)).absolute()
        tool = tracking.tracker(a.to, place)
        if a.follow:
            print(f"to look: {tool.show(place, workspace.study.name)}", flush=True)
            tracking.follow(workspace, a.to, place, say)
            return 0
        say(tracking.track(workspace, a.to, place), is_only=True)
        print(f"to look: {tool.show(place, workspace.study.name)}")
    except WinsweepError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, BrokenPipeError):
        return 130
    return 0


def say(done: tracking.Pass, is_only: bool = False) -> None:
    if done.written or is_only:
        print(f"{plural(done.written, 'run')} written; {done.same} were there as they are", flush=True)


if __name__ == "__main__":
    sys.exit(main())
