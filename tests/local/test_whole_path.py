"""From YAML to CSV on one machine, and what a second call does."""

import csv
import json
import shutil
import subprocess
import sys
from importlib.metadata import version

from tests.local.conftest import ROOT, TINY, Bench


def rows(bench: Bench) -> list[dict]:
    return list(csv.DictReader(bench.csv().decode().splitlines()))


def test_every_cell_is_a_row_with_its_figures(finished):
    found = rows(finished)
    arms = ("base", "rules", "ins", "sum")
    assert [(r["model"], r["task"], r["seed"]) for r in found] == [("a", t, s) for t in arms for s in "12"] + [
        ("a", t, "mean") for t in arms
    ]
    assert {r["n"] for r in found if r["task"] != "sum"} == {"60"} and {
        r["n"] for r in found if r["task"] == "sum"
    } == {"55"}
    for r in found[:8]:
        assert (
            0 <= float(r["win_rate_pct"]) <= 100
            and 0 <= float(r["lc_win_rate_pct"]) <= 100
            and r["judge"] == "reference_overlap"
        )
        assert len(r["generate_key"]) == len(r["judge_key"]) == 12 and bool(r["finetune_key"]) == (
            r["task"] in ("ins", "sum")
        )
    assert {r["win_rate_pct"] for r in found if r["task"] == "ins"} == {"50.000000"}  # compared with itself


def test_a_second_call_runs_nothing_and_keeps_the_table(finished):
    before, table = finished.times(), finished.csv()
    assert "0 jobs run; 8 of 8 cells" in finished.run()
    assert finished.times() == before and finished.csv() == table


def test_every_artifact_was_made_once(finished):
    ended = finished.ends()
    assert (
        len(ended)
        == len(set(ended))
        == len(finished.times())
        == len(finished.published())
        == 1 + 3 + 1 + 4 + 4 + 6 + 8 + 1
    )


def test_a_deleted_generation_runs_again_with_what_hangs_on_it_and_nothing_else(finished, tmp_path):
    shutil.copytree(finished.store, tmp_path / "runs")
    bench = Bench(tmp_path)
    before, table = bench.times(), bench.csv()
    gone = next((bench.store / "generate").glob("a.sum.s1-*"))
    shutil.rmtree(gone)
    assert "3 jobs run" in bench.run()
    changed = {name.rpartition("-")[0] for name, at in bench.times().items() if before[name] != at}
    assert changed == {"generate/a.sum.s1", "judge/a.sum.s1", "aggregate/tiny"} and bench.csv() == table


def test_a_new_seed_runs_that_seed_only(finished, tmp_path):
    shutil.copytree(finished.store, tmp_path / "runs")
    bench = Bench(tmp_path, TINY.replace("seeds: [1, 2]", "seeds: [1, 2, 3]"))
    before = bench.times()
    plan = bench.run("--dry-run", "--verbose")
    bench.run()
    new = {name.rpartition("-")[0] for name in bench.times().keys() - before.keys()}
    assert new == {f"{s}/a.{t}.s3" for s in ("finetune", "collect", "generate") for t in ("ins", "sum")} | {
        f"judge/a.{t}.s3" for t in ("base", "rules", "ins", "sum")
    } | {"aggregate/tiny"}
    assert {"finetune 2 to run", "pretrain 0 to run"} <= {" ".join(line.split()[:4]) for line in plan.splitlines()}
    assert all(f"{bench.store}/{n}" in plan for n in bench.times().keys() - before.keys())


def test_a_record_tells_under_what_circumstances(finished):
    record = json.loads(next((finished.store / "finetune").glob("a.sum.s1-*/record.json")).read_bytes())
    assert record["params"]["seed"] == 1 and record["notes"]["deepspeed"]["zero_optimization"]["stage"] == 1
    assert (
        record["packages"]["torch"] == version("torch")
        and record["host"]
        and record["device"]
        and len(record["commit"]) >= 7
    )
    assert record["notes"]["num_examples"] == 24 and record["placement"]["ranks"] == 1


