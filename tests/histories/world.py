"""A study on a pretended cluster: winsweep's own launchers, tasks and finalizers on a real store, what can happen to
them, and what must hold whatever happened.
"""

import argparse
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from tests.histories import studies, work
from tests.histories.actors import Actor, Machine
from tests.histories.cluster import Job, Queue, Task
from tests.histories.rules import Rules
from winsweep import pruning
from winsweep.slurm import commands as launcher
from winsweep.slurm import finalizer, node, watchdog
from winsweep.store.store import Store
from winsweep.workspace import Workspace

MAINS: dict[str, Callable] = {
    "winsweep.slurm.node": node.main,
    "winsweep.slurm.finalizer": finalizer.main,
    "winsweep.slurm.watchdog": watchdog.main,
}
HOSTS = ("n1", "n2", "n3")
MOST_ROUNDS = 5  # of sweep.py, without faults, after which nothing changes
MOST_STARTS = 1500  # of tasks until the queue must be empty


class World:
    """One history. Each method is something that happens; `rules` says what was broken."""

    def __init__(self, root: Path, workspaces: dict[str, Workspace], study: str = "two") -> None:
        self.root, self.workspaces = root, workspaces
        self.machine = Machine(root / "runs")
        self.queue = Queue(self.machine)
        self.store = Store(root / "runs").open()
        self.rules = Rules(self.machine, self.store, {a.key: a for w in workspaces.values() for a in w.order})
        self.machine.on_rename, self.machine.on_end = self.rules.renamed, self.ended
        self.num_ids = 0
        self.tasks: dict[Actor, Task] = {}
        self.edit(study)

    # -- the study and its commands

    def edit(self, study: str) -> None:
        self.asked = study
        (self.root / "study.yaml").write_text(studies.TEXTS[study])

    def opened(self, *_: object) -> Workspace:
        """In the place of open_workspace: what it gave for this text before."""
        text = (self.root / "study.yaml").read_text()
        self.store.open()
        return self.workspaces[text]

    @property
    def workspace(self) -> Workspace:
        return self.workspaces[studies.TEXTS[self.asked]]

    def launch(
        self,
        host: str = "login1",
        retry: bool = False,
        watch: bool = False,
        cancels: str | None = None,
        only: str = "",
    ) -> Actor:
        """A person types sweep.py; its first door is not yet passed."""
        words = {"cancel": cancels, "dry_run": False, "emit": None, "retry_failed": retry, "watch": watch}
        told = argparse.Namespace(**words, jobs=1, verbose=False, cells=False)
        told.study, told.store = self.root / "study.yaml", self.root / "runs"
        asked = self.workspace.only([only]) if only else self.workspace

        def body() -> int:
            self.store.open()
            return launcher.act(asked, studies.cluster(self.root), told, "sweep.py")

        actor = self.machine.start("sweep" if cancels is None else "cancel", host, body)
        if cancels is None:
            self.rules.asked(actor)
        return actor

    def prune(self, host: str = "login1") -> Actor:
        def body() -> int:
            pruning.remove(pruning.waste([self.opened()]))
            return 0

        return self.machine.start("prune", host, body)

    # -- tasks

    def begin(self, task: Task) -> Actor:
        """SLURM starts a task."""
        host = HOSTS[len(self.machine.actors) % len(HOSTS)]
        told = {"ARRAY_JOB_ID": task.job.id, "ARRAY_TASK_ID": task.index, "PROCID": 0, "NTASKS": 1}
        told |= {"JOB_ID": task.job.id, "RESTART_COUNT": task.restarts}
        env = {f"SLURM_{k}": str(v) for k, v in told.items()} | {"SLURMD_NODENAME": host}
        main, folder = MAINS[task.job.module], Path(task.job.folder)
        actor = self.machine.start(f"{task.job.kind} {task.id}.{task.restarts}", host, lambda: main(folder), env)
        task.actor, task.state, self.tasks[actor] = actor, "RUNNING", task
        return actor

    def ended(self, actor: Actor) -> None:
        task = self.tasks.get(actor)
        if task is not None and task.actor is actor and task.state == "RUNNING":
            self.queue.finish(task, "FAILED" if actor.raised or actor.code else "COMPLETED")
        self.rules.ended(actor, task)

    def kill(self, actor: Actor, state: str = "FAILED") -> None:
        """SIGKILL; of a task, SLURM sees it end."""
        self.machine.kill(actor)
        task = self.tasks.get(actor)
        if task is not None and task.actor is actor and task.state == "RUNNING":
            self.queue.finish(task, state)
            self.rules.hit(task)

    def lose_node(self, task: Task, requeue: bool = True) -> None:
        """SLURM has lost sight of a node: the task is put back or over, and its process lives on."""
        self.rules.strays.add(task.actor)
        if requeue:
            self.queue.put_back(task)
        else:
            self.queue.finish(task, "NODE_FAIL")
            self.rules.hit(task)

    def preempt(self, task: Task, grace: int) -> None:
        """SIGTERM, then (after so many doors) SIGKILL; the task is put back, whatever it did."""
        actor = task.actor
        assert actor
        actor.signals.append(15)
        self.machine.run(actor, grace)
        self.machine.kill(actor)
        if task.actor is actor and task.state == "RUNNING":
            self.queue.put_back(task)

    def time_out(self, task: Task, grace: int) -> None:
        actor = task.actor
        assert actor
        actor.signals.append(12)
        self.machine.run(actor, grace)
        if actor.lives:
            self.kill(actor, "TIMEOUT")

    def scancel(self, name: str) -> None:
        """A person types scancel."""
        for task in self.queue.named(name):
            self.rules.hit(task)
            if task.actor:
                self.rules.strays.add(task.actor)
        self.queue.cancel(name)

    def forget(self, job: Job) -> None:
        """SLURM knows nothing of a job any more."""
        for task in job.tasks.values():
            self.rules.hit(task)
            self.rules.strays.add(task.actor)
        del self.queue.jobs[job.id]

    def damage(self, n: int, how: str) -> None:
        """Something published is changed, cut, or taken away."""
        if found := sorted(self.store.published().items()):
            key, path = found[n % len(found)]
            self.rules.hurt.add(key)
            self.rules.times_hurt[key] += 1
            file = next(p for p in path.iterdir() if p.name in ("made.txt", "results.csv"))
            file.write_text("other" if how == "changed" else "")
            if how == "gone":
                shutil.rmtree(path)

    # -- what is over

    def drain(self) -> int:
        """Everything goes on, without faults, until the queue is empty; how many tasks began."""
        begun = 0
        while begun < MOST_STARTS:
            for actor in [a for a in self.machine.actors if a.lives]:
                self.machine.run(actor)
            begun += self.begin_all()
            if (
                not any(a.lives and a.wake_at <= self.machine.now for a in self.machine.actors)
                and not self.queue.ready()
            ):
                waits = [a.wake_at for a in self.machine.actors if a.lives]
                waits += [t.begin for t in self.queue.live() if t.state == "PENDING" and not t.after and not t.held]
                if not waits:
                    return begun
                self.machine.advance(max(0.0, min(waits) - self.machine.now) + 0.01)
        self.rules.broken.append(f"endless: {begun} tasks began, and the queue is not empty")
        return begun

    def begin_all(self) -> int:
        """Every task that may begin does; how many."""
        ready = self.queue.ready()
        for task in ready:
            if task.state == "PENDING":  # and no finalizer before it has cancelled it
                self.machine.run(self.begin(task))
        return len(ready)

    def heal(self) -> None:
        """No more faults: what is suspended goes on, SLURM answers, has room, and holds nothing."""
        self.queue.is_away, self.queue.lost_answers, self.queue.most_submitted = False, 0, 1000
        self.rules.to_raise.clear()
        for actor in self.machine.actors:
            actor.is_suspended = False
        for task in self.queue.live():
            task.held = ""

    def is_finished(self) -> bool:
        """Whether all that is wanted is there, and the table."""
        return all(i.state == "done" for i in self.workspace.plan(self.workspace.facts()))

    def finish(self) -> int:
        """The same sweep.py until nothing changes; how many times."""
        self.heal()
        self.drain()
        number = 0
        while number < MOST_ROUNDS:
            number += 1
            before = self.queue.num_submitted, self.rules.num_published
            sweep = self.launch()
            self.machine.run(sweep)
            self.drain()
            same = sweep.is_over and (self.queue.num_submitted, self.rules.num_published) == before
            if same and not self.rules.let_be_known(self.workspace):
                break
        else:
            self.rules.broken.append(f"sweep.py was typed {number} times, and still changes something")
        self.rules.at_rest(self.workspace, self.queue)
        return number

    # -- stages

    def stage(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(run=lambda job: work.make(name, job, self.machine, self.rules))

    # -- doors

    def new_id(self) -> SimpleNamespace:
        self.num_ids += 1
        return SimpleNamespace(hex=hashlib.sha256(str(self.num_ids).encode()).hexdigest()[:32])

    def sbatch(self, words: list[str]) -> tuple[int, str, str]:
        self.machine.door()
        return self.queue.sbatch(Path(words[-1]).read_text())

    def write_log(self, log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
