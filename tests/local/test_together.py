"""Studies that share results and run at once in one store, each by a launcher of its own."""

from tests.benchmarks import bench_together


def test_what_studies_share_is_made_once_and_their_tables_are_those_of_stores_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(bench_together, "SEEDS", 1)
    studies = bench_together.write(tmp_path, 3)
    store, own = tmp_path / "runs", [tmp_path / f"own/{study.stem}" for study in studies]
    bench_together.run_all(studies, [store] * 3, at_once=3)
    bench_together.run_all(studies[1:], own[1:], at_once=2)
    assert bench_together.made_twice(store) == []
    assert bench_together.different(studies[1:], store, own[1:]) == []
    made = {kind for _, kind in bench_together.ends(store)}
    assert made <= {"done", "already", "busy"} and "done" in made
    assert all((store / "results" / f"{study.stem}.csv").is_file() for study in studies)
