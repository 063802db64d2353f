"""Publishing under SIGKILL: a hundred kills at random moments leave nothing unreadable and never two winners."""

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest

from winsweep.artifact import Artifact
from winsweep.errors import Busy
from winsweep.store import liveness, manifest
from winsweep.store.store import Store

ARTIFACT = Artifact("make", 1, "thing", {})
LINES = 30
NUM_KILLS = 100


def attempt(root: Path, wins: Path) -> None:
    """What an attempt does, in small: claim, go on with the state of earlier attempts, publish."""
    store = Store(root).open()
    try:
        claim = store.claim(ARTIFACT.key, liveness.owner("t"), liveness.alive)
        if ARTIFACT.key in store.published():
            return
        state = claim.work / "lines"
        state.touch()
        have = [line for line in state.read_text().splitlines() if line.endswith(".")]
        state.write_text("".join(line + "\n" for line in have))
        for i in range(len(have), LINES):
            with open(state, "a") as f:
                f.write(f"{i}.\n")
        (claim.out / "data").write_text(state.read_text())
        store.publish(ARTIFACT.name, claim)
        with open(wins, "a") as f:
            f.write(f"{os.getpid()}\n")
    except Busy:
        pass


def race(root: Path, wins: Path, rng: random.Random) -> int:
    """Three contenders at once, killed or left alone, again and again until one has published; the number of kills."""
    fork = multiprocessing.get_context("fork")
    kills = 0
    while not Store(root).published():
        contenders = [fork.Process(target=attempt, args=(root, wins)) for _ in range(3)]
        for p in contenders:
            p.start()
        time.sleep(rng.random() * 0.012)
        for p in rng.sample(contenders, 2):
            if p.is_alive():
                os.kill(p.pid, signal.SIGKILL)
                kills += 1
        for p in contenders:
            p.join(60)
    return kills


@pytest.mark.slow
def test_kills_leave_whole_results_and_one_winner(tmp_path):
    rng, kills, trials = random.Random(7), 0, 0
    while kills < NUM_KILLS:
        root, wins = tmp_path / str(trials), tmp_path / f"{trials}.wins"
        kills += race(root, wins, rng)
        found = Store(root).published()[ARTIFACT.key]
        manifest.verify(found)
        assert (found / "data").read_text() == "".join(f"{i}.\n" for i in range(LINES))
        # none where the winner died before it could write so
        assert len(wins.read_text().split() if wins.exists() else []) <= 1
        trials += 1
    print(f"{trials} trials, {kills} kills")
