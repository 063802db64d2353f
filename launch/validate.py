"""Find out whether a judge is any good, and keep what was found as its card.

  python launch/validate.py JUDGE                          the built-in check, without any data
  python launch/validate.py JUDGE --votes votes.json       people's votes, too
  python launch/validate.py --study STUDY.yaml --dry-run   the study's judge; what asking it will cost

JUDGE is named as a study names it: a name, or '{from: alpaca, model: gpt-4.1}'.
Every table, report and dry run of that judge shows the card. No judgement is paid for twice.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from winsweep import arguments, command_end, command_names, paths, screen
from winsweep.errors import BadStudy, WinsweepError

if TYPE_CHECKING:  # numpy and its kin are imported once there is something to count
    from winsweep.judge.ledger import Ledger
    from winsweep.study.cell import Judge
    from winsweep.validation.pair import Pair
    from winsweep.workspace import Workspace

CHECK, VOTES = "check", "votes"


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("judge", nargs="?", metavar="JUDGE", help="the judge, as a study names it")
    p.add_argument(
        "--study",
        type=paths.argument,
        metavar="STUDY.yaml",
        help="take the judge of this study; it must be named for votes of its report's reader, too",
    )
    p.add_argument(
        "--votes",
        action="append",
        default=[],
        metavar="FILE",
        help="people's votes: AlpacaEval's annotations, any file of instruction, output_1, output_2 and votes, what "
        "the reader of a report saved, '{url: …, sha256: …}' or '{hf_id: …, file: …, revision: …}'; may be given "
        "several times",
    )
    p.add_argument("--dry-run", action="store_true", help="say what asking will cost, and ask nothing")
    p.add_argument("--json", action="store_true", help="print the card as JSON")
    arguments.store(p, "where judgements and cards are kept; that of your studies (default: runs)")
    return p


@command_end.told
def main() -> int:
    a = parser().parse_args()
    try:
        validate(a)
        sys.stdout.flush()
    except BrokenPipeError:
        return screen.nobody_reads()
    except (WinsweepError, OSError) as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    return 0


def validate(a: argparse.Namespace) -> None:
    """Ask the judge about all pairs, and write, print and keep its card."""
    from winsweep import plugins
    from winsweep.judge.ledger import Ledger, place
    from winsweep.validation import card as cards
    from winsweep.validation import kept

    workspace = opened(a)
    judge = judge_of(a, workspace)
    module: Any = plugins.known(plugins.JUDGES, judge.name, judge.code)
    identity = module.identity(judge.options)
    ledger = Ledger(*place(a.store, judge.name, judge.version, identity))
    pairs, sources = pairs_of(a, workspace)
    say_ahead(judge, pairs, sources, ledger)
    if a.dry_run:
        return
    a.store.mkdir(parents=True, exist_ok=True)
    at = cards.place(a.store, judge, identity)
    found, why = kept.find(a.store, judge, identity)
    known = found or {}
    if why:
        print(f"note: {at}: no card of this judge ({screen.printable(why)}); it is made anew", file=sys.stderr)
    made = made_of(module, judge, pairs, sources, ledger)
    card = {"format": cards.FORMAT, "judge": judge.name, "version": judge.version, "identity": identity}
    card |= {"made": now(), CHECK: made[CHECK], VOTES: made.get(VOTES, known.get(VOTES))}
    keep_times(card, known)
    cards.write(at, card)
    print(json.dumps(card, indent=1) if a.json else text(card, judge, at))


def opened(a: argparse.Namespace) -> "Workspace | None":
    from winsweep.workspace import open_workspace

    if bool(a.judge) == bool(a.study) and not (a.study and a.votes):
        legal = "legal is JUDGE or --study STUDY.yaml (both where --votes are of that study's report)"
        raise BadStudy(
            f"found {'both' if a.judge else 'no judge'}; {legal}; type {command_names.command('validate')} JUDGE"
        )
    return open_workspace(a.study, a.store, lenient=True) if a.study else None


def judge_of(a: argparse.Namespace, workspace: "Workspace | None") -> "Judge":
    from winsweep import named_judge

    if a.judge or workspace is None:
        return named_judge.judge_of(a.judge, a.store)
    return named_judge.with_files(workspace.study.table.cells[0].comparison.judge, workspace.study.files)


def pairs_of(
    a: argparse.Namespace, workspace: "Workspace | None"
) -> tuple[dict[str, list["Pair"]], list[dict[str, str]]]:
    """The pairs to ask about, of the check and of votes, and where the votes are from."""
    from winsweep import votes_source
    from winsweep.validation import known, votes

    found = {CHECK: known.pairs(known.rows())}
    read = [votes_source.read(words, workspace) for words in a.votes]
    if read:
        found[VOTES] = votes.merged(pair for pairs, _ in read for pair in pairs)
    return found, [source for _, source in read]


def say_ahead(judge: "Judge", pairs: dict[str, list["Pair"]], sources: list[dict[str, str]], ledger: "Ledger") -> None:
    """Print what there is to ask and what it will take, before anything is spent."""
    from winsweep import named_judge
    from winsweep.judge import asked, prices
    from winsweep.study import jury
    from winsweep.validation.asking import questions_of

    every = [pair for of in pairs.values() for pair in of]
    told = f"{len(pairs[CHECK])} pairs of the built-in check"
    if VOTES in pairs:
        told += f", {len(pairs[VOTES]):,} with {sum(len(p.votes) for p in pairs[VOTES]):,} votes of people"
    print(f"{told}; each in both orders", file=sys.stderr)
    for one in jury.members(judge):
        workload, of = prices.workload_of(one), asked.ledger_of(one, ledger.folder.parents[1])
        questions = questions_of(every, workload.samples if workload else 1)
        print(screen.printable(named_judge.ahead(one, questions, 2 * len(every), of)), file=sys.stderr)
    for source in sources:
        if note := source.get("note"):
            print(screen.printable(f"note: {source['name']}: {note}"), file=sys.stderr)


def made_of(
    module: Any, judge: "Judge", pairs: dict[str, list["Pair"]], sources: list[dict[str, str]], ledger: "Ledger"
) -> dict[str, dict[str, Any]]:
    """What the judge said, as the parts of a card."""
    from winsweep.validation import asking, making

    found = {}
    for kind, of in pairs.items():
        views, took = asking.ask(of, module, judge.options, ledger)
        found[kind] = making.of_check(views, took) if kind == CHECK else making.of_votes(views, took, sources)
    return found


def keep_times(card: dict[str, Any], known: dict[str, Any]) -> None:
    """Where nothing was asked anew, the time that it took before."""
    for kind in (CHECK, VOTES):
        took, before = ((of.get(kind) or {}).get("took") or {} for of in (card, known))
        if took and not took.get("num_new"):
            took["seconds_per_1000"] = before.get("seconds_per_1000")


def text(card: dict[str, Any], judge: "Judge", at: Path) -> str:
    """The card for a person: figures, then what speaks against the judge, then where it is."""
    from winsweep.validation import words

    rows = words.told(card, judge.options)
    widest = max(len(name) for name, _ in rows)
    against = [f"AGAINST THIS JUDGE: it {fault}" for fault in words.faults(card, judge.options)]
    if not card[VOTES]:
        against.append(
            "no people's votes yet: --votes FILE says how far it agrees with people, and calibrates win rates"
        )
    shown = [screen.printable(f"  {name:{widest}s}  {says}") for name, says in rows]
    return "\n".join([f"judge {judge.name}", *shown, *map(screen.printable, against), f"card: {at}"])


def now() -> str:
    import datetime

    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


if __name__ == "__main__":
    sys.exit(main())
