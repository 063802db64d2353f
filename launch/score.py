"""Compute win rates of one file in AlpacaEval's format, without a study.

  python launch/score.py annotations.json
  python launch/score.py outputs.json --reference other.json --judge NAME

The second command judges first. Judgements are kept and never paid twice.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from winsweep import command_end, command_names, paths, screen
from winsweep.amounts import plural
from winsweep.errors import BadData, BadStudy, Incomplete, Waiting, WinsweepError

if TYPE_CHECKING:  # numpy and its kin are imported once there is something to count
    from winsweep.stats.official import Table
    from winsweep.stats.one_file import Report
    from winsweep.study.cell import Judge


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument(
        "file",
        type=paths.argument,
        nargs="?",
        metavar="FILE",
        help="outputs or annotations, ours or alpaca_eval's, or a directory that has them",
    )
    p.add_argument(
        "--reference",
        metavar="FILE",
        type=paths.argument,
        help="the outputs to compare with. FILE must have outputs then",
    )
    p.add_argument(
        "--judge", help="a name of src/winsweep/judges/, or what a study would say: '{from: alpaca, model: gpt-4.1}'"
    )
    p.add_argument(
        "--mode",
        choices=["official", "paired"],
        help="AlpacaEval's own formula, or head to head (default: official where it is defined)",
    )
    p.add_argument(
        "--difficulty",
        type=paths.argument,
        metavar="FILE",
        help="AlpacaEval's df_gamed.csv, which official needs (default: in $WINSWEEP_DATA or $WINSWEEP_DATA/alpaca_lc)",
    )
    p.add_argument(
        "--instructions",
        type=paths.argument,
        metavar="FILE",
        help="the instructions that must all be there (default: AlpacaEval's 805, or those of FILE)",
    )
    p.add_argument(
        "--allow-missing", action="store_true", help="score the other rows where some are missing or have no preference"
    )
    add_rest(p)
    return p


def add_rest(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--second", type=paths.argument, metavar="FILE", help="annotations by another judge: how far the two agree"
    )
    p.add_argument(
        "--c", type=float, metavar="VALUE", help="inverse penalty of the official fit (default: by cross-validation)"
    )
    p.add_argument(
        "--join",
        choices=["instruction", "position"],
        default="instruction",
        help="how a row finds its difficulty. position is alpaca_eval's own way: it reproduces published numbers "
        "of files that lack rows (default: instruction)",
    )
    p.add_argument(
        "--store",
        metavar="DIR",
        type=paths.argument,
        default=Path("scores"),
        help="where judgements are kept (default: scores)",
    )
    p.add_argument("--json", action="store_true", help="print JSON")
    p.add_argument("--columns", action="store_true", help="print what each column of a results table means, then stop")


@command_end.told
def main() -> int:
    a = parser().parse_args()
    try:
        print(columns() if a.columns else told(a))
        sys.stdout.flush()
    except WinsweepError as e:
        print(f"waiting: {e}; type the same then" if isinstance(e, Waiting) else f"error: {e}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return screen.nobody_reads()
    return 0


def columns() -> str:
    from winsweep.stats.columns import text

    return text()


def told(a: argparse.Namespace) -> str:
    made = make(a)
    return json.dumps(made.plain(), indent=1) if a.json else made.text()


def make(a: argparse.Namespace) -> "Report":
    """The report that the words of the command line ask for."""
    import dataclasses

    from winsweep.stats import agreement, alpaca_files, one_file

    if a.file is None:
        raise BadStudy(
            "FILE is missing; legal are outputs or annotations in AlpacaEval's format; type "
            f"{command_names.command('score')} FILE"
        )
    path, rows = alpaca_files.read(a.file)
    spaced: list[str] = []
    if not alpaca_files.is_annotated(rows):
        path, rows, spaced = judged(a, path, rows)
    rows, notes = alpaca_files.annotations(path, rows)
    asked = [str(row.get("instruction")) for row in alpaca_files.read(a.instructions)[1]] if a.instructions else None
    ask = one_file.Ask(a.mode, a.c, a.join, a.allow_missing)
    with of_file(path):
        made = one_file.report(rows, ask, asked, table(a.difficulty), (*spaced, *notes))
    second = alpaca_files.annotations(*alpaca_files.read(a.second))[0] if a.second else None
    with of_file(a.second or path):
        both = agreement.agreement(rows, second) if second else None
    return dataclasses.replace(made, agreement=both)


@contextmanager
def of_file(path: Path) -> Iterator[None]:
    """What is wrong with rows is said with the file that has them."""
    try:
        yield
    except (BadData, Incomplete) as e:
        raise e if str(path) in str(e) else type(e)(f"{path}: {e}") from None


def table(path: Path | None) -> "Table | None":
    from winsweep.stats.official import read_table

    folder = paths.checked(os.environ.get("WINSWEEP_DATA") or ".", "WINSWEEP_DATA")
    found = path or next((p for p in (folder / "df_gamed.csv", folder / "alpaca_lc/df_gamed.csv") if p.is_file()), None)
    return read_table(found) if found else None


def judged(a: argparse.Namespace, path: Path, rows: list[dict]) -> tuple[Path, list[dict], list[str]]:
    """Annotations of outputs, kept in the store so that no pair is judged twice, and notes of how the two sides were
    matched.
    """
    from winsweep import named_judge
    from winsweep.stats import alpaca_files

    if lacking := " ".join(
        word for given, word in ((a.reference, "--reference FILE"), (a.judge, "--judge NAME")) if not given
    ):
        raise BadStudy(
            f"{path}: these are outputs, not annotations; legal with --reference FILE and --judge NAME; add {lacking}"
        )
    pairs, num_spaced = alpaca_files.pairs((path, rows), alpaca_files.read(a.reference), a.allow_missing)
    notes = (
        [
            (
                f"{plural(num_spaced, 'instruction differs', 'instructions differ')} from the reference's in white "
                "space alone and were matched all the same"
            )
        ]
        if num_spaced
        else []
    )
    return *annotate(pairs, named_judge.judge_of(a.judge, a.store), a.store), notes


def annotate(pairs: list[dict], judge: "Judge", store: Path) -> tuple[Path, list[dict]]:
    """The only place here that asks a judge: judgements are kept one by one in the store's ledger, whole files under a
    digest of judge and pairs.
    """
    from winsweep import keys
    from winsweep.judge import asked
    from winsweep.store.manifest import kept
    from winsweep.study import jury

    module, identity = asked.module_of(judge), asked.identity_of(judge)
    path = (
        store
        / f"{judge.name}-{keys.digest({'judge': judge, 'identity': identity, 'pairs': pairs})}"
        / "annotations.json"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    ledger = asked.ledger_of(judge, store)
    told = "" if path.exists() else f" ({'; '.join(ahead(one, pairs, store) for one in jury.members(judge))})"
    print(f"{len(pairs) if told else 0} of {len(pairs)} pairs to judge{told}; kept in {path.parent}", file=sys.stderr)

    def ask() -> list[dict]:
        rows: dict[str, dict] = {}
        module.annotate(
            pairs, judge.options, lambda some: rows.update({row["instruction"]: row for row in some}), ledger
        )
        return [rows[pair["instruction"]] for pair in pairs]

    return path, kept(path, ask)


def ahead(judge: "Judge", pairs: list[dict], store: Path) -> str:
    """What judging will take, after what the ledger knows."""
    from winsweep.costs import judge_cost
    from winsweep.judge import asked, prices
    from winsweep.judge.questions import ask_about

    workload = prices.workload_of(judge)
    if not workload:
        return judge_cost.ahead(judge.name, None, {}, (), unseen=len(pairs))
    questions = {s.question for pair in pairs for s in ask_about(pair, workload.order, workload.samples)}
    known = asked.ledger_of(judge, store).find(questions)
    limits = asked.limits_of(judge)
    return judge_cost.ahead(judge.name, workload, limits, questions - known.keys(), len(known))


if __name__ == "__main__":
    sys.exit(main())
