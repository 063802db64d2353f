"""Write a study's report: one page with its figures, to open in a browser.

  python launch/report.py STUDY.yaml                    results/STUDY.html in the store
  python launch/report.py STUDY.yaml --without-texts    one that may be passed on

Beside it, in results/STUDY.figures/: each plot as SVG and PDF for a paper, and the table as LaTeX and Markdown.
A finished run writes the page, too. A study that is not finished has one of what is there.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from winsweep import arguments, command_end, paths, screen
from winsweep.errors import WinsweepError
from winsweep.workspace import open_workspace


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.study(p)
    p.add_argument(
        "--out",
        metavar="FILE",
        type=paths.page,
        help="where to write the page (default: results/STUDY.html in the store)",
    )
    p.add_argument(
        "--without-texts",
        action="store_true",
        help="leave out what instructions and answers say, so that the report may be passed on",
    )
    p.add_argument(
        "--without-figures",
        action="store_true",
        help="write the page alone, and no figures and tables for a paper beside it",
    )
    arguments.store(p)
    return p


@command_end.told
def main() -> int:
    a = parser().parse_args()
    try:
        workspace = open_workspace(a.study, a.store, lenient=True, is_made=True)
        from winsweep.report.files import texts_note, write_report

        above = paths.folder_made_for(a.out) if a.out else ""
        page = write_report(workspace, a.out, not a.without_texts)
        print(f"{above}report: {page}", flush=True)
        if note := texts_note(page):
            print(f"note: {note}")
        if not a.without_figures:
            from winsweep.report.figures import beside

            print(beside(workspace, page))
    except BrokenPipeError:
        return screen.nobody_reads()
    except (WinsweepError, OSError) as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
