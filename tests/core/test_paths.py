"""Paths that would break a line of a script or lie to a terminal are refused at the door, for every path of every
command.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from winsweep import paths
from winsweep.errors import BadStudy, WinsweepError
from winsweep.graph import load
from winsweep.store.store import Store

ROOT = Path(__file__).resolve().parents[2]
EVIL = "runs\n#SBATCH --wrap=id"
STUDY = "launch/sweeps/demo.yaml"
COMMANDS = [
    ("sweep", ["BAD"]),
    ("sweep", [STUDY, "--store", "BAD"]),
    ("sweep", [STUDY, "--cluster", "BAD"]),
    ("sweep", [STUDY, "--emit", "BAD"]),
    ("status", ["BAD"]),
    ("status", [STUDY, "--store=BAD"]),
    ("logs", ["BAD", "c"]),
    ("logs", [STUDY, "c", "--store", "BAD"]),
    ("report", ["BAD"]),
    ("report", [STUDY, "--out", "BAD"]),
    ("report", [STUDY, "--store", "BAD"]),
    ("prune", ["BAD"]),
    ("prune", [STUDY, "BAD"]),
    ("prune", [STUDY, "--store", "BAD"]),
    ("doctor", ["BAD"]),
    ("doctor", ["local", "--store", "BAD"]),
    ("one", ["train", "--store", "BAD"]),
    ("one", ["train", "--cluster", "BAD"]),
    ("one", ["train", "--data", "BAD"]),
    ("score", ["BAD"]),
    *(
        ("score", ["a.json", f"--{name}", "BAD"])
        for name in ("reference", "second", "instructions", "difficulty", "store")
    ),
]


@pytest.mark.parametrize(("command", "words"), COMMANDS, ids=lambda v: v if isinstance(v, str) else " ".join(v))
def test_every_path_of_every_command_is_looked_at(command, words, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", [f"launch/{command}.py", *(w.replace("BAD", str(tmp_path / EVIL)) for w in words)])
    with pytest.raises(SystemExit) as e:
        load(ROOT / f"launch/{command}.py", "tests.launched").main()
    said = capsys.readouterr().err
    assert (
        e.value.code == 2
        and "error: argument" in said
        and "with the character U+000A; legal are paths without line breaks" in said
    )
    assert "\n#SBATCH" not in said and not list(tmp_path.iterdir())


def test_what_argparse_cannot_see_is_refused_by_a_real_process(tmp_path):
    """A byte that is no UTF-8, and a directory that the command is typed in."""
    (here := tmp_path / "a\nb").mkdir()
    for words, cwd in (
        ([str(ROOT / STUDY), "--store", b"\xff"], ROOT),
        ([str(ROOT / STUDY), "--store", "runs", "--dry-run"], here),
    ):
        done = subprocess.run(
            [sys.executable, str(ROOT / "launch/sweep.py"), *words], cwd=cwd, capture_output=True, text=True, timeout=60
        )
        assert (
            done.returncode == 2
            and "legal are paths without" in done.stderr
            and "Traceback" not in done.stderr
            and not list(here.iterdir())
        )


@pytest.mark.parametrize(
    "char", ["\n", "\r", "\0", "\t", "\x1b", "\x7f", "\x85", "\u2028", "\u202e", "\u2066", "\udcff"]
)
def test_characters_that_are_no_part_of_a_path(char, tmp_path):
    for give in (lambda p: paths.checked(p, "x"), Store):
        with pytest.raises(BadStudy, match=f"U\\+{ord(char):04X}"):
            give(f"{tmp_path}/a{char}b")


def test_a_link_is_followed_before_a_path_is_believed(tmp_path):
    (tmp_path / EVIL).mkdir()
    (tmp_path / "fine").symlink_to(tmp_path / EVIL)
    with pytest.raises(BadStudy, match=r"found .*U\+000A"):
        Store(tmp_path / "fine")


def test_other_names_stand(tmp_path):
    for name in ("runs", "with space", "ünï", "日本", "🤝🏽‍x", "$(id)", "'q\"", "%j", "-x"):
        assert paths.argument(str(tmp_path / name)) == tmp_path / name == paths.checked(tmp_path / name, "")
    for given in ("", "llama2-7b", "x" * 5000, os.fspath(tmp_path / "loop")):
        (tmp_path / "loop").is_symlink() or (tmp_path / "loop").symlink_to(tmp_path / "loop")
        assert paths.word(given) == given


def test_paths_that_a_study_a_variable_or_a_spec_names(tmp_path, monkeypatch):
    from winsweep.attempt import by_hand
    from winsweep.study.web_file import cache
    from winsweep.yaml_nodes import read_yaml

    monkeypatch.setenv("WINSWEEP_CACHE", str(tmp_path / "a\nb"))
    for act in (cache, lambda: read_yaml(tmp_path / "a\rb.yaml")):
        with pytest.raises(WinsweepError, match="legal are paths without"):
            act()
    with pytest.raises(SystemExit, match="2"):
        by_hand.main(tmp_path / "s\n.json")
    (tmp_path / "s.yaml").write_text(f'extends: {ROOT / STUDY}\nmodels: {{m: {{path: "x\\ny"}}}}\n')
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "launch/sweep.py"),
            str(tmp_path / "s.yaml"),
            "--store",
            str(tmp_path / "r"),
            "--dry-run",
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (
        done.returncode == 2 and "legal are paths without" in done.stderr and "s.yaml:2: models.m.path" in done.stderr
    )
