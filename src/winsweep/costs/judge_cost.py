"""What judging will take before anything is paid: judgements after reuse, tokens, dollars by the table of prices, time
at the limits.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from winsweep import amounts, screen
from winsweep.amounts import plural
from winsweep.artifact import Artifact
from winsweep.errors import WinsweepError
from winsweep.judge import asked, pairs, prices
from winsweep.judge.questions import Question, ask_about
from winsweep.study import jury
from winsweep.study.cell import Judge, judge_of
from winsweep.workspace import Workspace

UNSEEN_ANSWER = 360  # tokens of an answer that is not there yet: the mean of AlpacaEval's
UNSEEN_TOKENS = 2 * UNSEEN_ANSWER + 40  # of a pair of them, with the mean of its instructions
CALL_S = 1.0  # how long a call takes, where nothing better is known


@dataclass
class JudgeCost:
    """The work of one judge, over all comparisons that are still to be made."""

    judge: Judge
    limits: Mapping[str, Any]
    workload: prices.Workload | None  # None for a judge that costs nothing
    questions: set[Question] = field(default_factory=set)  # of pairs whose outputs are there
    unseen: int = 0  # questions about outputs that are not there yet
    unknown: int = 0  # comparisons whose instructions cannot be counted yet
    most_tokens: int = 0  # that an answer to come may have, in the comparisons of `unseen`


def lines(workspace: Workspace, missing: Sequence[Artifact], num_rows: Mapping[Artifact, int | None]) -> list[str]:
    """A line for each judge, alone or in a jury, and one for a jury's sum; `missing` are comparisons, `num_rows` counts
    sets of instructions.
    """
    costs: dict[Path, JudgeCost] = {}
    of_jury: dict[Path, JudgeCost] = {}
    for a in missing:
        for judge in jury.members(judge_of(a)):
            folder = asked.ledger_of(judge, workspace.store.root).folder
            cost = costs.setdefault(folder, JudgeCost(judge, asked.limits_of(judge), prices.workload_of(judge)))
            add(cost, workspace, a, num_rows[a.inputs["instructions"]])
            of_jury |= {folder: cost} if judge is not judge_of(a) else {}
    found = [told(cost, workspace.store.root) for _, cost in sorted(costs.items())]
    return found + ([_sum(list(of_jury.values()))] if of_jury else [])


def add(cost: JudgeCost, workspace: Workspace, a: Artifact, num: int | None) -> None:
    """Put the comparison `a` to the cost: question by question if its outputs are there, else by the number of its
    instructions.
    """
    workload = cost.workload
    if workload and (there := _pairs(workspace, a)) is not None:
        order, num_each = workload.order, workload.samples
        cost.questions |= {s.question for pair in there for s in ask_about(pair, order, num_each)}
    elif num is None:
        cost.unknown += 1
    else:
        cost.unseen += num * (workload.per_pair if workload else 1)
        cost.most_tokens = max(cost.most_tokens, _most_tokens(a))


def told(cost: JudgeCost, store: Path) -> str:
    """A line of what judging costs, less the judgements that the store has already."""
    known = asked.ledger_of(cost.judge, store).find(cost.questions) if cost.questions else {}
    cost.questions -= known.keys()
    counts = (len(known), cost.unseen, cost.unknown)
    return ahead(cost.judge.name, cost.workload, cost.limits, cost.questions, *counts) + _reckoned(cost)


def _most_tokens(a: Artifact) -> int:
    """Tokens that an answer of either side of a comparison may have at most."""
    made = [a.inputs[side].plain_params for side in ("candidate", "reference") if side in a.inputs]
    return max(int(params["decoding"]["max_new_tokens"]) for params in made)


def _reckoned(cost: JudgeCost) -> str:
    """How long answers to come are taken to be, where they may be longer."""
    if not cost.workload or cost.most_tokens <= UNSEEN_ANSWER:
        return ""
    return f"; an answer to come is taken to have {UNSEEN_ANSWER} tokens, and may have {cost.most_tokens:,}"


def _sum(costs: Sequence[JudgeCost]) -> str:
    """What the judges of a jury cost together, after `told` of each."""
    paid = [(cost, cost.workload) for cost in costs if cost.workload and cost.limits]
    who = f"jury: {plural(len(costs), 'judge')}, {len(paid) or 'none'} of them paid"
    if any(cost.unknown for cost, _ in paid):
        return f"{who}; what they cost together is not known yet"
    known = [(cost, work, price) for cost, work in paid if (price := prices.price_of(work.model))]
    if not known:
        return f"{who}; no price of {'them' if len(paid) > 1 else 'it'} is known" if paid else f"{who}; free"
    dollars = sum(price.dollars(*tokens_of(work, cost.questions, cost.unseen)) for cost, work, price in known)
    less = f", without the {len(paid) - len(known)} whose price is not known" if len(known) < len(paid) else ""
    return f"{who}: about {amounts.dollars(dollars)} in all{less}"


def tokens_of(workload: prices.Workload, asked: Collection[Question], unseen: int) -> tuple[int, int]:
    """Tokens of prompts, about, and of replies, at most, for questions that are known and `unseen` others."""
    num = len(asked) + unseen
    chars = sum(len(q.instruction) + len(q.first) + len(q.second) for q in asked) + num * workload.prompt_chars
    return prices.tokens_of(chars) + unseen * UNSEEN_TOKENS, num * workload.reply_tokens


def ahead(
    judge: str,
    workload: prices.Workload | None,
    limits: Mapping[str, float | None],
    asked: Collection[Question],
    num_known: int = 0,
    unseen: int = 0,
    unknown: int = 0,
) -> str:
    """What a judge must still do, in words; `unseen` and `unknown` as a JudgeCost has them.

    Without a `workload` it costs nothing; without `limits` it runs here.
    """
    num = len(asked) + unseen
    what = f"judge {judge}: {plural(num, 'judgement')}"
    uncounted = f"{plural(unknown, 'comparison')} whose instructions cannot be counted yet"
    also = f" and those of {uncounted}" if unknown else ""
    reused = f", {num_known:,} more are known already" if num_known else ""
    if not workload:
        return f"{what}{also}; free"
    if not num and unknown and limits:
        of = f"judge {judge}: {uncounted}"
        budget = limits.get("dollars")
        cap = f"; budget {amounts.dollars(budget)}" if budget is not None else ""
        return f"{of}{reused}; what they cost is not known yet{cap}"
    tokens = tokens_of(workload, asked, unseen)
    return screen.printable(
        f"{what}{also}{reused}; about {amounts.tokens(tokens[0])} of "
        f"prompts{_cost(workload.model, tokens, limits)}"
        f"{_time(num, sum(tokens), limits)}; what is judged already is not paid again"
    )


def _cost(model: str, tokens: tuple[int, int], limits: Mapping[str, float | None]) -> str:
    price = prices.price_of(model)
    budget = limits.get("dollars") if limits else None
    cap = f", budget {amounts.dollars(budget)}" if budget is not None else ""
    if not limits:
        return ", on this machine"
    if price is None:
        return f"; no price of {model} is known" + (
            f", so its budget of {amounts.dollars(budget)} cannot be kept"
            if budget is not None
            else f" ({prices.NAME})"
        )
    return _both_prices(price, model, tokens, bool(limits.get("batch")), cap)


def _both_prices(price: prices.Price, model: str, tokens: tuple[int, int], in_batch: bool, cap: str) -> str:
    """What it costs as it is asked, and what it would the other way."""
    calls, batches = (amounts.dollars(d(*tokens)) for d in (price.dollars, price.batch_dollars))
    date = prices.table()[0]
    if price.batch is None:
        what = "the full price is counted" if in_batch else "what it costs in batches is not known"
        return f"; about {calls} of {model} by the prices of {date}{cap}; {prices.NAME} has no batch: of it, so {what}"
    if in_batch:
        return f"; about {batches} of {model} in batches by the prices of {date}{cap}; {calls} call by call"
    return f"; about {calls} of {model} by the prices of {date}{cap}; {batches} with batch: true in limits"


def _time(num: int, tokens: int, limits: Mapping) -> str:
    """How long the calls take, one comparison after another, by whichever limit holds them up most."""
    if not limits:
        return ""
    if limits.get("batch"):
        return "; answers come within a day of each batch" if num else ""
    per_minute, per_token = limits["requests_per_minute"], limits["tokens_per_minute"]
    minutes = max(
        num * CALL_S / limits["in_flight"] / 60,
        num / per_minute if per_minute else 0,
        tokens / per_token if per_token else 0,
    )
    return f"; about {minutes:,.0f} min at its limits" if minutes >= 1 else "; under a minute at its limits"


def warnings(workspace: Workspace) -> list[str]:
    """A line for each model that is shut down, or whose budget cannot be kept, and would still be asked: before
    GPU-hours go into its outputs.
    """
    published = workspace.store.published()
    open_ones = [a for a in workspace.order if a.stage == "judge" and a.key not in published]
    judges = {judge for a in open_ones for judge in jury.members(judge_of(a))}
    models = {workload.model for judge in judges if (workload := prices.workload_of(judge))}
    return [
        f"warning: judge model {screen.printable(model)}: OpenAI shut it down on {price.shut_down}; name another "
        f"judge, or set OPENAI_BASE_URL to an endpoint of your own that serves it; nothing is judged otherwise"
        for model in sorted(models)
        if prices.is_shut_down(model) and (price := prices.price_of(model))
    ] + sorted(_without_price(open_ones) | _without_batch_price(open_ones))


def _without_price(open_ones: Sequence[Artifact]) -> set[str]:
    judges = [judge for a in open_ones for judge in jury.members(judge_of(a))]
    capped = {(j, budget) for j in judges if (budget := asked.limits_of(j).get("dollars")) is not None}
    known = [(workload.model, budget) for judge, budget in capped if (workload := prices.workload_of(judge))]
    return {
        f"warning: judge model {screen.printable(model)}: no price of it is known, so its budget of "
        f"{amounts.dollars(budget)} cannot be kept, and it stops before its first call: {prices.TO_DO}"
        for model, budget in known
        if prices.price_of(model) is None
    }


def _without_batch_price(open_ones: Sequence[Artifact]) -> set[str]:
    judges = {judge for a in open_ones for judge in jury.members(judge_of(a))}
    batched = {judge for judge in judges if asked.limits_of(judge).get("batch")}
    known = [(w.model, prices.price_of(w.model)) for judge in batched if (w := prices.workload_of(judge))]
    return {
        f"warning: judge model {screen.printable(model)}: {prices.NAME} has no batch price of it, so the full price "
        f"is counted against a budget; legal is a share of its prices, 0 to 1; add batch: 0.5 to its line"
        for model, price in known
        if price and price.batch is None and price.dollars(1, 1)
    }


def _pairs(workspace: Workspace, a: Artifact) -> list[dict] | None:
    """What the comparison `a` is about, if both sides' outputs are there and fit together; if not, its stage will say
    so.
    """
    published, given = workspace.store.published(), a.plain_params.get("reference")
    asked, candidate = (published.get(a.inputs[name].key) for name in ("instructions", "candidate"))
    other = workspace.study.files.get(given["sha256"]) if given else published.get(a.inputs["reference"].key)
    if asked is None or candidate is None or other is None:
        return None
    try:
        return pairs.read(
            asked / "instructions.jsonl", candidate / "outputs.json", other if given else other / "outputs.json"
        )[0]
    except (WinsweepError, OSError):
        return None
