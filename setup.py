"""What pyproject.toml cannot say: a wheel holds the folders beside src, too, in winsweep/bundled. An editable install
has none of that and reads the checkout's own.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FOLDERS = ("jobs", "launch", "ds_configs", "slurm")
LEFT_OUT = ("__pycache__", "testbed", "*.pyc")  # the testbed is for tests of the checkout


class BuildWithFolders(build_py):
    """build_py, then the folders; nothing of an earlier build stays."""

    def run(self) -> None:
        if not self.editable_mode:
            shutil.rmtree(Path(self.build_lib) / "winsweep", ignore_errors=True)
        super().run()
        if self.editable_mode:
            return
        bundled = Path(self.build_lib) / "winsweep" / "bundled"
        for name in FOLDERS:
            shutil.copytree(Path(__file__).parent / name, bundled / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
        (bundled / "COMMIT").write_text(f"v{self.distribution.get_version()}\n")


setup(cmdclass={"build_py": BuildWithFolders})
