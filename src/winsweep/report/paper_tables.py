"""The table of arms for a paper: LaTeX (booktabs) and Markdown. Pure functions of `contents`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from winsweep.escapes import cell, code, latex, markdown

LEVEL = 0.05
APART = "†"
Contents = Mapping[str, Any]
Arm = Mapping[str, Any]
LATEX = r"""% {title}: needs \usepackage[T1]{{fontenc}}, \usepackage{{textcomp}} and \usepackage{{booktabs}}
\begin{{table}}[t]
\centering
\caption{{{caption}}}
\label{{tab:winsweep}}
\begin{{tabular}}{{{columns}}}
\toprule
{head} \\
\midrule
{body}
\bottomrule
\end{{tabular}}
\end{{table}}
"""


def head(found: Contents) -> list[str]:
    """What the columns are called; the first are texts, the others numbers."""
    several = ["Model"] if len(_models(found)) > 1 else []
    published = ["Published"] if any(arm["published"] for arm in found["arms"]) else []
    return [*several, "Arm", "Win %", "95 % interval", "LC %", *published, "Plain %", "n", "Seeds"]


def lines(found: Contents) -> list[tuple[Arm, list[str]]]:
    """Each arm, and its figures as the columns behind its name have them, grouped by model."""
    told = _apart(found)
    shows_published = "Published" in head(found)
    rows = []
    for model in _models(found):
        for arm in (arm for arm in found["arms"] if arm["model"] == model):
            low, high = _number(arm["headline_low_pct"]), _number(arm["headline_high_pct"])
            win = _number(arm["headline_pct"]) + (APART if (model, arm["name"]) in told else "")
            interval = "reference" if arm["is_reference"] else f"[{low}, {high}]" if low and high else ""
            published = [_number(arm["published"][0]) if arm["published"] else ""] if shows_published else []
            last = [_number(arm["win_rate_pct"]), str(arm["n"] or ""), str(len(arm["seeds"]))]
            rows.append((arm, [win, interval, _number(arm["lc_win_rate_pct"]), *published, *last]))
    return rows


def caption(found: Contents, name: Callable[[object], str]) -> str:
    """What the figures are, with each name escaped by `name`."""
    state = found["state"]
    parts = [
        f"Win rates in percent against {name(found['reference'])}, judged by {name(found['judge'])}.",
        f"Win: {found['control']['where'] or 'plain'}, with its 95 % interval over seeds and instructions.",
        "LC: AlpacaEval's length-controlled win rate. Plain: without correction.",
    ]
    parts += [f"{APART}: differs from 50 (Holm's p < {LEVEL})."] if _apart(found) else []
    parts += [] if state["is_whole"] else [f"{state['judged']} of {state['cells']} cells are judged."]
    return " ".join(parts)


def markdown_table(found: Contents) -> str:
    """The table and its caption in Markdown; names are code, so that nothing in them is markup."""
    several = len(_models(found)) > 1
    names = head(found)
    rules = ["---" if name in ("Model", "Arm") else "---:" for name in names]
    rows = [
        [*([code(arm["model"])] if several else []), code(arm["name"]), *(cell(text) for text in figures)]
        for arm, figures in lines(found)
    ]
    table = "\n".join(f"| {' | '.join(map(cell, row))} |" for row in (names, rules, *rows))
    return f"{table}\n\n{caption(found, markdown)}\n"


def latex_table(found: Contents) -> str:
    """The table as a float of LaTeX, models apart by a rule."""
    several, names = len(_models(found)) > 1, head(found)
    body: list[str] = []
    before = None
    for arm, figures in lines(found):
        model = latex(arm["model"]) if arm["model"] != before else ""
        body += [r"\addlinespace"] if several and before is not None and model else []
        before = arm["model"]
        row = [*([model] if several else []), latex(arm["name"]), *map(_latex_figure, figures)]
        body.append(" & ".join(row) + r" \\")
    return LATEX.format(
        title=latex(found["study"]["name"]),
        caption=_latex_figure(caption(found, latex)),
        columns="".join("l" if name in ("Model", "Arm") else "r" for name in names),
        head=" & ".join(_latex_figure(name) for name in names),
        body="\n".join(body),
    )


def _latex_figure(text: str) -> str:
    """A text of ours for LaTeX: percent signs, brackets at the start of a cell, the dagger, a minus and quotes."""
    for sign, said in ((" %", r"\,\%"), (APART, r"\textsuperscript{\textdagger}"), ("−", "$-$"), ("<", "$<$")):
        text = text.replace(sign, said)
    return f"{{[}}{text[1:]}" if text.startswith("[") else text


def _apart(found: Contents) -> set[tuple[str, str]]:
    """Model and name of the arms that differ from half."""
    rows = [row for row in found["differences"] if row["against"] == "parity" and row["p_holm"]]
    return {(row["model"], row["arm"]) for row in rows if float(row["p_holm"]) < LEVEL}


def _models(found: Contents) -> Sequence[str]:
    return list(dict.fromkeys(arm["model"] for arm in found["arms"]))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}".replace("-", "−")
