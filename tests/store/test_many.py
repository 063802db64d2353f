"""A store of many results: what is looked at for one of them does not grow with their number."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from winsweep.artifact import Artifact
from winsweep.attempt import spec as specs
from winsweep.attempt.inputs import found, verified_inputs
from winsweep.errors import MissingInput
from winsweep.placement import Placement
from winsweep.store.manifest import seal
from winsweep.store.siblings import nearest
from winsweep.store.store import Store

NUM = 60
HEARD: list[Counter] = []
sys.addaudithook(lambda event, _: HEARD[-1].update([event]) if HEARD else None)


@contextmanager
def counted() -> Iterator[Counter]:
    """How often files are opened and folders listed inside."""
    HEARD.append(Counter())
    try:
        yield HEARD[-1]
    finally:
        HEARD.pop()


def cell(n: int, seed: int = 0) -> Artifact:
    answers = Artifact("generate", 1, f"c{n}", {"n": n, "seed": seed}, {"base": Artifact("collect", 1, "m", {"m": n})})
    return Artifact("judge", 1, f"c{n}", {"judge": "x"}, {"candidate": answers})


def publish(store: Store, a: Artifact) -> None:
    for made in (a, *a.inputs.values()):
        folder = store.root / made.name
        folder.mkdir(parents=True, exist_ok=True)
        told = {"version": 1, "params": made.plain_params, "inputs": {name: i.key for name, i in made.inputs.items()}}
        (folder / "record.json").write_text(json.dumps(told))


def filled(store: Store) -> Store:
    for n in range(NUM):
        publish(store, cell(n))
    return store


def test_whether_a_result_is_there_is_seen_by_its_name_or_in_a_listing(tmp_path):
    store = filled(Store(tmp_path / "runs").open())
    there, named_otherwise, missing = cell(7), cell(8), cell(NUM)
    (store.root / named_otherwise.name).rename(store.root / "judge" / f"other.name-{named_otherwise.digest}")
    with counted() as heard:
        assert store.has(there.key, there.name)
    assert not heard["os.scandir"] and not heard["os.listdir"]
    for a, is_there in ((named_otherwise, True), (missing, False)):
        with counted() as heard:
            assert store.has(a.key, a.name) == is_there
        assert heard["os.scandir"] == 1, "its own stage and no other"
    assert store.has(there.key)


def test_the_nearest_result_is_found_by_reading_each_record_once(tmp_path):
    store = filled(Store(tmp_path / "runs").open())
    with counted() as heard:
        name, found = nearest(cell(5, seed=1), store)
    assert name == cell(5).name.partition("/")[2]
    assert [(d.path, d.ours, d.theirs) for d in found] == [("candidate: seed", 1, 0)]
    assert heard["os.scandir"] <= 8, "the store is listed once"
    assert heard["open"] <= 3 * NUM + 8, "judgements, their answers and models, each once"


def test_all_inputs_of_a_table_are_found_in_a_listing_of_each_stage(tmp_path):
    store = filled(Store(tmp_path / "runs").open())
    cells = [cell(n) for n in range(NUM)]
    keys = [a.key for c in cells for a in (c, *c.inputs.values())]
    with counted() as heard:
        there = found(store, keys)
    assert heard["os.scandir"] == 2 and [*there] == keys
    assert there == {key: store.find(key) for key in keys}
    with pytest.raises(MissingInput, match="judge/"):
        found(store, [*keys, cell(NUM).key])


def test_a_table_verifies_each_judgement_and_lists_their_stage_once(tmp_path):
    store = filled(Store(tmp_path / "runs").open())
    cells = {f"c{n}": cell(n) for n in range(NUM)}
    for a in cells.values():
        seal(store.root / a.name)
    (store.root / ".work").mkdir()
    table = Artifact("aggregate", 1, "s", {}, cells)
    spec = specs.make(table, store.root, tmp_path / "s.yaml", {}, Placement())
    with counted() as heard:
        assert verified_inputs(spec, store, "x") == {n: store.root / a.name for n, a in cells.items()}
    assert heard["os.scandir"] <= 2 * NUM + 4, "the files of each judgement, and one listing of them all"
    (store.root / cells["c7"].name / "record.json").write_text("{}")
    with pytest.raises(MissingInput, match="record.json: found 2 bytes"):
        verified_inputs(spec, store, "x")
