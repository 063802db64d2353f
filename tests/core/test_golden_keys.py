"""Keys of the shipped studies stand still: a key that moves makes finished work run again, so moving one is a
deliberate act.
"""

import json

import pytest

from winsweep import layout
from winsweep.artifact import closure
from winsweep.graph import Need, discover
from winsweep.store.fingerprint import Fingerprints
from winsweep.study.study import read_study

GOLDEN = layout.ROOT / "tests/golden/keys.json"


def keys(name: str, scratch) -> dict[str, str]:
    """Artifact label to key, for everything that the study wants."""
    study = read_study(layout.ROOT / f"launch/sweeps/{name}.yaml", Fingerprints(scratch / "digests.json"))
    need = Need(discover(layout.JOBS, "winsweep.jobs"))
    return {f"{a.stage}/{a.label}": a.digest for a in closure([need("aggregate", study.table)])}


@pytest.mark.parametrize("name", ["demo", "local_real"])
def test_no_key_has_moved(name, tmp_path, request):
    if name == "local_real":
        request.getfixturevalue("data")
    found, golden = keys(name, tmp_path), json.loads(GOLDEN.read_text())
    moved = {label for label in found.keys() | golden[name].keys() if found.get(label) != golden[name].get(label)}
    assert not moved, (
        f"{len(moved)} keys of {name} moved, such as {sorted(moved)[:3]}: finished results of users will be made "
        f"again. "
        f"If that is meant: python -m tests.core.test_golden_keys, and say why in docs/decisions.md"
    )


def accept() -> None:
    from pathlib import Path
    from tempfile import mkdtemp

    GOLDEN.write_text(
        json.dumps({name: keys(name, Path(mkdtemp())) for name in ("demo", "local_real")}, indent=1, sort_keys=True)
        + "\n"
    )


if __name__ == "__main__":
    accept()
