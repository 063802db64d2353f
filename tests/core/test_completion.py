"""What a real bash proposes after `winsweep`."""

import re
import shutil
import subprocess
import sys

import pytest

from winsweep import cli, completion
from winsweep.command_names import SCRIPTS

ASK = 'eval "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shtab_winsweep; printf "%s\\n" "${COMPREPLY[@]}"'


def proposed(*words: str) -> set[str]:
    script = completion.script("bash", cli.SAYS)
    done = subprocess.run(
        ["bash", "--norc", "-c", ASK, "bash", script, *words], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_proposes_commands_and_their_options():
    assert proposed("winsweep", "") >= {*SCRIPTS, "completion"}
    assert proposed("winsweep", "st") == {"status"}
    assert proposed("winsweep", "run", "--dry") == {"--dry-run"}
    assert proposed("winsweep", "completion", "") == set(completion.SHELLS)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_proposes_files_where_a_path_is_asked_for(tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").touch()
    monkeypatch.chdir(tmp_path)
    assert "mine.yaml" in proposed("winsweep", "run", "mi")


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_every_shell_gets_every_command(shell):
    assert set(SCRIPTS) <= set(re.findall(r"[a-z]+", completion.script(shell, cli.SAYS)))


@pytest.mark.parametrize("words", [[], ["fish"], ["bash", "zsh"]])
def test_other_shells_are_told_which_are_legal(words, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["winsweep", "completion", *words])
    assert cli.main() == 2
    assert "bash | zsh | tcsh" in capsys.readouterr().err