def test_outputs_have_the_alpaca_eval_form(finished):
    outputs = json.loads(next((finished.store / "generate").glob("a.sum.s1-*/outputs.json")).read_bytes())
    assert (
        len(outputs) == 60
        and {"instruction", "output", "generator", "dataset", "num_tokens", "truncated"} == outputs[0].keys()
    )
    assert all(r["num_tokens"] <= 8 and (not r["truncated"] or r["num_tokens"] == 8) for r in outputs)


def test_a_stage_runs_by_hand_on_its_spec(finished, tmp_path):
    spec = json.loads(next(finished.store.glob(".work/prepare/*/spec.json")).read_bytes()) | {
        "store": str(tmp_path / "hand")
    }
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    done = subprocess.run(
        [sys.executable, str(ROOT / "jobs/prepare.py"), str(tmp_path / "spec.json")],
        capture_output=True,
        text=True,
        timeout=120,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "src")},
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "hand" / "prepare").glob("*/manifest.json"))) == 1


def test_several_ranks_by_hand_and_from_the_launcher_agree(finished, tmp_path):
    """Two ranks give the outputs of one: sums in another order move nothing that greedy decoding shows here."""
    (tmp_path / "two.yaml").write_text(
        f"stages: {{finetune: {{ranks: 2, zero: zero3, recompute: auto, micro_tokens: 100}}, generate: {{ranks: 2, "
        f"scratch: {tmp_path}}}}}\n"
    )
    bench = Bench(tmp_path, TINY.replace("seeds: [1, 2]", "seeds: [1]"))
    bench.run("--cluster", str(tmp_path / "two.yaml"))
    log = next(bench.store.glob("finetune/a.ins.s1-*/log.jsonl")).read_text().splitlines()
    other = next(finished.store.glob("finetune/a.ins.s1-*/log.jsonl")).read_text().splitlines()
    for a, b in zip(map(json.loads, log), map(json.loads, other), strict=True):
        assert abs(a["loss"] - b["loss"]) < 1e-5 * b["loss"] and a["lr"] == b["lr"]
    said = "".join(path.read_text() for path in bench.store.glob(".work/finetune/*/logs/*.log"))
    assert "zero: zero3, recompute: none: " in said  # nothing is made again where there is no GPU to fill
    for path in finished.store.glob("generate/a.ins.s1-*/outputs.json"):
        assert (bench.store / path.relative_to(finished.store)).read_bytes() == path.read_bytes()
    assert list(bench.store.glob(".work/generate/*/logs/*.r1.log")) and list(
        tmp_path.glob("winsweep-*/a.ins.s1-*/manifest.json")
    )


def test_status_and_why(finished, tmp_path):
    def status(study, *words):
        return subprocess.run(
            [sys.executable, str(ROOT / "launch/status.py"), str(study), "--store", str(finished.store), *words],
            capture_output=True,
            text=True,
            timeout=60,
        )

    assert "8 of 8 cells done" in status(finished.study).stdout
    (tmp_path / "other.yaml").write_text(TINY.replace("epochs: 2", "epochs: 3"))
    said = status(tmp_path / "other.yaml", "--why", "a.sum.s1").stdout
    assert "recipe.epochs: 3 here, 2 there" in said and "missing" in said
    wrong = status(finished.study, "--why", "a.sum.s7")
    assert wrong.returncode == 2 and "did you mean a.sum.s" in wrong.stderr


