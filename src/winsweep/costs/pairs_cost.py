"""What comparing arms with each other adds to a study's judging, in words."""

from collections.abc import Sequence

from winsweep.amounts import plural
from winsweep.costs import forecast
from winsweep.plan import Item
from winsweep.workspace import Workspace


def lines(workspace: Workspace, items: Sequence[Item]) -> list[str]:
    """How many comparisons of two arms there are, and what those take that are still to be judged and that the table
    does not ask for; nothing without all_pairs.
    """
    pairs = workspace.study.pairs
    if not pairs:
        return []
    extra = {a for name, a in workspace.analyses.items() if workspace.study.analyses[name].stage == "judge"}
    missing = [i.artifact for i in items if i.state != "done" and i.artifact in extra]
    num = len({pair.comparison for pair in pairs})
    own = f"{len(extra):,} of them beside the table's"
    told = f"all_pairs: {plural(num, 'comparison')} of two arms, k (k - 1) / 2 of k arms; {own}"
    return [told, *(f"of these: {line}" for line in forecast.judgements(workspace, missing))]
