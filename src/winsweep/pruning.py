"""What of a store nobody wants any more: results that no named study asks for, and checkpoints whose model is
collected.
"""

import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from winsweep.artifact import closure
from winsweep.store import damage, links
from winsweep.store.folders import PRUNED
from winsweep.store.lookup import untidy
from winsweep.workspace import Workspace


@dataclass(frozen=True)
class Waste:
    """A directory that nobody asks for, its bytes, and why."""

    path: Path
    num_bytes: int
    why: str


def waste(
    workspaces: Sequence[Workspace],
    kept: Mapping[str, str] = MappingProxyType({}),
    left: Mapping[str, list[str]] | None = None,
) -> list[Waste]:
    """Everything of the workspaces' one store that their studies do not need; nothing that a live attempt works on, and
    no key that is `kept`. `left`: what `lookup.untidy` says, where that is known.
    """
    store = workspaces[0].store
    wanted = {a.key for h in workspaces for a in closure(h.wanted)}
    needed = {i.artifact.key for h in workspaces for i in h.plan(h.facts())}
    transient = {name for name, module in workspaces[0].need.stages.items() if getattr(module, "TRANSIENT", False)}
    found, made, users = [], store.published().whole(), _users(workspaces)
    for key, path in made.items():
        if key in kept and key not in wanted:
            continue
        if key not in wanted:
            found.append(Waste(path, size(path), "no study named here asks for it"))
        elif key.partition("/")[0] in transient and key not in needed and users[key] <= made.keys():
            found.append(Waste(path, size(path), "its model is collected"))
    for key, aside in damage.known(store).items():
        if (
            key in made or key not in wanted.union(kept) or key.partition("/")[0] in transient
        ):  # else its removal would have all made again that hangs on it
            found.append(Waste(aside, size(aside), "was damaged and set aside"))
    left_over = sorted(links.refuse(p) for p in store.root.glob(f"[a-z]*/{PRUNED}*"))
    found += [Waste(path, size(path), "a prune was ended midway") for path in left_over]
    for key, names in sorted((untidy(store.root) if left is None else left).items()):
        states = [links.inside(store.root, store.work(key) / n) for n in sorted(names) if n.startswith("state-")]
        if states and key not in wanted and key not in kept and store.holder(key, workspaces[0].alive(key)) is None:
            found += [Waste(at, size(at), "state of an attempt at what no study named here asks for") for at in states]
    return found


def _users(workspaces: Sequence[Workspace]) -> dict[str, set[str]]:
    """Of each key that the studies want, those that are made from it. One that was set aside may be wanted again."""
    found: dict[str, set[str]] = {}
    for a in {a.key: a for h in workspaces for a in closure(h.wanted)}.values():
        found.setdefault(a.key, set())
        for i in a.inputs.values():
            found.setdefault(i.key, set()).add(a.key)
    return found


def spared(workspaces: Sequence[Workspace], kept: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    """For whom something is left alone that these studies do not want: how many directories, and their bytes."""
    wanted = {a.key for h in workspaces for a in closure(h.wanted)}
    found: dict[str, tuple[int, int]] = {}
    if not kept:
        return found
    for key, path in workspaces[0].store.published().whole().items():
        if key in kept and key not in wanted:
            num, num_bytes = found.get(kept[key], (0, 0))
            found[kept[key]] = (num + 1, num_bytes + size(path))
    return found


def closed(found: Sequence[Waste]) -> list[Waste]:
    """Those that this user may rename but not empty, as another user owns folders in them: they would be lost to
    everybody and still take room.
    """
    return [w for w in found if not _may_empty(w.path)]


def _may_empty(path: Path | str) -> bool:
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return not os.path.lexists(path)  # else another prune was quicker
    with suppress(FileNotFoundError), os.scandir(path) as entries:
        return all(_may_empty(e.path) for e in entries if e.is_dir(follow_symlinks=False))
    return True


def remove(found: Sequence[Waste]) -> None:
    """Take each away by a rename first, so that nobody sees half of it; what another prune was quicker with is none."""
    for w in found:
        trash = w.path
        if not w.path.name.startswith(PRUNED):
            trash = w.path.with_name(f"{PRUNED}{w.path.name}-{uuid.uuid4().hex[:8]}")
            try:
                links.refuse(w.path).rename(trash)
            except FileNotFoundError:
                continue
        while trash.exists():
            with suppress(FileNotFoundError):  # both remove what an earlier one left
                shutil.rmtree(trash)


def size(path: Path | str) -> int:
    """Bytes of all files below `path`, through no link to a directory."""
    total = 0
    with suppress(FileNotFoundError, PermissionError), os.scandir(path) as found:
        for e in found:
            with suppress(FileNotFoundError):  # somebody works there, or removes it
                total += size(e.path) if e.is_dir(follow_symlinks=False) else e.stat(follow_symlinks=False).st_size
    return total
