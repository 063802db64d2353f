"""GPUs of one machine without SLURM: who gets which, how many attempts run side by side, and what can never start.

CUDA_VISIBLE_DEVICES stands in for GPUs that this machine does not have: torch sees none and trains on the CPU.
"""

import json
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.local.conftest import ROOT, TINY, Bench
from winsweep import layout
from winsweep.artifact import Artifact
from winsweep.cluster_file import cluster_file, read_cluster
from winsweep.errors import BadStudy
from winsweep.local import gpus
from winsweep.local.controller import drive
from winsweep.local.local import Local
from winsweep.placement import Placement, Placements
from winsweep.workspace import open_workspace
from winsweep.yaml_nodes import read_yaml

STAGES = tuple(read_yaml(layout.STAGES).mapping())
MIXED = """\
GPU 0: NVIDIA RTX A6000 (UUID: GPU-11111111-aaaa-bbbb-cccc-000000000000)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-22222222-aaaa-bbbb-cccc-000000000000)
  MIG 3g.20gb     Device  0: (UUID: MIG-33333333-aaaa-bbbb-cccc-000000000000)
  MIG 3g.20gb     Device  1: (UUID: MIG-44444444-aaaa-bbbb-cccc-000000000000)
GPU 2: NVIDIA RTX A6000 (UUID: GPU-55555555-aaaa-bbbb-cccc-000000000000)
"""


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("", []),
        ("-1", []),
        ("0, 1,,3", ["0", "1", "3"]),
        ("2,-1,3", ["2"]),
        ("GPU-8932f937,MIG-GPU-8932f937/1/0", ["GPU-8932f937", "MIG-GPU-8932f937/1/0"]),
    ],
)
def test_the_variable_is_read_as_cuda_reads_it(given: str, found: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert gpus.here() == found


def test_a_gpu_that_is_named_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,0")
    with pytest.raises(BadStudy, match=r"CUDA_VISIBLE_DEVICES: found 0 twice in '0,1,0'"):
        gpus.here()


def test_a_listing_gives_uuids_and_the_parts_of_a_divided_gpu() -> None:
    assert [uuid[:12] for uuid in gpus.parse_listing(MIXED)] == [
        "GPU-11111111",
        "MIG-33333333",
        "MIG-44444444",
        "GPU-55555555",
    ]
    assert gpus.parse_listing("No devices were found\n") == []


def placed(**by_stage: Placement) -> Placements:
    return Placements({stage: by_stage.get(stage, Placement()) for stage in STAGES})


def some(*stages: str) -> list[Artifact]:
    return [Artifact(stage, 1, f"m-{i}", {}) for i, stage in enumerate(stages)]


def test_what_decides_is_told_in_words() -> None:
    one, two = Placement(gpus_per_rank=1), Placement(ranks=2, gpus_per_rank=1)
    missing, placements = some("finetune", "generate", "judge", "prepare"), placed(finetune=two, generate=one)
    assert gpus.told(missing, placements, ["0", "1", "2", "3"], 16) == (
        "Side by side: at most 16 attempts (--jobs); there are 4 GPUs here: at most 4 of generate (1 GPU each), or 2 "
        "of finetune (2 GPUs each); on CPUs alone: judge, prepare\n"
    )
    assert gpus.told(missing, placements, [], 2) == (
        "Side by side: at most 2 attempts (--jobs), all on CPUs, as no GPU is seen here\n"
    )
    assert "there is 1 GPU here: at most none is asked for; on CPUs" in gpus.told(some("judge"), placements, ["0"], 2)
    assert gpus.told([], placements, ["0"], 2) == ""


def test_what_can_never_start_is_refused_at_once() -> None:
    two = Placement(ranks=2, gpus_per_rank=1)
    with pytest.raises(BadStudy, match=r"my\.yaml: finetune/.*: wants 2 GPUs .*there is 1 GPU here.*fewer ranks"):
        gpus.refuse_unfit(Path("my.yaml"), some("finetune"), placed(finetune=two), ["0"])
    with pytest.raises(BadStudy, match=r"parts of one \(MIG\), which cannot work together"):
        gpus.refuse_unfit(Path("my.yaml"), some("finetune"), placed(finetune=two), ["MIG-1", "MIG-2"])
    gpus.refuse_unfit(Path("my.yaml"), some("finetune"), placed(finetune=two), [])  # on CPUs


def test_nodes_are_no_matter_of_one_machine(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("kind: local\nstages: {finetune: {nodes: 2, ranks: 2}}\n")
    with pytest.raises(BadStudy, match=r"found 2 with kind: local; 1 is legal"):
        read_cluster(layout.STAGES, tmp_path / "c.yaml", STAGES)


def test_the_example_can_be_read() -> None:
    placements = read_cluster(layout.STAGES, cluster_file("workstation"), STAGES).placements
    assert placements.of("finetune", "large-x").gpus == 2 and placements.of("finetune", "small-1-x").gpus == 1
    assert placements.of("generate", "large-x").gpus == placements.of("judge", "large-x").gpus == 1


def test_attempts_side_by_side_have_gpus_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the fork server: each says what it sees in its log; the spec is not there, which ends it."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,3,GPU-c")
    cluster = Local(tmp_path / "fork_server.log")
    try:
        for name, num in (("a", 2), ("b", 1)):
            assert cluster.room(num)
            cluster.start(name, tmp_path / f".work/judge/{name}/spec.json", 1, num, tmp_path / f"{name}.log")
        assert not cluster.room(1) and cluster.room(0)
        assert cluster.held == {"a": ["GPU-a", "3"], "b": ["GPU-c"]}
        over, limit = [], time.monotonic() + 60
        while len(over) < 2 and time.monotonic() < limit:
            over += cluster.ended()
            time.sleep(0.02)
        assert cluster.room(3) and sorted(cluster.free_gpus) == ["3", "GPU-a", "GPU-c"]
    finally:
        cluster.close()


def test_the_process_that_forks_attempts_does_not_know_of_parts_of_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch would start CUDA to count them, and no child could use it then."""
    for given, is_told in (("MIG-a,MIG-b", False), ("GPU-a,GPU-b", True)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
        cluster = Local(tmp_path / "fork_server.log")
        try:
            cluster.start("a", tmp_path / ".work/judge/a/spec.json", 1, 1, tmp_path / "a.log")
            environ = Path(f"/proc/{cluster.fork_server.process.pid}/environ")
            while not (told := environ.read_bytes().split(b"\0"))[0]:  # empty for a moment, while the process begins
                time.sleep(0.001)
            assert any(line.startswith(b"CUDA_VISIBLE_DEVICES=") for line in told) is is_told
            assert cluster.held["a"] == [given.partition(",")[0]]
        finally:
            cluster.close()


def test_what_can_never_start_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    bench = Bench(tmp_path)
    workspace = open_workspace(bench.study, bench.store)
    (tmp_path / "box.yaml").write_text("kind: local\nall: {ranks: 2, gpus_per_rank: 1}\n")
    placements = read_cluster(layout.STAGES, tmp_path / "box.yaml", STAGES).placements
    run, items = drive(workspace, placements, 4, False, lambda run, items: None)
    why = [item.why for item in items if item.state == "failed"]
    assert run.num_started == 0 and why and all("wants 2 GPUs" in text for text in why), why


def test_cells_share_a_machine_of_two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finetune takes both, two generations one each; none has what another has meanwhile."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")
    bench = Bench(tmp_path, TINY.replace("seeds: [1, 2]", "seeds: [1]"))
    (tmp_path / "clusters").mkdir()
    (tmp_path / "clusters/box.yaml").write_text(
        "kind: local\nstages: {finetune: {ranks: 2, gpus_per_rank: 1, zero: zero2}, judge: {gpus_per_rank: 1}}\n"
    )
    said = bench.run("--cluster", "box", "--jobs", "3")
    assert "there are 2 GPUs here: at most 2 of generate and judge (1 GPU each), or 1 of finetune (2 GPUs each)" in said
    had = {
        (path.parts[-4], gpus)
        for path in bench.store.glob(".work/*/*/logs/attempt.log")
        for gpus in re.findall(r": attempt 1 on [^,]+(?:, GPUs (\S+))?, ", path.read_text())
    }
    assert {gpus for stage, gpus in had if stage == "finetune"} <= {"GPU-a,GPU-b", "GPU-b,GPU-a"}
    assert {gpus for stage, gpus in had if stage in ("generate", "judge")} == {"GPU-a", "GPU-b"}
    assert {gpus for stage, gpus in had if stage in ("prepare", "collect", "aggregate")} == {""}
    records = [json.loads(path.read_text()) for path in bench.store.glob("finetune/*/record.json")]
    assert records and all(record["placement"]["ranks"] == 2 for record in records)


def test_what_wants_more_gpus_than_there_are_is_said_and_nothing_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    bench = Bench(tmp_path)
    (tmp_path / "box.yaml").write_text("kind: local\nstages: {finetune: {ranks: 2, gpus_per_rank: 1}}\n")
    for more in ([], ["--dry-run"]):
        said = bench.run("--cluster", str(tmp_path / "box.yaml"), *more, code=2)
        assert re.search(r"box.yaml: finetune/.*: wants 2 GPUs .*and there is 1 GPU here", said), said
    assert not bench.published()


def test_a_finetune_without_gpus_on_a_machine_that_has_some(tmp_path: Path) -> None:
    """DeepSpeed was imported where GPUs were seen, and its process is forked with none."""
    code = textwrap.dedent("""
        import sys, tempfile
        sys.path[:0] = [{root!r}, {root!r} + "/src"]
        from pathlib import Path
        from winsweep.train import engine as engines
        from deepspeed.accelerator import get_accelerator, set_accelerator
        from deepspeed.accelerator.cuda_accelerator import CUDA_Accelerator
        set_accelerator(CUDA_Accelerator())
        from winsweep.train.rank_group import join
        group = join(rank=0, num_ranks=1, meeting=Path(tempfile.mkdtemp()) / "m", timeout_s=30)
        engines.open_device(group)
        print("on", get_accelerator().device_name())
        group.leave()
    """).format(root=str(ROOT))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split()[-2:] == ["on", "cpu"], done.stderr
