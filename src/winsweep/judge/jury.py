"""Several judges asked about the same pairs, one after another: the mean of what they prefer, and what each said."""

import math
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from winsweep.errors import BadData, BadStudy, JudgeFailed, JudgeRefused, Unreachable, WinsweepError
from winsweep.judge import asked
from winsweep.judge.judging import Row
from winsweep.judge.ledger import Ledger
from winsweep.quoting import excerpt
from winsweep.study.cell import Judge

LASTING = (JudgeRefused, BadStudy, BadData)  # what a person must mend
PASSING = (JudgeFailed, Unreachable)


def judge_together(
    pairs: list[Row], judges: Sequence[Judge], keep: Callable[[list[Row]], None], ledger: Ledger | None
) -> None:
    """Hand every pair with the mean of its judges' preferences to `keep`, as its last judgement comes.

    Each judge is asked through its own file, and keeps its judgements in its own ledger of the same store. Where one
    fails, the others are asked all the same. Raises JudgeFailed, or JudgeRefused if one of the reasons cannot pass by
    itself, naming the judges that failed; what all of them said is kept.
    """
    by_text = {pair["instruction"]: pair for pair in pairs}
    said: list[dict[str, Row]] = [{} for _ in judges]
    failed: dict[int, WinsweepError] = {}

    for i, judge in enumerate(judges):

        def hear(rows: list[Row], judge: Judge = judge, own: dict[str, Row] = said[i]) -> None:
            own.update({row["instruction"]: _checked(judge, row) for row in rows})
            whole = [row["instruction"] for row in rows if all(row["instruction"] in s for s in said)]
            keep([by_text[text] | together(judges, [s[text] for s in said]) for text in whole])

        try:
            own = asked.ledger_of(judge, ledger.store) if ledger else None
            asked.module_of(judge).annotate(pairs, judge.options, hear, own)
        except WinsweepError as error:
            failed[i] = error
    if failed:
        raise _failure(judges, failed)


def _checked(judge: Judge, row: Row) -> Row:
    """A judge's row with a preference; BadData for any other, such as a judge of a person's own may give."""
    value: Any = row.get("preference")
    if type(value) not in (int, float) or not 1 <= value <= 2:
        raise BadData(
            f"judge {judge.name}: found the preference {excerpt(value)} of {excerpt(row['instruction'])}; legal is a "
            f"number "
            f"from 1 to 2; correct what its file hands over"
        )
    return row


def _failure(judges: Sequence[Judge], failed: dict[int, WinsweepError]) -> WinsweepError:
    """One error for those of several judges; one of another kind, such as a batch that is waited for, as it is."""
    each = failed.values()
    others = [e for e in each if not isinstance(e, (*LASTING, *PASSING))]
    if others and not any(isinstance(e, LASTING) for e in each):
        return others[0]
    told = "\n".join(f"judge {i + 1} of {len(judges)}, {judges[i].name}: {error}" for i, error in failed.items())
    kind = JudgeRefused if any(isinstance(e, LASTING) for e in each) else JudgeFailed
    return kind(f"jury: {len(failed)} of {len(judges)} judges failed; what the others said is kept\n{told}")


def together(judges: Sequence[Judge], rows: Sequence[Row]) -> Row:
    """What a jury's annotation row has beside its pair, from the rows of its judges about that pair.

    `preference` is the mean of `preferences_by_judge`, which has the judges' order. `raw_completion` has every reply,
    with the name of who gave it. Where all were asked in both orders, `preferences_by_order` has the means.
    """
    each = [float(row["preference"]) for row in rows]
    orders = [row.get("preferences_by_order") for row in rows]
    names = [name_of(judge, row) for judge, row in zip(judges, rows, strict=True)]
    raw = [reply for name, row in zip(names, rows) for reply in _replies(name, row.get("raw_completion"))]
    return {
        "annotator": "jury",
        "model": " + ".join(names),
        "preference": fmean(each),
        "preferences_by_judge": each,
        "raw_completion": raw or None,
        "served_model": " and ".join(dict.fromkeys(row.get("served_model") or "-" for row in rows)) if raw else "",
        "date": max(str(row.get("date") or "") for row in rows),
        **({"preferences_by_order": [fmean(side) for side in zip(*orders)]} if all(orders) else {}),
        **_of_some(rows),
    }


def _of_some(rows: Sequence[Row]) -> Row:
    """What only some judges' rows have: fingerprints of models, and the error of verdicts that were sampled."""
    prints = dict.fromkeys(said for row in rows if (said := row.get("system_fingerprint")))
    errors = {i: e for i, row in enumerate(rows) if (e := row.get("preference_standard_error")) is not None}
    found: Row = {"system_fingerprint": " and ".join(prints)} if prints else {}
    if errors:
        found["samples"] = " or ".join(dict.fromkeys(str(rows[i].get("samples", "")) for i in errors))
        found["preference_standard_error"] = math.sqrt(sum(e * e for e in errors.values())) / len(rows)
    return found


def name_of(judge: Judge, row: Row) -> str:
    """A judge of a jury as tables show it: its file, and its model where it has one."""
    model = row.get("model")
    return f"{judge.name}:{model}" if model else judge.name


def _replies(name: str, raw: Any) -> list[Any]:
    each = raw if isinstance(raw, list) else [] if raw in (None, "") else [raw]
    return [
        reply | {"judge": name} if isinstance(reply, dict) else {"judge": name, "text": str(reply)} for reply in each
    ]
