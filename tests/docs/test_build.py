"""The documentation builds without a warning, its pages link to each other, and the README's links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.test_examples import checkout

PAGES = ("index", "reference/study", "reference/cluster", "reference/judges", "reference/columns", "reference/commands")


@pytest.mark.slow
def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    here, built = checkout(tmp_path / "checkout"), tmp_path / "html"
    words = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", built]
    done = subprocess.run(words, cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert all((built / f"{page}.html").is_file() for page in PAGES)
    text = (built / "reference/study.html").read_text(encoding="utf-8")
    assert all(f">{key}</span>" in text for key in ("warmup_ratio", "eos_bonus", "draw_seed"))


def test_links_of_the_readme_lead_somewhere() -> None:
    links = re.findall(r"(?:\]\(|src=\")([^)#\s\"]+)", (ROOT / "README.md").read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert local and not [link for link in local if not (ROOT / link).exists()]
