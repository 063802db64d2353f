"""The tutorial's notebook runs from its first cell to its last, on a study that has run, and has no outputs in it."""

import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.export.conftest import CELL
from tests.local.conftest import ROOT, Bench

NOTEBOOK = ROOT / "docs/tutorial/look_at_a_study.ipynb"


def read() -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_the_notebook_is_small_and_without_outputs() -> None:
    nbformat.validate(read())
    code = [cell for cell in read().cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert NOTEBOOK.stat().st_size < 20_000


@pytest.mark.slow
def test_the_notebook_runs(trained: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kernel = tmp_path / "kernels/python3"
    kernel.mkdir(parents=True)
    argv = f'["{sys.executable}", "-m", "ipykernel_launcher", "-f", "{{connection_file}}"]'
    (kernel / "kernel.json").write_text(f'{{"argv": {argv}, "display_name": "Python 3", "language": "python"}}')
    for name, value in {
        "JUPYTER_PATH": tmp_path,
        "JUPYTER_PLATFORM_DIRS": 1,
        "HOME": tmp_path,
        "PYTHONPATH": ROOT / "src",
        "STUDY": trained.study,
        "STORE": trained.store,
    }.items():
        monkeypatch.setenv(name, str(value))
    found = NotebookClient(read(), timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}})
    done = found.execute()
    shown = ["".join(_texts(cell)) for cell in done.cells if cell.cell_type == "code"]
    assert "a.sum.s2" in shown[0] and "paired_win_rate_pct" in shown[1] and "p_holm" in shown[2]
    assert "Figure" in shown[3] and "reference:" in shown[4] and "win %" in shown[5] and "grad_norm" in shown[6]
    assert "collect/a.sum.s2-" in shown[7] and CELL.startswith("a.sum")


def _texts(cell: nbformat.NotebookNode) -> list[str]:
    assert not [o for o in cell.outputs if o.output_type == "error"]
    return [o.get("text") or o["data"].get("text/plain", "") for o in cell.outputs]
