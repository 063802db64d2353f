"""Which GPUs a placement may get, by what SLURM says of the nodes of its partition: their memory, and how many there
are.
"""

from collections.abc import Callable, Mapping
from functools import cache

from winsweep import gpu_memory
from winsweep.check import auto_placement
from winsweep.check.auto_placement import Machine
from winsweep.errors import ClusterDown
from winsweep.placement import Cluster, Placement
from winsweep.slurm import inventory, partition_check
from winsweep.slurm.inventory import Kind, Partition
from winsweep.workspace import Workspace


def sized(workspace: Workspace, cluster: Cluster) -> tuple[Cluster, list[str]]:
    """See auto_placement.sized; SLURM is asked only where a placement is auto. ClusterDown if it does not answer."""
    return auto_placement.sized(workspace, cluster, of_cluster())


def of_cluster() -> auto_placement.Machines:
    """What a placement may get; SLURM is asked once, and only when that is. ClusterDown if it does not answer."""
    found = cache(inventory.partitions)
    return lambda placed: machine(placed, found())


def machine(placed: Placement, found: Mapping[str, Partition]) -> Machine:
    """GPUs of the largest nodes that a placement may get; their memory as the cluster file has it, then as their type,
    then as the cluster names them: the least of several.
    """
    kinds = [(k, k.gpus.get(placed.gpu_type or "", 0) or k.num_gpus) for k in gpu_kinds(placed, found)]
    most = max((num for _, num in kinds), default=0)
    said = placed.gpu_memory_gb or (gpu_memory.by_name([placed.gpu_type]) if placed.gpu_type else None)
    words = [w for k, _ in kinds for w in names(k)]
    sizes = [gpu_memory.by_name([word]) for word in words]
    least = min((gb for gb in sizes if gb), default=None) if None not in sizes else None
    return Machine(said or least, most, sum(k.num for k, num in kinds if num == most))


def gpu_gb() -> Callable[[Placement], float | None]:
    """Memory of the GPUs that a placement may get, by the types that the cluster names; SLURM is asked once, and only
    when that is. Not known where it does not answer.
    """

    @cache
    def found() -> Mapping[str, Partition]:
        try:
            return inventory.partitions()
        except ClusterDown:
            return {}

    def of(placed: Placement) -> float | None:
        return gpu_memory.by_name([word for k in gpu_kinds(placed, found()) for word in names(k)])

    return of


def gpu_kinds(placed: Placement, found: Mapping[str, Partition]) -> list[Kind]:
    """Nodes with GPUs of its partition that its constraint and its type of GPU allow."""
    return [
        k
        for name, p in found.items()
        if (name == placed.partition if placed.partition else p.is_default)
        for k in p.kinds
        if k.num_gpus and partition_check.fits(placed.constraint, k)
        if placed.gpu_type is None or placed.gpu_type in k.gpus or "" in k.gpus
    ]


def names(kind: Kind) -> list[str]:
    """What the cluster calls the GPUs of some nodes; where it names no type, by all features of the nodes."""
    return [word or ",".join(kind.features) for word in kind.gpus]
