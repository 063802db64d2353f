"""Every shell and Python example of the README and of docs/ runs, ends as the page says, and prints what it shows.

A page has a checkout of its own and one shell; its Python blocks run after that, in one namespace.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.docs.examples import WORDS_OF_SHELL, Block, blocks, unlike

GENERATED = ("study", "cluster", "judges", "columns", "commands")
PAGES = {
    str(path.relative_to(ROOT)): blocks(path.read_text(encoding="utf-8"))
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if "_build" not in path.parts and not (path.parent.name == "reference" and path.stem in GENERATED)
}
END = "@@end"  # printed after each command, with its exit status
RUN = """import sys
space = {"__name__": "__main__"}
for path in sys.argv[1:]:
    exec(compile(open(path, encoding="utf-8").read(), path, "exec"), space)
"""


def run(page: str, *kinds: str) -> list[Block]:
    """The blocks of a page that are run, of these kinds."""
    return [block for block in PAGES[page] if "not run" not in block.said and block.kind in kinds]


@pytest.mark.slow
@pytest.mark.parametrize("page", [name for name in PAGES if run(name, "console")])
def test_what_a_page_types_runs_and_prints_what_it_shows(page: str, tmp_path: Path) -> None:
    here = checkout(tmp_path / "checkout")
    typed = [b for b in PAGES[page] if "not run" not in b.said and (b.kind == "console" or "file" in b.said)]
    found = answers(here, script(typed, tmp_path))
    for block in (block for block in typed if block.kind == "console"):
        for n, command in enumerate(block.commands, start=1):
            where = f"{page}:{block.line}: $ {command.text}"
            output, status = next(found, ("", "of none: the shell ended before it"))
            legal = block.said.get("exit", "0") if n == len(block.commands) else "0"
            assert status == legal, f"{where}\nexit status {status}; the page says {legal}\n{output}"
            assert not (lines := unlike(command.shown, output)), f"{where}\nnot printed: {lines}\n{output}"


@pytest.mark.slow
@pytest.mark.parametrize("page", [name for name in PAGES if run(name, "python")])
def test_the_python_of_a_page_runs(page: str, tmp_path: Path) -> None:
    here, files = checkout(tmp_path / "checkout"), []
    for block in run(page, "python"):
        files.append(tmp_path / f"line_{block.line}.py")
        files[-1].write_text(block.text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", RUN, *files],
        cwd=here,
        env=environment(here),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{page}\n{done.stdout}{done.stderr}"
    shown = [line for b in PAGES[page] if b.kind == "text" and "not run" not in b.said for line in b.text.splitlines()]
    assert not (lines := unlike(tuple(shown), done.stdout)), f"{page}\nnot printed: {lines}\n{done.stdout}"


def test_what_is_not_run_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    passed = [(p, b) for p, found in PAGES.items() for b in found if "not run" in b.said]
    with capsys.disabled():
        print("".join(f"\nnot run: {page}:{block.line}: {block.said['not run']}" for page, block in passed))
    assert all(block.said["not run"] for _, block in passed)
    unsaid = [f"{p}:{b.line}" for p, found in PAGES.items() for b in found if b.kind in WORDS_OF_SHELL]
    assert not [at for at in unsaid if at not in {f"{p}:{b.line}" for p, b in passed}], (
        "type ```console, or say why not"
    )


def test_the_yaml_of_every_page_is_yaml() -> None:
    for page, found in PAGES.items():
        for block in found:
            if block.kind == "yaml" and not isinstance(yaml.safe_load(block.text), dict | list):
                raise AssertionError(f"{page}:{block.line}")


@pytest.mark.parametrize(
    ("shown", "real", "missing"),
    [
        ("a 1.5 s", "a 20 s\nb", []),
        ("…\nb  x\n…", "a\nb x\nc", []),
        ("b … x", "b 1 2 x", []),
        ("…\na", "a", []),
        ("b\na", "a\nb", ["a"]),
        ("a b\n  c", "a b c", []),
        ("a … c", "a b\nc", ["a … c"]),
        ("a b", "a", ["a b"]),
    ],
)
def test_what_is_shown_is_looked_for_in_what_is_printed(shown: str, real: str, missing: list[str]) -> None:
    assert unlike(tuple(shown.splitlines()), real) == missing


def checkout(to: Path) -> Path:
    """The files of this checkout that git knows, or would know."""
    listed = subprocess.run(
        ["git", "ls-files", "-zco", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to / name)
    return to


def environment(here: Path) -> dict[str, str]:
    """This environment with our Python first and the checkout's code, a home of its own, and no key of a judge."""
    own = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI", "SLURM", "WINSWEEP"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    more = {"PATH": path, "PYTHONPATH": str(here / "src"), "HOME": str(here.parent), "COLUMNS": "120"}
    return own | more


def script(typed: list[Block], folder: Path) -> str:
    """One shell script of all that a page types, and of the files that it says to write."""
    lines = []
    for block in typed:
        if name := block.said.get("file"):
            (kept := folder / f"block-{block.line}").write_text(block.text, encoding="utf-8")
            lines.append(f'mkdir -p "$(dirname {name})" && cp {kept} {name}')
        else:
            lines += [f"{command.text}\nprintf '\\n{END} %s\\n' $?" for command in block.commands]
    return "\n".join(lines)


def answers(here: Path, text: str) -> Iterator[tuple[str, str]]:
    """What each command prints, and its exit status."""
    done = subprocess.run(
        ["bash", "-c", text],
        cwd=here,
        env=environment(here),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    output = ""
    for line in done.stdout.splitlines():
        if line.startswith(f"{END} "):
            yield output, line.removeprefix(f"{END} ")
            output = ""
        else:
            output += f"{line}\n"
