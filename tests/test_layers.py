"""The picture of the layers in DESIGN.md is that of the code: each line imports only lines below it, and its own."""

import ast
from pathlib import Path

SRC = Path(__file__).resolve().parents[1] / "src/winsweep"
NAME = "src/winsweep/"
COLUMN = len(NAME) + 1  # where the names of a line begin


def drawn_lines() -> list[list[str]]:
    """The modules and folders of src/winsweep by line of the picture, highest first."""
    picture = (SRC / "DESIGN.md").read_text().split("```")[1]
    names = [line[COLUMN:].split("  ")[0] for line in picture.splitlines() if line[:COLUMN].strip() in ("", NAME)]
    return [[word.rstrip("/") for word in line.split()] for line in names if line.strip("- ")]


def imported(path: Path) -> set[str]:
    """The modules and folders of src/winsweep that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "winsweep":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("winsweep."):
            found.add(str(node.module).split(".")[1])
    return found


def top(path: Path) -> str:
    return path.relative_to(SRC).with_suffix("").parts[0]


def test_the_picture_has_every_module_once():
    there = {top(p) for p in SRC.rglob("*.py")} - {"__init__"}
    drawn = [name for line in drawn_lines() for name in line]
    assert sorted(drawn) == sorted(there | {"shipped"})


def test_every_line_imports_only_lines_below_it_and_its_own():
    height = {name: -n for n, line in enumerate(drawn_lines()) for name in line}
    files = [p for p in SRC.rglob("*.py") if top(p) != "__init__"]
    upward = [(str(p), name) for p in files for name in imported(p) if height[name] > height[top(p)]]
    assert not upward
