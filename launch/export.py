"""Export a trained cell as a Hugging Face model directory with a model card, ready for `hf upload`.

  python launch/export.py STUDY.yaml llama.gsm.s1 exported/llama-gsm
  hf upload OWNER/llama-gsm exported/llama-gsm

Nothing is uploaded by this command.
"""

import argparse
import re
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from winsweep import arguments, command_end, paths
from winsweep.command_names import command
from winsweep.errors import WinsweepError
from winsweep.workspace import open_workspace


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.study(p, "the study that the cell is of")
    p.add_argument("cell", metavar="CELL", help=f"such as llama.gsm.s1. {command('status')} --cells lists them")
    p.add_argument("target", type=paths.argument, metavar="DIR", help="a directory that is not there, or empty")
    p.add_argument("--name", type=hub_name, metavar="OWNER/MODEL", help="what it will be called on the hub")
    p.add_argument(
        "--check",
        type=paths.at_least_one,
        metavar="NUM",
        help="load the model with transformers and answer NUM instructions again: the answers must be the study's",
    )
    p.add_argument(
        "--hard-links",
        action="store_true",
        help="weights take no room: they are the store's own files under another name, so change none of them",
    )
    arguments.store(p)
    return p


def hub_name(text: str) -> str:
    """OWNER/MODEL; ArgumentTypeError for anything else."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"found {text!r}; legal is OWNER/MODEL, of letters, digits, '.', '-' and '_'")
    return text


@command_end.told
def main() -> int:
    a = parser().parse_args()
    try:
        workspace = open_workspace(a.study, a.store, lenient=True, is_made=True)
        from winsweep.export import answers, folder

        above = paths.folder_made_for(a.target)
        made = folder.export(workspace, a.cell, a.target, a.name or "", a.hard_links)
        print(above + "".join(f"{note}\n" for note in made.notes) + f"exported: {made.folder}", flush=True)
        if a.check:
            print(answers.compared(workspace, a.cell, made.folder, a.check), flush=True)
    except WinsweepError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    except OSError as e:
        print(f"error: {e}; nothing was left there; free some room, or name another directory", file=sys.stderr)
        return 1
    print(f"then:     {shlex.join(['hf', 'upload', a.name or f'OWNER/{made.folder.name}', str(made.folder)])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
