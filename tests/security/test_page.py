"""docs/explanation/security.md: each line names tests that there are, and each file of tests here stands in a line."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
PAGE = (ROOT / "docs/explanation/security.md").read_text()
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def names_in(path: Path) -> set[str]:
    return {n.name for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef)}


def test_every_line_of_a_table_names_a_test():
    lines = [line for line in PAGE.splitlines() if line.startswith("|") and not line.startswith(("| thing", "|---"))]
    assert len(lines) > 30 and not [line for line in lines if not NAMED.search(line)]
    assert all(line.count("|") == 5 for line in lines)


def test_every_test_that_is_named_is_there():
    named = NAMED.findall(PAGE)
    assert len(named) > 40 and not [(file, name) for file, name in named if name not in names_in(HERE / file)]


def test_every_file_of_tests_stands_on_the_page():
    files = {path.name for path in HERE.glob("test_*.py")} - {Path(__file__).name}
    assert files == {file for file, _ in NAMED.findall(PAGE)}
