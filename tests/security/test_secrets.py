"""A canary run: secrets in the environment are nowhere afterwards, from YAML to report, with an attempt that failed at
an endpoint that repeats the key.
"""

import base64
import json
import os
import subprocess
import sys
import threading
import urllib.parse
from pathlib import Path

import pytest

from tests.judge.server import JudgeServer
from tests.local.conftest import ROOT, Bench
from winsweep.placement import ClusterFile
from winsweep.tasks import toy

STUDY = """\
name: canary
models: {m: {pretrain: {num_tokens: 0, width: 16, layers: 1, heads: 2, mlp: 32}}}
adapters: {a: {rules: []}}
tasks: {}
seeds: [1]
instructions: {from: toy, part: dev, first: 8}
decoding: {batch: 20, precision: fp32, max_new_tokens: 4}
compare: {judge: {from: alpaca, model: local-judge, both_orders: false}, reference: {outputs: reference.json}}
"""
CLUSTER = "kind: slurm\nall: {partition: main, setup: ['true'], env: {A: b}}\n"
SECRETS = {
    "OPENAI_API_KEY": "sk-canary-0a1b2c3d4e5f6071",
    "OPENAI_ORG_ID": "org-canary-1b2c3d4e5f607182",
    "HF_TOKEN": "hf_canary2c3d4e5f60718293a4",
    "WANDB_API_KEY": "canary3d4e5f60718293a4b5c6d7e8f90a1b2c3d",
    "MLFLOW_TRACKING_PASSWORD": "canary-4e5f60718293",
    ClusterFile.notify: "json://canary-5f60718293:canary-60718293a4@127.0.0.1:1/canary-718293a4b5",
}
MARKS = [word for value in SECRETS.values() for word in value.replace("/", "@").replace(":", "@").split("@")]
CANARIES = [mark for mark in MARKS if "canary" in mark]


def forms(mark: str) -> set[bytes]:
    """A secret as it may be written: plain, in base64 at any place, or as part of an address."""
    whole = {mark.encode(), urllib.parse.quote(mark, safe="").encode(), mark[::-1].encode()}
    return whole | {base64.b64encode(b"x" * n + mark.encode())[4:-4] for n in range(3)}


def found_in(data: bytes) -> list[str]:
    return [mark for mark in CANARIES if any(form in data for form in forms(mark))]


class Arguments:
    """The words of every process on this machine, looked at again and again while it is entered."""

    def __init__(self) -> None:
        self.stop, self.found, self.seen = threading.Event(), list[str](), set[bytes]()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def look(self) -> None:
        while not self.stop.wait(0.05):
            for entry in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(entry.read_bytes())
                except OSError:
                    continue

    def __enter__(self) -> "Arguments":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()


@pytest.mark.slow
def test_no_canary_is_anywhere_after_a_run_that_failed_and_went_on(tmp_path, monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    bench = Bench(tmp_path, STUDY)
    rows = [row | {"output": "a word"} for row in toy.instructions(None, toy.Options(part="dev"))]
    (tmp_path / "reference.json").write_text(json.dumps(rows))
    (tmp_path / "c.yaml").write_text(CLUSTER)
    with JudgeServer() as server, Arguments() as arguments:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        told = [bench.run("--cluster", str(tmp_path / "c.yaml"), "--emit", str(tmp_path / "emitted"))]
        server.choose = lambda prompt, nth: "401"  # which repeats the key
        told.append(bench.run(code=1))
        server.choose = lambda prompt, nth: "ok"
        told.append(bench.run("--retry-failed"))
        told += [called("status", bench), called("status", bench, "--why", "m.a.s1"), called("report", bench)]
        told.append(called("track", bench, "--to", "tensorboard"))
    assert list(bench.store.glob(".trackers/tensorboard/**/events*"))
    heads = "".join(server.heads)
    assert f"Bearer {SECRETS['OPENAI_API_KEY']}" in heads and SECRETS["OPENAI_ORG_ID"] in heads  # the server was told
    assert "HTTP 401" in told[1] and "1 of 1 cells" in told[2]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    kinds = {path.suffix for path in files}
    assert len(files) > 100 and kinds >= {".log", ".html", ".csv", ".sh", ".json", ".jsonl"}
    assert [(path, found) for path in files if (found := found_in(path.read_bytes()))] == []
    assert [(path, found) for path in files if (found := found_in(os.fsencode(path)))] == []
    assert [found for text in told if (found := found_in(text.encode()))] == []
    assert len(arguments.seen) > 5 and [found for words in arguments.seen if (found := found_in(words))] == []


def called(name: str, bench: Bench, *words: str) -> str:
    command = [sys.executable, str(ROOT / f"launch/{name}.py"), str(bench.study), *words, "--store", str(bench.store)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_a_canary_is_found_in_each_form():
    for mark in CANARIES:
        assert all(mark in found_in(b"ab" + form + b"cd") for form in forms(mark))
    assert found_in(b"canary") == []
