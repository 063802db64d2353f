"""Write a first study, or a cluster file for the cluster that this machine can ask.

  python launch/init.py                     study.yaml here: commented, and it runs as it is
  python launch/init.py DIR                 the same in another folder
  python launch/init.py --cluster NAME      clusters/NAME.yaml, from what sinfo, scontrol and sacctmgr say

Nothing that is there is written over.
"""

import argparse
import os
import re
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from winsweep import command_end, layout, paths
from winsweep.command_names import as_typed, command
from winsweep.errors import BadStudy, WinsweepError

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("dir", metavar="DIR", nargs="?", type=paths.argument, default=Path(), help="where (default: here)")
    p.add_argument("--cluster", metavar="NAME", help="write a cluster file of this name instead of a study")
    return p


@command_end.told
def main() -> int:
    a = parser().parse_args()
    try:
        print(write_cluster(a.dir, a.cluster) if a.cluster is not None else write_study(a.dir))
    except WinsweepError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    return 0


def write_study(folder: Path) -> str:
    text = (layout.LAUNCH / "templates/study.yaml").read_text(encoding="utf-8")
    path = write(folder / "study.yaml", text.replace("winsweep run", command("run")))
    return f"study: {path}\nthen:  {command('run')} {shlex.quote(str(path))} --dry-run"


def write_cluster(folder: Path, name: str) -> str:
    from winsweep.slurm import new_cluster

    if not NAME.fullmatch(name) or name.endswith(".yaml") or name == "local":
        raise BadStudy(f"--cluster: found {name!r}; a name of letters, digits and _ . - is legal, and not local")
    target = folder / "clusters" / f"{name}.yaml"
    refuse_existing(target)  # before SLURM is asked
    path = write(target, as_typed(new_cluster.text(name, new_cluster.ask())))
    return f"cluster file: {path}\nthen:  {command('doctor')} {shlex.quote(str(path))} --store DIR-ON-THE-SHARED-DISK"


def write(path: Path, text: str) -> Path:
    """A new file, with the folders above it; BadStudy if something is there."""
    refuse_existing(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "x", encoding="utf-8", opener=_own) as f:  # a cluster file is refused if others can write it
            f.write(text)
    except OSError as e:
        raise BadStudy(f"{path}: cannot be written: {e.strerror}; name another folder") from None
    return path


def _own(name: str, flags: int) -> int:
    return os.open(name, flags, 0o644)


def refuse_existing(path: Path) -> None:
    if os.path.lexists(path):
        raise BadStudy(f"{path}: is there already, and is left alone; name another folder, or remove it")


if __name__ == "__main__":
    sys.exit(main())
