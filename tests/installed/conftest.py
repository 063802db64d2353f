"""winsweep as a person installs it: a wheel, built once, in an environment of its own whose Pythons note every file of
the checkout that they open.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = "src jobs launch ds_configs slurm setup.py pyproject.toml MANIFEST.in README.md LICENSE".split()
# Every Python of the environment runs this first. What we depend on may lie in the checkout's .venv, and counts as no
# part of it.
WATCH = """\
import os, sys
ROOT, THEIRS, LOG = {root!r}, {theirs!r}, os.open({log!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def look(event, args):
    if event in ("open", "os.listdir", "os.scandir", "subprocess.Popen"):
        for word in [args[0], *(args[1] if event == "subprocess.Popen" else ())]:
            word = os.fsdecode(word) if isinstance(word, (str, bytes)) else ""
            if word.startswith(ROOT + os.sep) and not word.startswith(THEIRS + os.sep):
                os.write(LOG, (event + " " + word + chr(10)).encode())
sys.addaudithook(look)
"""


@dataclass(frozen=True)
class Installed:
    """The environment, the wheel in it, and the file that names what of the checkout was opened."""

    folder: Path
    wheel: Path
    log: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin/python"

    def run(self, *words: object, at: Path, code: int = 0) -> str:
        """What a command of the environment prints; it knows nothing of the tests' own paths."""
        env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
        done = subprocess.run([*map(str, words)], cwd=at, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def winsweep(self, *words: object, at: Path, code: int = 0) -> str:
        return self.run(self.folder / "bin/winsweep", *words, at=at, code=code)

    def opened(self) -> str:
        return self.log.read_text()


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    at = tmp_path_factory.mktemp("installed")
    wheel = build(at)
    venv = at / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True, timeout=120)
    site = next(venv.glob("lib/python*/site-packages"))
    (site / "dependencies.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n")
    pip("--python", str(venv / "bin/python"), "install", "--no-deps", "--no-index", "--force-reinstall", str(wheel))
    watch = WATCH.format(root=str(ROOT), theirs=sys.prefix, log=str(at / "opened"))
    (site / "watch_opened.py").write_text(watch)
    (site / "watch.pth").write_text("import watch_opened\n")  # Debian's Python has a sitecustomize of its own
    return Installed(venv, wheel, at / "opened")


def build(at: Path) -> Path:
    """The wheel, from a copy of the checkout that is gone afterwards."""
    copy = at / "copy"
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy2(ROOT / name, copy / name)
    pip("wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", str(at / "dist"), str(copy))
    shutil.rmtree(copy)
    (wheel,) = (at / "dist").glob("*.whl")
    return wheel


def pip(*words: str) -> None:
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-m", "pip", *words], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
