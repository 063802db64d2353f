"""Bring an archive of a study to this machine, and say whether the same results would be made here.

  python launch/reproduce.py study.zip              the study and its results, in a new folder of the study's name
  python launch/reproduce.py study.zip --fresh      the study without its results, so that all of it is made again

It plans and compares; nothing is started. The command that makes what is missing is printed.
Exit code: 0 where every key is that of the archive, 1 where some differ, 2 where the archive cannot be used.
"""

import argparse
import shlex
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from winsweep import command_end, paths, results, screen
from winsweep.amounts import plural
from winsweep.archive.incoming import Archive
from winsweep.command_names import command
from winsweep.errors import BadData, WinsweepError
from winsweep.store.store import Store
from winsweep.workspace import Workspace, open_workspace

MOST_TABLE = 64 << 20  # bytes


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("archive", type=paths.argument, metavar="FILE.zip", help=f"what {command('archive')} wrote")
    p.add_argument(
        "--to", type=paths.argument, metavar="DIR", help="where the study goes (default: the name of the study)"
    )
    p.add_argument(
        "--store", type=paths.argument, metavar="DIR", help="where results are kept (default: runs in that folder)"
    )
    p.add_argument("--fresh", action="store_true", help="leave the results in the archive: all is made again here")
    p.add_argument(
        "--trust-code",
        action="store_true",
        help="the archive has Python files of its authors' own, which run when the study is read",
    )
    return p


@command_end.told
def main() -> int:
    a = parser().parse_args()
    try:
        return reproduce(a.archive, a.to, a.store, a.fresh, a.trust_code)
    except WinsweepError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return screen.nobody_reads()
    except OSError as e:
        said = f"{e.filename or a.archive}: {e.strerror or e}; an archive to read and a directory to write are legal"
        print(f"error: {screen.printable(said)}; name others", file=sys.stderr)
        return 2


def reproduce(archive: Path, to: Path | None, store: Path | None, is_fresh: bool, trusts: bool) -> int:
    from winsweep.archive import comparison, environment, incoming

    with incoming.read(archive) as found:
        refuse_code(archive, found.code, trusts)
        folder = to or Path(found.study)
        for name in incoming.lay_out(found, folder):
            print(screen.printable(f"edited   {name}: differs from that of the archive, and stays as it is"))
        opened = Store(store or folder / "runs").open()
        if not is_fresh:
            brought = incoming.bring(found, opened)
            print(
                f"brought  {plural(brought.new, 'result')} into {opened.root}; {brought.there:,} were there, ", end=""
            )
            print(f"{brought.left_out:,} have their record alone")
            notes = screen.noted(f"note     {screen.printable(note)}" for note in brought.notes)
            print("".join(f"{line}\n" for line in notes), end="")
        study = folder / "study.yaml"
        workspace = open_workspace(study, opened.root, lenient=True)
        if not is_fresh:
            results.publish_table(opened, found.study, workspace.table(set(results.judged(workspace))).key)
            results.publish_analyses(workspace)
        held = comparison.compared(workspace.order, found.asked)
        earlier = {about["sha256"]: Path(name) for name, about in environment.local_files(found.told).items()}
        lines = [*environment.missing(workspace, found.told, folder), *held.lines(workspace.study.files, earlier)]
        lines += [*environment.lines(found), *table(found, opened)]
        print("".join(f"{line}\n" for line in lines), end="")
        print(f"keys     {held.num_same:,} of {held.num_same + held.num_differ:,} are those of the archive; ", end="")
        print(f"{held.num_differ:,} differ")
        print(planned(workspace, opened, study), flush=True)
    return 1 if held.num_differ or held.only_there else 0


def refuse_code(archive: Path, code: list[str], trusts: bool) -> None:
    if code and not trusts:
        raise BadData(
            f"{archive}: found Python files of its authors' own, {screen.few(code)}, which run when the study is read; "
            f"look at them (unzip -p {shlex.quote(str(archive))} {shlex.quote(code[0])}), then add --trust-code"
        )


def table(found: Archive, store: Store) -> list[str]:
    """How the table that is here compares with the archive's, where there are both."""
    from winsweep.archive import tables

    ours, theirs = store.root / "results" / f"{found.study}.csv", f"results/{found.study}.csv"
    if not ours.is_file() or theirs not in found.files:
        return []
    said = tables.compared(ours.read_bytes(), found.reader.read(theirs, MOST_TABLE))
    return [f"table    {ours}: {screen.printable(said)}"]


def planned(workspace: Workspace, store: Store, study: Path) -> str:
    """What would run, and what to type."""
    items = workspace.plan(workspace.facts())
    todo = Counter(i.artifact.stage for i in items if i.state != "done")
    line = f"{command('run')} {shlex.quote(str(study))} --store {shlex.quote(str(store.root))}"
    what = ", ".join(f"{num:,} {stage}" for stage, num in todo.items())
    return f"to make  {what or 'nothing: all of it is here'}\nthen     {line}"


if __name__ == "__main__":
    sys.exit(main())
