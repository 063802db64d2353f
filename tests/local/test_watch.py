"""A study is watched while it runs, after it failed, and while what it is seen through is away: as JSON and on a
terminal.
"""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

from tests.local.conftest import ROOT, TINY, Bench
from winsweep import logs
from winsweep.artifact import closure
from winsweep.attempt import arrays
from winsweep.errors import NotFound
from winsweep.watch.look import Watcher
from winsweep.workspace import open_workspace

LONG = TINY.replace("seeds: [1, 2]", "seeds: [1]").replace("epochs: 2", "epochs: 20000")
FIELDS = {
    "format",
    "num_done",
    "num_left",
    "study",
    "store",
    "at",
    "results",
    "cells",
    "gpu_hours",
    "left_s",
    "left_why",
}
FIELDS |= {"queue", "retry", "table", "whole", "states"}


def status(bench: Bench, *words: str, code: int = 0, env: dict | None = None) -> str:
    command = [sys.executable, str(ROOT / "launch/status.py"), str(bench.study), "--store", str(bench.store), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=env, stdin=subprocess.DEVNULL)
    assert done.returncode == code, done.stderr
    return done.stdout


def until(ready, timeout_s: float = 90):
    limit = time.monotonic() + timeout_s
    while not (found := ready()):
        assert time.monotonic() < limit, "it never happened"
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A study whose one finetune goes on and on."""
    bench = Bench(tmp_path_factory.mktemp("running"), LONG)
    process = bench.start("--train-only", "--only", "a.sum.s1")
    until(
        lambda: [p for p in bench.store.glob(".work/finetune/*/state-*/log.jsonl") if p.read_bytes().count(b"\n") > 30]
    )
    yield bench
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)


def test_json_of_a_finished_study_has_every_field_and_nothing_left(finished):
    told = json.loads(status(finished, "--json"))
    assert told.keys() == FIELDS and told["format"] == 2 and told["whole"] and told["states"] == {"done": 8}
    assert (told["num_done"], told["num_left"], told["queue"], told["left_s"]) == (8, 0, None, None)
    assert {r["state"] for r in told["results"]} == {c["state"] for c in told["cells"]} == {"done"}
    keys = {r["key"] for r in told["results"]}
    assert all(set(of) <= keys for cell in told["cells"] for of in cell["keys"].values())
    assert told["table"] == f"table: {finished.store}/results/tiny.csv"
    assert json.loads(status(finished, "--json", "--watch"))["num_left"] == 0  # one line, as nothing is left


def test_where_there_is_no_terminal_watch_is_the_plain_overview_once(finished):
    assert status(finished, "--watch") == status(finished)


def test_a_running_finetune_has_its_step_loss_speed_and_end(running):
    [told] = [r for r in json.loads(status(running, "--json"))["results"] if r["state"] == "running"]
    training = told["training"]
    assert told["stage"] == "finetune" and told["cells"] == ["a.sum.s1"] and 0 < told["share"] < 1
    assert training["num_steps"] == 60000 and 30 < training["step"] < 60000 and len(training["losses"]) <= 60
    assert training["loss"] > 0 and training["tokens_per_s"] > 0 and os.path.exists(told["log"])


def test_logs_tell_the_last_steps_and_follow_new_ones(running):
    workspace = open_workspace(running.study, running.store)
    [finetune] = logs.steps(workspace, "a.sum.s1", "finetune")
    told = logs.steps_text(workspace, logs.current(workspace, "a.sum.s1")).splitlines()
    assert told[0].endswith("/log.jsonl") and len(told) == 1 + logs.STEPS
    line = r"step ([\d,]+) of 60,000  loss [\d.e-]+  lr [\d.e-]+  [\d,]+ tokens/s"
    assert all(re.fullmatch(line, text) for text in told[1:])
    seen: dict = {}
    first = re.fullmatch(line, logs.new_steps(workspace, [finetune], seen).strip())
    second = until(lambda: logs.new_steps(workspace, [finetune], seen))
    assert int(re.fullmatch(line, second.strip())[1].replace(",", "")) > int(first[1].replace(",", ""))
    [other] = logs.steps(workspace, "a.sum.s1", "prepare")[-1:]
    assert logs.new_steps(workspace, [other], {}) == ""


def test_a_failure_has_its_reason_its_log_and_the_command(bench):
    bench.write(
        TINY.replace("seeds: [1, 2]", "seeds: [1]").replace("kinds: [sum],", "kinds: [sum], recipe: {lr: 1.0e+30},")
    )
    said = bench.run(code=1)
    assert re.search(
        rf"^next     what failed: .*{bench.study} --store {bench.store} --why a\.sum\.s1$", said, re.MULTILINE
    )
    assert re.search(
        r"^next     answers of a\.\w+\.s1 beside the reference's: file:///.*/tiny\.html#cell=a\.\w+\.s1$",
        said,
        re.MULTILINE,
    )
    seen = Watcher(open_workspace(bench.study, bench.store)).look()
    [failed] = [r for r in seen.results if r.state == "failed"]
    assert failed.why.startswith("application: NotFinite") and "attempt.log" in str(failed.log) and seen.num_left == 0
    assert seen.retry.endswith("--retry-failed") and str(bench.study) in seen.retry
    assert {c.label: c.state for c in seen.cells}["a.sum.s1"] == "failed"


def test_a_store_that_goes_away_is_told_and_one_that_comes_back_is_seen(bench):
    watcher = Watcher(open_workspace(bench.study, bench.store))
    before = watcher.look()
    away = bench.store.rename(bench.folder / "away")
    with pytest.raises(NotFound, match="the store is not there"):
        watcher.look()
    assert not bench.store.exists()  # looking made none
    away.rename(bench.store)
    assert watcher.look().results == before.results


def test_without_squeue_the_store_is_shown_and_that_is_said(bench, monkeypatch, tmp_path):
    workspace = open_workspace(bench.study, bench.store)
    first = next(a for a in closure(workspace.wanted) if a.stage == "prepare")
    folder, _ = arrays.open_folder(workspace.store.root, "prepare", [[first.key]])
    arrays.know(folder, "7")
    monkeypatch.setenv("PATH", str(tmp_path))  # there is none
    seen = Watcher(workspace).look()
    assert seen.queue and seen.queue.asked_at is None and "squeue: not found" in seen.queue.trouble
    assert {r.state for r in seen.results} == {"ready", "waiting"} and not (folder / "over").exists()


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, command: list[str], columns: int = 80, lines: int = 24) -> None:
        self.heard = b""
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.environ |= {"TERM": "xterm"}
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            os.execv(command[0], command)

    def read(self) -> str:
        """What stands on the screen: rich draws all of it again each time."""
        while select.select([self.fd], [], [], 0.1)[0]:
            try:
                self.heard += os.read(self.fd, 1 << 16)
            except OSError:
                break
        last = self.heard.decode(errors="replace").rpartition("\x1b[H")[2]
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", last).replace("\r\n", "\n")

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


@pytest.mark.parametrize(("end", "code"), [("q", 0), ("\x03", 130), (signal.SIGTERM, 130)])
def test_the_board_listens_fits_every_size_and_leaves_the_terminal_as_it_was(running, end, code):
    command = [sys.executable, str(ROOT / "launch/status.py"), str(running.study), "--store", str(running.store)]
    terminal = Terminal([*command, "--watch"])
    before = termios.tcgetattr(terminal.fd)
    text = until(lambda: (t := terminal.read()) and re.search(r"^step .*loss", t, re.MULTILINE) and t)
    assert "tiny: 0 of 4 cells done · 1 running" in text and "q quit" in text and "▸ finetune/a.sum.s1" in text
    assert max(map(len, text.splitlines())) <= 80 and len(text.splitlines()) == 24
    assert re.search(r"step [\d,]+ of 60,000  loss", text)
    os.write(terminal.fd, b"c")
    until(lambda: "sum.s1 " in terminal.read())
    terminal.resize(120, 40)
    text = until(lambda: (t := terminal.read()) and len(t.splitlines()) == 40 and t)
    assert "── now" in text
    os.write(terminal.fd, b"\r")
    until(lambda: "enter back" in terminal.read())
    if isinstance(end, str):
        os.write(terminal.fd, end.encode())
    else:
        os.kill(terminal.pid, end)
    until(lambda: terminal.read() is not None and b"\x1b[?1049l" in terminal.heard)
    assert termios.tcgetattr(terminal.fd) == before
    assert os.waitstatus_to_exitcode(os.waitpid(terminal.pid, 0)[1]) == code
    assert b"\x1b[?25h" in terminal.heard.rpartition(b"\x1b[?25l")[2] and b"Traceback" not in terminal.heard
