"""A judge that a person names on the command line, as a study would, and what asking it will take."""

from collections.abc import Mapping
from pathlib import Path

from winsweep.errors import BadStudy
from winsweep.judge.ledger import Ledger
from winsweep.judge.questions import Question
from winsweep.study.cell import Judge


def judge_of(words: str, store: Path) -> Judge:
    """A judge as a study names it; BadStudy."""
    from winsweep.store.fingerprint import Fingerprints
    from winsweep.study.parts import Parts
    from winsweep.yaml_nodes import parse

    try:
        named = parse(words, "--judge", "judge")
    except BadStudy as e:
        raise BadStudy(
            *e.each, "--judge: legal is a name or a mapping such as '{from: alpaca, model: gpt-4.1}'"
        ) from None
    parts = Parts(Path.cwd() / "study.yaml", Fingerprints(store / ".cache" / "digests.json"))
    judge = parts.judge(named)
    for why in parts.missing.values():
        raise BadStudy(why)
    return with_files(judge, parts.files)


def with_files(judge: Judge, files: Mapping[str, Path]) -> Judge:
    """The judge with the directories of its weights, where it is a model on this machine; `files` by sha256."""
    from winsweep import keys
    from winsweep.judge import asked

    return asked.restored(keys.plain(judge), lambda file: files[file["sha256"]], asked.limits_of(judge))


def ahead(judge: Judge, questions: set[Question], num_pairs: int, ledger: Ledger) -> str:
    """What judging will take, after what the ledger knows; of a judge that costs nothing, `num_pairs` judgements."""
    from winsweep.costs import judge_cost
    from winsweep.judge import prices

    workload, limits = prices.workload_of(judge), getattr(judge.options, "limits", None)
    if not workload:
        return judge_cost.ahead(judge.name, None, {}, (), unseen=num_pairs)
    known = ledger.find(questions)
    return judge_cost.ahead(judge.name, workload, vars(limits) if limits else {}, questions - known.keys(), len(known))
