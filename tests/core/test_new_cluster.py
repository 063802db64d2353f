"""A first cluster file is legal, and the doctor has nothing against it, whatever kind of cluster it is."""

import pytest

from winsweep import layout
from winsweep.cluster_file import read_cluster
from winsweep.errors import BadStudy
from winsweep.graph import discover
from winsweep.placement import Cluster
from winsweep.slurm import new_cluster
from winsweep.slurm.doctor import by_placement
from winsweep.slurm.inventory import Rights, parse_partitions
from winsweep.slurm.new_cluster import Answers
from winsweep.slurm.partition_check import check_placement

LARGE = """\
cpu|cpu*|up|2-00:00:00|1-infinite|100|64|256000|(null)|intel,ib|mixed
gpu|gpu|up|12:00:00|1-4|6|96|1000000|gpu:a100:4(S:0-1),nvme:1|a100,ib|allocated
gpu|gpu|up|12:00:00|1-4|2|128|2000000|gpu:h100:8(S:0-1)|h100,ib|down*
old|old|down|infinite|1-infinite|3|16|64000|gpu:2|(null)|idle
"""
ONE = "main|main*|up|1-00:00:00|1-infinite|4|4|4000|gpu:2|(null)|idle\n"
SHORT = "on|on*|up|5:00|1-1|1|1|900|gpu:8|(null)|idle\n"
CPUS = "cpu|cpu|up|infinite|1-infinite|3|16|64000|(null)|(null)|idle\n"
ODD = "a b|a b|up|infinite|1-infinite|3|16|64000|(null)|(null)|idle\n" + CPUS
MEMORY = {"SelectTypeParameters": "CR_CORE_MEMORY", "ClusterName": "big"}


def made(tmp_path, sinfo: str, config=MEMORY, rights: Rights | None = None) -> tuple[str, Cluster]:
    text = new_cluster.text("mine", Answers(config, parse_partitions(sinfo), rights))
    (tmp_path / "mine.yaml").write_text(text)
    return text, read_cluster(layout.STAGES, tmp_path / "mine.yaml", discover(layout.JOBS, "winsweep.jobs"))


@pytest.mark.parametrize("config", [MEMORY, {}])
@pytest.mark.parametrize("sinfo", [LARGE, ONE, SHORT, CPUS, ODD], ids=["large", "one", "short", "cpus", "odd"])
def test_the_doctor_has_nothing_against_it(tmp_path, sinfo, config):
    _, cluster = made(tmp_path, sinfo, config)
    assert cluster.kind == "slurm"
    found = parse_partitions(sinfo)
    verdicts = [f for p, of in by_placement(cluster).items() for f in check_placement(p, ", ".join(of), found)]
    assert verdicts and {f.verdict for f in verdicts} == {"ok"}, verdicts


def test_gpus_memory_and_limits_are_those_of_the_partition(tmp_path):
    text, cluster = made(tmp_path, LARGE)
    train, rest = cluster.placements.by_stage["finetune"], cluster.placements.by_stage["prepare"]
    assert (train.partition, train.gpus, train.time_min, train.mem_gb) == ("gpu", 1, 720, 244)
    assert (rest.partition, rest.gpus, rest.time_min, rest.mem_gb) == ("cpu", 0, 60, 16)
    assert "# Partitions" in text and "4 GPUs a100" in text and "old (down)" in text


def test_without_gpus_no_stage_asks_for_one(tmp_path):
    _, cluster = made(tmp_path, CPUS)
    assert {p.gpus for p in cluster.placements.by_stage.values()} == {0}


def test_accounts_are_told_and_none_is_chosen(tmp_path):
    rights = Rights("me", {"lab": frozenset({"normal", "long"}), "x\ny": frozenset()}, True)
    text, cluster = made(tmp_path, ONE, rights=rights)
    assert "# Accounts that you may charge: lab (qos: long, normal); x y (qos: none)" in text
    assert {p.account for p in cluster.placements.by_stage.values()} == {None}


def test_a_cluster_that_runs_nothing_is_no_file(tmp_path):
    with pytest.raises(BadStudy, match="no partition is up"):
        made(tmp_path, "old|old|down|infinite|1-infinite|3|16|64000|gpu:2|(null)|idle\n")
