"""A spec is run only as it was written: what it asks for has its digest, and its names stay in the store."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from winsweep import layout
from winsweep.artifact import Artifact, Late
from winsweep.attempt import by_hand
from winsweep.attempt import spec as specs
from winsweep.errors import BadData, LinkInStore
from winsweep.placement import Placement
from winsweep.store.store import Store
from winsweep.workspace import open_workspace

ASKED = Artifact(
    "make",
    2,
    "m.ins.s1@epoch5of15_lr=1e-05",
    {"lr": 1e-5, "n": 3, "x": None, "of": [1, {"y": True}], "late": Late("i", "f")},
    {"made": Artifact("first", 1, "it", {})},
)


def written(tmp_path: Path, **changed) -> Path:
    raw = specs.plain(specs.make(ASKED, tmp_path / "store", Path("s.yaml"), {}, Placement()))
    (tmp_path / "spec.json").write_text(json.dumps(raw | changed))
    return tmp_path / "spec.json"


def test_what_was_written_is_read_and_its_placement_may_be_edited(tmp_path):
    assert specs.read(written(tmp_path)).key == ASKED.key
    assert specs.read(written(tmp_path, placement=vars(Placement(ranks=7)))).placement.ranks == 7


def test_every_spec_of_the_demo_is_read(tmp_path):
    workspace = open_workspace(layout.ROOT / "launch/sweeps/demo.yaml", tmp_path)
    for a in workspace.order:
        raw = json.loads(
            json.dumps(specs.plain(specs.make(a, tmp_path, workspace.study.path, workspace.study.files, Placement())))
        )
        assert specs.restore(raw).name == a.name


EDITED = [
    {"params": {"lr": 1.0}},
    {"params": {**ASKED.plain_params, "n": 3.0}},
    {"version": 3},
    {"inputs": {}},
    {"inputs": {"made": "first/0123456789ab"}},
    {"stage": "other"},
    {"digest": "0" * 12},
    {"params": {"a": float("nan")}},
    {"params": None},
    {"digest": None},
]
CLIMBING = [
    {"label": "../../elsewhere"},
    {"label": ".."},
    {"label": "."},
    {"label": ""},
    {"label": "/etc/x"},
    {"label": "a/b"},
    {"label": "a\nb"},
    {"label": ".hidden"},
    {"label": 7.5, "stage": "../x"},
    {"stage": "../../evil"},
    {"stage": ""},
]
BROKEN = ["", "[]", "{}", "7", '{"placement": {}}', "[" * 9999, '{"placement": 7}']


@pytest.mark.parametrize("changed", [*EDITED, *CLIMBING], ids=str)
def test_what_was_edited_or_climbs_is_refused(changed, tmp_path):
    with pytest.raises(BadData, match=r"spec.json: "):
        specs.read(written(tmp_path, **changed))
    with pytest.raises(BadData):
        specs.restore(json.loads(written(tmp_path, **changed).read_text()))


@pytest.mark.parametrize("text", BROKEN, ids=lambda t: t[:20])
def test_what_is_no_spec_is_named(text, tmp_path):
    (tmp_path / "spec.json").write_text(text)
    with pytest.raises(BadData, match=r"spec.json: "):
        specs.read(tmp_path / "spec.json")
    with pytest.raises(BadData, match=r"spec.json: "):
        specs.read(tmp_path / "none" / "spec.json")


def test_an_edited_spec_publishes_nothing_by_hand(tmp_path):
    workspace = open_workspace(layout.ROOT / "launch/sweeps/demo.yaml", tmp_path / "store")
    a = next(a for a in workspace.order if a.stage == "prepare")
    raw = specs.plain(
        specs.make(a, workspace.store.root, workspace.study.path.resolve(), workspace.study.files, Placement())
    )
    for changed, code in (({"label": "../../out"}, 2), ({"params": {**raw["params"], "more": 1}}, 2), ({}, 0)):
        (tmp_path / "spec.json").write_text(json.dumps(raw | changed))
        done = subprocess.run(
            [sys.executable, str(layout.JOBS / "prepare.py"), str(tmp_path / "spec.json")],
            capture_output=True,
            text=True,
            timeout=60,
            env={"PYTHONPATH": str(layout.ROOT / "src"), "PATH": "/usr/bin:/bin"},
        )
        assert (
            done.returncode == code
            and "Traceback" not in done.stderr
            and len(workspace.store.published()) == (code == 0)
        ), done.stderr
    assert not list(tmp_path.glob("out*"))


def test_an_input_that_climbs_is_not_found(tmp_path):
    (tmp_path / "x-0123456789ab").mkdir()
    with pytest.raises(LinkInStore):
        Store(tmp_path / "store").open().find("../0123456789ab")
    with pytest.raises(SystemExit):
        by_hand.main(tmp_path / "nothing.json")
