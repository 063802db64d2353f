"""What `make` installs is what pyproject.toml allows, and the low end that is tested is pyproject's own."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WITH_EXTRAS = [
    *PROJECT["dependencies"],
    *(each for extra in PROJECT["optional-dependencies"].values() for each in extra),
]
ASKED = [asked for asked in map(Requirement, WITH_EXTRAS) if asked.name != "winsweep"]
MAKEFILE = (ROOT / "Makefile").read_text()


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def exact(path: Path) -> dict[str, list[str]]:
    """The versions that a file of requirements names: several, where they hang on the Python."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^ \\;\n]+)", path.read_text(), re.MULTILINE):
        found.setdefault(plain(name), []).append(version)
    return found


@pytest.fixture(scope="module")
def lock() -> dict[str, list[str]]:
    [torch] = re.findall(r"^TORCH \?= (.+)$", MAKEFILE, re.MULTILINE)
    return exact(ROOT / "requirements.lock") | {"torch": [torch]}


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.name)
def test_the_lock_has_what_is_asked_for(lock: dict[str, list[str]], asked: Requirement) -> None:
    versions = lock.get(plain(asked.name), [])
    assert versions and all(map(asked.specifier.contains, versions)), (
        f"{asked}: the lock has {versions}; type make lock"
    )


def test_every_line_of_the_lock_has_a_digest() -> None:
    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    named = [n for n, line in enumerate(lines) if not line.startswith("    ")]
    assert len(named) > 100 and all(lines[n + 1].startswith("    --hash=sha256:") for n in named)


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.name)
def test_the_low_end_that_is_tested_is_the_lowest_that_is_allowed(asked: Requirement) -> None:
    low = exact(ROOT / "tests/compat/low.txt").get(plain(asked.name))
    lower = [each.version for each in asked.specifier if each.operator == ">="]
    if asked.name in [Requirement(each).name for each in PROJECT["dependencies"]]:
        assert low and lower, f"{asked}: has no lower bound, or none in tests/compat/low.txt"
    if low and lower:
        assert asked.specifier.contains(low[0]) and same_release(low[0], lower[0]), f"{asked}: low.txt has {low[0]}"


def same_release(version: str, lower: str) -> bool:
    """Whether a version begins as a lower bound does: the first that there is of 5.17, say."""
    return version.split(".")[: len(lower.split("."))] == lower.split(".")


def test_conda_and_the_workflow_ask_for_what_make_asks_for() -> None:
    [torch] = re.findall(r"^TORCH \?= (.+)$", MAKEFILE, re.MULTILINE)
    conda = (ROOT / "environment.yml").read_text()
    assert f"torch=={torch} " in conda and "requirements.lock" in conda
    assert ".ci/run" in (ROOT / ".github/workflows/ci.yml").read_text()
