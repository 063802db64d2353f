"""One submission: the finalizer first, then as many arrays, and parts of them, as SLURM takes; the finalizer sees to
the rest.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from winsweep.attempt import arrays
from winsweep.attempt.retry import ChainProgress
from winsweep.errors import ClusterDown, QueueFull, Refused
from winsweep.placement import Cluster
from winsweep.slurm import pending_finalizers, queue, sbatch
from winsweep.slurm.array_folders import (
    excluded,
    finalizer_array,
    finalizer_request,
    open_array,
    open_finalizer,
    running_jobs,
    running_tasks,
)
from winsweep.slurm.chain import Array, split
from winsweep.slurm.code_snapshot import take_snapshot
from winsweep.slurm.pending_finalizers import Waiting
from winsweep.workspace import Workspace

# where a limit takes no more tasks of a study than this, a finalizer stays: another one would be one task less
FEW = 16
OWN_LIMITS = ("PerUser", "AssocMax")  # in the names of limits that only this user's jobs count for
Sent = tuple[Array, str]  # with its job id


@dataclass
class Submission:
    """What one launcher, or the finalizer `own_job`, submits; the caller holds the lock of the study."""

    workspace: Workspace
    cluster: Cluster
    own_job: str
    found: Waiting  # what of the store is in the queue already
    chain_progress: ChainProgress  # how far the chain has come
    stays: bool = False  # whether `own_job` has no other finalizer behind it (at first: had none when it last looked)
    sent: list[Sent] = field(default_factory=list)
    others: list[str] = field(default_factory=list)  # jobs of cells that the finalizer sees to beside the caller's
    waiting: Waiting = ()  # finalizers that have not begun
    full: str = ""  # why SLURM took no more; "" if it took all
    has_finalizer: bool = True
    whole: dict[int | str, str] = field(default_factory=dict)  # the jobs of arrays that were taken as one
    rest: dict[int, Array | None] = field(default_factory=dict)  # what is left of others

    def send(self, todo: Sequence[Array], has_other: bool) -> "Submission":
        """Submit what of `todo` SLURM takes, parents first, with a finalizer behind it; whether it `has_other` that
        sees to these cells.

        QueueFull: nothing could be submitted, and nobody will try again. Other errors as of sbatch.submit; what was
        accepted until then has its finalizer.
        """
        self.code = take_snapshot(self.workspace.store.root)
        if self.stays:
            return self.go_on(todo, has_other)
        try:
            finalizer, is_new = self.reserve()
        except QueueFull as e:
            return self.send_alone(todo, has_other, str(e))
        try:
            self.fill(todo)
        except Refused:
            if self.behind:
                self.set_dependency(finalizer)
            elif is_new:
                self.take_back(finalizer)
            raise
        if self.full and is_new and self.own_job and self.num_queued() <= FEW:
            return self.stay(todo, finalizer)
        if self.full and not self.behind:
            return self.without_room(finalizer, is_new)
        return self.hand_over(finalizer, is_new)

    def hand_over(self, finalizer: str, is_new: bool) -> "Submission":
        """Leave all else to this finalizer, which takes the place of others that wait."""
        self.set_dependency(finalizer)
        queue.cancel([task.id for _, task in self.waiting if task.job != finalizer])
        if is_new:
            self.sent.append((finalizer_array(self.workspace, self.cluster, self.behind), finalizer))
        return self

    def stay(self, todo: Sequence[Array], finalizer: str) -> "Submission":
        """The next finalizer makes room for a task, and the caller stays instead: it fills up as room appears."""
        self.take_back(finalizer)
        self.fill(todo)
        self.stays, self.has_finalizer = True, False
        return self

    def go_on(self, todo: Sequence[Array], has_other: bool) -> "Submission":
        """A caller that stayed: it hands over to another finalizer once everything is submitted."""
        self.fill(todo)
        self.has_finalizer = has_other
        if self.full:
            return self
        try:
            finalizer, is_new = self.reserve()
        except QueueFull:
            return self
        self.stays, self.has_finalizer = False, True
        return self.hand_over(finalizer, is_new)

    def num_queued(self) -> int:
        """Tasks of this study in the queue, those just sent included."""
        return len(running_tasks(self.workspace, self.found)) + sum(len(array.tasks) for array, _ in self.sent)

    @property
    def behind(self) -> list[str]:
        """Ids of the jobs that a finalizer waits for."""
        return list(
            dict.fromkeys([job for _, job in self.sent] + running_jobs(self.workspace, self.found) + self.others)
        )

    def reserve(self) -> tuple[str, bool]:
        """The id of a finalizer that has not begun, and whether it is a new one."""
        told = finalizer_request(self.workspace, self.cluster, self.code, self.chain_progress)
        told, self.waiting = pending_finalizers.joined(
            told, self.workspace, [x for x in self.found if x[1].job != self.own_job]
        )
        if told["cells"] != sorted(self.workspace.judged) or told["analyses"].keys() != self.workspace.analyses.keys():
            self.others = pending_finalizers.others(self.found, self.workspace.store.published().keys())
        if same := pending_finalizers.same(told, self.waiting):
            return same[1].job, False
        array = finalizer_array(self.workspace, self.cluster, ())
        return self.submit(array, open_finalizer(self.workspace, array, told, self.code), []), True

    def set_dependency(self, finalizer: str) -> None:
        """Let the finalizer begin behind all that it waits for, or, if more is missing, behind the first of these that
        ends.
        """
        pending_finalizers.set_dependency(
            self.workspace.store.root, finalizer, queue.waits_for(self.behind, bool(self.full))
        )

    def take_back(self, finalizer: str) -> None:
        """Cancel a finalizer that was just submitted."""
        try:
            queue.run(["scancel", finalizer])
        except ClusterDown:  # it looks, in a while, and finds nothing that it could do
            return
        for opened in arrays.open_arrays(self.workspace.store.root):
            if opened.job == finalizer:
                arrays.close(opened.folder)

    def send_alone(self, todo: Sequence[Array], has_other: bool, why: str) -> "Submission":
        """Without a new finalizer: a finalizer that submits is one itself; else one must be in the queue."""
        self.full, self.has_finalizer = why, has_other
        if self.own_job:
            self.fill(todo)
            self.stays = not has_other
        elif not has_other:
            raise QueueFull(
                f"sbatch: found no room for a job: {why}; your jobs in the queue take all of it; type the same when "
                f"some are over"
            )
        return self

    def without_room(self, finalizer: str, is_new: bool) -> "Submission":
        """Only a finalizer was taken, and nothing in the queue wakes it: it begins by itself, if that can help."""
        if is_new and any(word in self.full for word in OWN_LIMITS) and queue.alone(finalizer):
            self.take_back(finalizer)
            raise QueueFull(
                f"sbatch: found a limit of 1 submitted job: {self.full}; 2 or more is legal, a task and the finalizer "
                f"that goes "
                "on; name another qos:, account: or partition: in the cluster file; python launch/doctor.py says what "
                "each takes"
            )
        if is_new:
            self.sent.append((finalizer_array(self.workspace, self.cluster, ()), finalizer))
        return self

    def fill(self, todo: Sequence[Array]) -> None:
        """Submit arrays in order, each waiting for those before it that it names; none without one that it waits for.

        Called again it goes on with what was not accepted.
        """
        full: dict[tuple, str] = {}  # of which there is no room; others may have limits of their own
        exclude = excluded(self.workspace) if todo else []
        for n, array in enumerate(todo):
            room = (array.placement.partition, array.placement.account, array.placement.qos)
            if (
                n in self.whole
                or room in full
                or any(isinstance(x.on, int) and x.on not in self.whole for x in array.after)
            ):
                continue
            after = tuple(replace(x, on=self.whole.get(x.on, x.on)) for x in array.after)
            before = len(self.sent)
            self.rest[n], why = self.fill_up(self.rest.get(n, replace(array, after=after)), exclude)
            if why:
                full[room] = why
            elif (
                self.rest[n] is None
                and len(self.sent[-1][0].tasks) == len(array.tasks)
                and len(self.sent) == before + 1
            ):
                self.whole[n] = self.sent[-1][1]
        self.full = next(
            iter(full.values()), "" if len(self.whole) == len(todo) else "a limit on submitted jobs was met"
        )

    def fill_up(self, array: Array | None, exclude: list[str]) -> tuple[Array | None, str]:
        """Submit the array, or if it is too much as large parts as fit, until one task is; what is left, and why there
        is no more room.
        """
        left, most, why = array, len(array.tasks) if array else 0, ""
        size = min(most, FEW) if self.stays else most
        while left and most:
            part, rest = split(left, size)
            try:
                self.sent.append(
                    (part, self.submit(part, open_array(self.workspace, self.cluster, part, self.code), exclude))
                )
                left, most = rest, most - len(part.tasks)
            except QueueFull as e:
                most, why = len(part.tasks) - 1, str(e)
            size = (most + 1) // 2
        return left, why if left else ""

    def submit(self, array: Array, opened: tuple[Path, str, str], exclude: list[str]) -> str:
        """The id of the submitted array; its folder goes if SLURM refuses it, so that nobody waits for it."""
        folder, name, run = opened
        try:
            job = sbatch.submit(array, folder, run, name, sbatch.dependency_of(array, []), exclude)
        except Refused:
            arrays.close(folder)
            shutil.rmtree(folder, ignore_errors=True)
            raise
        arrays.know(folder, job)
        return job