def test_prune_takes_what_no_study_wants_and_asks_first(finished, tmp_path):
    shutil.copytree(finished.store, tmp_path / "runs")
    bench = Bench(tmp_path, TINY.replace("seeds: [1, 2]", "seeds: [1]"))
    bench.run()
    command = [sys.executable, str(ROOT / "launch/prune.py"), str(bench.study), "--store", str(bench.store)]
    before = bench.published()
    asked = subprocess.run(command, input="n\n", capture_output=True, text=True, timeout=60)
    assert "Remove them?" in asked.stdout and bench.published() == before
    subprocess.run([*command, "--yes"], check=True, capture_output=True, timeout=60)
    assert (
        not [n for n in bench.published() if n.endswith(".s2") or n.startswith("finetune/")]
        and "0 jobs run" in bench.run()
    )


def test_prune_leaves_alone_what_another_studys_table_stands_on(finished, tmp_path):
    """Whoever prunes for one study does not take another's results, unless it is asked for; a study that is named is
    treated as before.
    """
    shutil.copytree(finished.store, tmp_path / "runs")
    bench = Bench(tmp_path, TINY.replace("name: tiny", "name: mine").replace("seeds: [1, 2]", "seeds: [3]"))

    def prune(*words):
        done = subprocess.run(
            [sys.executable, str(ROOT / "launch/prune.py"), str(bench.study), "--store", str(bench.store), *words],
            capture_output=True,
            text=True,
            timeout=60,
            input="n\n",
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = prune("--yes")
    assert (
        "directories are left alone for results/tiny.csv (--others offers them too)" in said
        and " 0.0 MB in 0 directories" in said
    )
    (tmp_path / "tiny.yaml").write_text(TINY)
    assert (
        subprocess.run(
            [*bench.command()[:2], str(tmp_path / "tiny.yaml"), "--store", str(bench.store)],
            capture_output=True,
            text=True,
            timeout=100,
        )
        .stdout.splitlines()[-3]
        .startswith("0 jobs run; 8 of 8 cells")
    )
    assert "no study named here asks for it" in prune("--others") and "tiny.csv" not in prune("--others")
    bench.store.joinpath("results/tiny.csv").write_text("an editor's copy")
    assert "left alone for results/tiny.csv" in prune()  # of its last table
    bench.store.joinpath("results/tiny.csv").unlink()
    (bench.store / "studies").mkdir()
    shutil.copy(tmp_path / "tiny.yaml", bench.store / "studies/tiny.yaml")
    assert "left alone for studies/tiny.yaml" in prune()
    (bench.store / "studies/tiny.yaml").unlink()
    assert "left alone" not in prune()


def test_prune_leaves_alone_what_a_study_under_way_needs(finished, tmp_path):
    shutil.copytree(finished.store, tmp_path / "runs")
    (tmp_path / "runs/results/tiny.csv").unlink()
    shutil.rmtree(next(tmp_path.glob("runs/finetune/a.sum.s2-*")))
    victim = next(tmp_path.glob("runs/generate/a.sum.s2-*"))
    work = tmp_path / "runs/.work/generate" / victim.name.rpartition("-")[2]
    (tmp_path / "other.yaml").write_text(TINY)
    told = json.loads((work / "spec.json").read_text())
    (work / "spec.json").write_text(json.dumps(told | {"study": str(tmp_path / "other.yaml")}))
    bench = Bench(tmp_path, TINY.replace("name: tiny", "name: mine").replace("seeds: [1, 2]", "seeds: [3]"))
    command = [sys.executable, str(ROOT / "launch/prune.py"), str(bench.study), "--store", str(bench.store)]
    assert "left alone" not in subprocess.run(command, capture_output=True, text=True, timeout=60, input="n").stdout
    folder = bench.store / ".work/arrays/abc"
    folder.mkdir(parents=True)
    (folder / "map.json").write_text(
        json.dumps({"stage": "generate", "keys": [[f"generate/{told['digest']}"]], "at": 0})
    )
    (folder / "specs.jsonl").write_text(json.dumps([json.loads((work / "spec.json").read_text())]) + "\n")
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, input="n").stdout
    assert f"left alone for {tmp_path}/other.yaml, which is under way" in said and " 0.0 MB in 0 directories" in said
