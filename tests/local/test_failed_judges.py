"""Failures of judges whose reasons name questions: those of one cause are told together."""

from dataclasses import replace

from tests.local.conftest import TINY
from winsweep import failed
from winsweep.workspace import open_workspace


def test_failures_of_a_judge_are_told_together_whichever_questions_they_name(tmp_path):
    (tmp_path / "s.yaml").write_text(TINY)
    workspace = open_workspace(tmp_path / "s.yaml", tmp_path / "runs")
    items = workspace.plan(workspace.facts())
    judged = [i.artifact for i in items if i.artifact.stage == "judge"][:4]
    who, end = "judge: judge alpaca with m: ", "; what was judged is kept; run again to judge what is missing"
    reasons = [
        "2 of 9 pairs have no preference: #0 \"it's \\'1\\'\": HTTP 500: busy; #3 'b; c': HTTP 500: busy",
        "7 of 9 pairs have no preference: #4 'other': HTTP 500: busy; #5 'x': HTTP 500: busy; and 4 more",
        f"3 of 9 pairs have no preference: #1 'a': HTTP 500: busy; #2 '{'long ' * 9}…",
        "1 of 9 pairs have no preference: #2 'a': HTTP 401: the judge's key is wrong",
    ]
    why = {a: who + reason + end for a, reason in zip(judged, reasons, strict=True)}
    told = [replace(i, state="failed", why=why[i.artifact]) if i.artifact in why else i for i in items]
    lines = failed.lines(workspace, told)
    said = [line for line in lines if line.startswith("failed")]
    assert len(said) == 2 and said[0].startswith("failed  3 × judge: ") and said[1] == f"failed  {judged[3].name}"
