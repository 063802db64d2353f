"""The table for a paper: LaTeX that compiles in form and Markdown that is one table, whatever things are called."""

import re
from typing import Any

import pytest

from tests.report.test_figures import CASES, FOUND, arm, contents
from winsweep.escapes import latex
from winsweep.report.paper_tables import latex_table, lines, markdown_table

NAMES = [
    "50% & a_b",
    "\\end{table} \\input{/etc/passwd}",
    "{{}}} $x^2$ # ~",
    "| a | b |",
    "` `` *x* [y](z) <script>",
    "line\nbreak --- “quoted” — \u2018x\u2019",
    "\u202eevil\x1b[2J",
    "漢字 ümlaut ± −3",
    "[starts with a bracket",
]


def hostile() -> dict[str, Any]:
    found = contents([arm(i, f"m{i % 2} {name}", name, 40.0 + i) for i, name in enumerate(NAMES)])
    return found | {"reference": NAMES[1], "judge": NAMES[4], "study": {"name": NAMES[5]}}


def unescaped(text: str, sign: str) -> int:
    return len(re.findall(rf"(?<!\\)(?:\\\\)*{re.escape(sign)}", text))


@pytest.mark.parametrize("found", [hostile(), *CASES.values()])
def test_latex_is_balanced_and_every_row_has_its_cells(found: dict[str, Any]) -> None:
    text = latex_table(found)
    code = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert unescaped(code, "{") == unescaped(code, "}") and code.count("$") - code.count(r"\$") in range(0, 999, 2)
    assert re.findall(r"\\(?:begin|end)\{(\w+)\}", code) == ["table", "tabular", "tabular", "table"]
    columns = re.search(r"\\begin\{tabular\}\{([lr]+)\}", code)
    body = code.partition("\\midrule\n")[2].partition("\n\\bottomrule")[0]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert columns and len(rows) == len(found["arms"])
    assert all(unescaped(row, "&") == len(columns[1]) - 1 for row in rows)
    assert not unescaped(code, "%") and not unescaped(code, "#") and not unescaped(code, "_") and r"\input" not in code
    assert (all(ord(c) < 0x180 for c in code) and code.isascii()) or "ü" in code
    assert text.splitlines()[0].startswith("% ") and "\\usepackage" not in code


@pytest.mark.parametrize("found", [hostile(), *CASES.values()])
def test_markdown_is_one_table_with_a_row_for_each_arm(found: dict[str, Any]) -> None:
    table, _, caption = markdown_table(found).partition("\n\n")
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()]
    assert len(rows) == len(found["arms"]) + 2 and len({len(row) for row in rows}) == 1
    assert all(re.fullmatch(r" -{3}:? ", text) for text in rows[1])
    assert "<" not in caption.replace("p < 0.05", "") and "](" not in caption and caption.count("\n") == 1
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", table)
    assert not [sign for sign in ("<script", "](", "*x*", "\u202e", "\x1b") if sign in outside + caption]


def test_the_tables_have_the_reports_figures() -> None:
    rows = lines(FOUND)
    assert [of["id"] for of, _ in rows] == [of["id"] for of in FOUND["arms"]]
    apart = {(r["model"], r["arm"]) for r in FOUND["differences"] if r["against"] == "parity" and r["p_holm"] == "0.01"}
    for of, figures in rows:
        win = of["headline_pct"]
        assert figures[:3] == [
            f"{win:.1f}{'†' if (of['model'], of['name']) in apart else ''}",
            f"[{of['headline_low_pct']:.1f}, {of['headline_high_pct']:.1f}]",
            f"{of['lc_win_rate_pct']:.1f}",
        ]
    assert apart


def test_latex_of_a_text_stands_for_itself() -> None:
    assert latex("50% & a_b {x} \\end #1 ü 漢") == r"50\% \& a\_b \{x\} \textbackslash{}end \#1 ü \texttt{U+6F22}"
    assert latex("a\n--- b") == r"a {-}{-}{-} b"
