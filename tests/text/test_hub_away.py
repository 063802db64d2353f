"""A hub that does not answer may do so later; one that says no, or that is not to be asked, will not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.servers import COMMIT, Server, repository, serving
from winsweep.attempt.retry import PASSING
from winsweep.text import hub

ROOT = Path(__file__).resolve().parents[2]
ASK = f"""
import json, sys, time
time.sleep = lambda s: None  # the hub's library tries again by itself, for half a minute
from winsweep.study.cell import HubData, HubModel
from winsweep.text import hub, source, model, weights
from winsweep.analysis import embed
import torch

ASKS = {{
    "data": lambda: hub.fetch_data(HubData("x/y", "a.jsonl", {COMMIT!r})),
    "stream": lambda: list(source.hub_rows("x/y", "a*.txt", {COMMIT!r})),
    "model": lambda: hub.fetch(HubModel("x/y", {COMMIT!r})),
    "tokenizer": lambda: model.load_tokenizer("x/y", {COMMIT!r}),
    "weights": lambda: weights.load_whole("x/y", {COMMIT!r}, torch.float32),
    "embedder": lambda: embed.embedder("x/y", {COMMIT!r}),
}}
said = {{}}
for name, ask in ASKS.items():
    try:
        ask()
    except Exception as e:
        said[name] = [getattr(e, "kind", type(e).__name__), str(e)]
print(json.dumps(said))
"""
ALL = {"data", "stream", "model", "tokenizer", "weights", "embedder"}


def said(folder: Path, url: str, offline: str = "0") -> dict[str, list[str]]:
    """Kind and words of what each way to the hub raises, in a process of its own, as the library reads the environment
    when it is imported.
    """
    env = os.environ | {
        "PYTHONPATH": str(ROOT / "src"),
        "HF_HOME": str(folder),
        "HF_ENDPOINT": url,
        "HF_HUB_OFFLINE": offline,
    }
    done = subprocess.run([sys.executable, "-c", ASK], env=env, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("status", [503, pytest.param(429, marks=pytest.mark.long)])
def test_a_hub_in_trouble_is_asked_again(tmp_path, status):
    with serving(Server({}, busy=status)) as server:
        found = said(tmp_path, server.url)
    assert {name: kind for name, (kind, _) in found.items()} == dict.fromkeys(ALL, "network")
    assert "network" in PASSING and all("hf download x/y" in words for _, words in found.values())


def test_a_network_that_is_away_is_tried_again(tmp_path):
    assert {name: kind for name, (kind, _) in said(tmp_path, "http://127.0.0.1:9").items()} == dict.fromkeys(
        ALL, "network"
    )


def test_what_the_hub_does_not_have_is_not_asked_for_again(tmp_path):
    with serving(Server({})) as server:
        found = said(tmp_path, server.url)
    assert {name: kind for name, (kind, _) in found.items()} == dict.fromkeys(ALL, "data")


@pytest.mark.long
def test_what_one_must_ask_for_is_not_asked_for_again(tmp_path):
    with serving(Server({}, gated=("/",))) as server:
        found = said(tmp_path, server.url)
    assert {kind for kind, _ in found.values()} == {"data"} and all(
        "accept its terms" in words for name, (_, words) in found.items() if name != "embedder"
    )


def test_a_hub_that_is_not_to_be_asked_has_nothing_later_either(tmp_path):
    found = said(tmp_path, "http://127.0.0.1:9", offline="1")
    assert {name: kind for name, (kind, _) in found.items()} == dict.fromkeys(ALL, "data")


def test_a_download_that_breaks_off_is_tried_again(tmp_path):
    files = repository("datasets", "x/y", COMMIT, {"a.jsonl": b'{"a": 1}\n' * 50_000})
    with serving(Server(files, cut=(f"/datasets/x/y/resolve/{COMMIT}/a.jsonl",))) as server:
        assert said(tmp_path, server.url)["data"][0] == "network"


def test_a_full_disk_is_not_the_hubs_fault():
    for number in (28, 122):
        with pytest.raises(OSError, match="full") as e:
            raise hub.refused(OSError(number, "full"), "x/y", COMMIT)
        assert e.value.errno == number
