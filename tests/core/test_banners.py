"""Commands of SLURM and NVIDIA as sites have them: behind a banner, in another encoding, with values not told."""

import ast
import os
from pathlib import Path

import pytest

from winsweep import layout
from winsweep.errors import ClusterDown
from winsweep.slurm import inventory, limits, node_facts, queue

BANNER = rb"printf 'Checking job 5 of your quota (caf\351)\n\n'"
SINFO = "main|main*|up|infinite|1-infinite|2|8|64000|gpu:4|(null)|idle"
SQUEUE = "7_0|winsweep.judge.abc|PENDING|bb: no pool a|b||0:00|1:00:00"
CONFIG = {"AccountingStorageType": "accounting_storage/slurmdbd", "AccountingStorageEnforce": "limits"}


@pytest.fixture
def says(tmp_path, monkeypatch):
    """Puts a command first on PATH that prints the banner, then lines."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def put(name: str, *lines: str, banner: bytes = BANNER) -> None:
        told = b"\n".join(b"echo '%s'" % line.encode() for line in lines)
        (tmp_path / name).write_bytes(b"#!/bin/sh\n" + banner + b"\n" + told + b"\n")
        (tmp_path / name).chmod(0o755)

    return put


def test_partitions_behind_a_banner(says):
    says("sinfo", SINFO)
    assert [(p.name, p.kinds[0].num_gpus) for p in inventory.partitions().values()] == [("main", 4)]


def test_an_answer_that_has_nothing_of_sinfo_is_said_with_what_to_type(says):
    says("sinfo", "n1")
    with pytest.raises(ClusterDown) as e:
        inventory.partitions()
    assert str(e.value).startswith("sinfo: found 'Checking job 5") and "type sinfo -h -e -o '%R|%P" in str(e.value)
    says("sinfo", banner=b"")
    assert inventory.partitions() == {}


def test_the_queue_behind_a_banner_and_a_reason_with_a_bar(says):
    says("squeue", SQUEUE)
    assert [(t.id, t.reason, t.limit) for t in queue.snapshot()] == [("7_0", "bb: no pool a|b", "1:00:00")]
    says("squeue", "7_0", "7_1")
    assert queue.alone("7") and not queue.alone("8")


def test_accounts_and_limits_behind_a_banner(says):
    says("sacctmgr", "lab|normal,long")
    rights = inventory.rights(CONFIG)
    assert rights and rights.qos == {"lab": {"normal", "long"}}
    says("sacctmgr", "lab||||12|")
    says("scontrol", "PartitionName=main Default=YES QoS=N/A")
    assert limits.submit_limits([limits.Placement(account="lab")], CONFIG)[0].num == 12


@pytest.mark.parametrize(
    ("mb", "told", "gb"),
    [
        ("81920", "80 GB", [81920 * 2**20 / 1e9]),
        ("[N/A]", "memory not told ([N/A])", []),
        ("[Insufficient Permissions]", "memory not told ([Insufficient Permissions])", []),
    ],
)
def test_a_gpu_whose_memory_the_driver_does_not_tell(says, tmp_path, mb, told, gb):
    says("nvidia-smi", f"NVIDIA GB10, {mb}, 580.95.05", banner=b"")
    found = node_facts.facts(tmp_path, None)
    assert found["gpus"] == [f"NVIDIA GB10, {told}, driver 580.95.05"] and found["gpu_gb"] == gb


def test_whatever_bytes_a_command_prints_are_read():
    """Each call that reads a command's output as text says what becomes of bytes that are none."""
    for path in sorted(Path(layout.PACKAGE).rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text())):
            words = {k.arg for k in call.keywords} if isinstance(call, ast.Call) else set()
            assert "text" not in words or "errors" in words or "capture_output" not in words, f"{path}:{call.lineno}"
