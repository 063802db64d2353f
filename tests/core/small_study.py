"""A small study that most tests of studies are about: its text, read, the keys of its cells, its analyses."""

from pathlib import Path

import pytest

from winsweep import layout
from winsweep.artifact import closure
from winsweep.errors import BadStudy
from winsweep.graph import Need, discover
from winsweep.store.fingerprint import fingerprint
from winsweep.study.cell import LocalFile
from winsweep.study.study import read_study

STUDY = """\
name: small
models:
  a: {pretrain: {seed: 0}}
  b: {hf_id: some/model, revision: "12ab", recipe: {lr: 3.0e-6}}
adapters:
  base: {rules: []}
tasks:
  ins: {from: toy}
  sum: {from: toy, kinds: [sum], recipe: {epochs: 7}}
seeds: [1, 2]
recipe: {lr: 1.0e-5, epochs: 5, global_batch: 64}
instructions: {from: toy}
decoding: {max_new_tokens: 48}
compare: {judge: reference_overlap, reference: {task: ins}}
"""


def read(folder: Path, text: str):
    (folder / "study.yaml").write_text(text)
    return read_study(folder / "study.yaml", lambda path: LocalFile(fingerprint(path)))


def keys(study) -> dict[str, set[str]]:
    """Cell label to every key below it."""
    need = Need(discover(layout.JOBS, "winsweep.jobs"))
    return {c.label: {a.key for a in closure([need("judge", c.comparison)])} for c in study.table.cells}


def refused(folder: Path, old: str, new: str, match: str) -> None:
    assert old in STUDY
    with pytest.raises(BadStudy, match=match):
        read(folder, STUDY.replace(old, new, 1))


def artifacts(study) -> dict:
    need = Need(discover(layout.JOBS, "winsweep.jobs"))
    return {label: need(a.stage, a.ask) for label, a in study.analyses.items()}
