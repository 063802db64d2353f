"""Whether what tells of the attempts at an artifact is what attempts write: numbered claims without gaps, end records,
the spec, and that all of it agrees with the result.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from winsweep import keys
from winsweep.attempt import history, spec
from winsweep.errors import LinkInStore
from winsweep.fsck.finding import Finding, cut, readable, remove, run, what
from winsweep.paths import unlinked_opener
from winsweep.store import liveness
from winsweep.store.claim import number_in
from winsweep.store.lookup import is_folder
from winsweep.store.store import RECORD, Store

OWNER = re.compile(r"[^@\s/]+@\d+@\d+\.\d+@[^@\s/]+")
END = re.compile(r"(\d{6,})\.json")
MOST_BYTES = 64 << 20  # of one file; the largest are specs
TEXTS, NUMBERS = ("kind", "reason", "node", "owner", "lacked"), ("begun", "seconds", "until", "progress", "attempt")
FORGET = "{}    # the attempts before are forgotten; what is published stays"
GO_ON = "{}    # goes on from its checkpoint all the same; once the result is there: {}"


def spec_of(store: Store, key: str) -> Mapping[str, Any]:
    """What the last attempt at `key` was told, as it lies there; nothing where that cannot be read or was edited."""
    try:
        told = _json(store.work(key) / "spec.json")
    except (OSError, ValueError, RecursionError):
        return {}
    return {} if _wrong_spec(told, key) else told


def findings(store: Store, key: str, published: Path | None) -> list[Finding]:
    """Everything that is wrong with what the store knows of the attempts at `key`; nothing where one is at work, as
    files come and go then.
    """
    if odd := _odd(store, key):
        return odd
    found = list(_findings(store, key, published))
    return list(_findings(store, key, published)) if found else []  # another look: an attempt may have ended meanwhile


def _odd(store: Store, key: str) -> list[Finding]:
    """What lies where an attempt's folders do and is none, or is one that this user may not read."""
    work = store.work(key)
    found = []
    for path in (work, work / "claims", work / "ends"):
        if not os.path.lexists(path):
            continue
        if not is_folder(path):
            found.append(_damaged(store, key, path, f"is {what(path)}, and no folder", remove(path)))
        elif not os.access(path, os.R_OK | os.X_OK):
            return [_damaged(store, key, path, "cannot be read (Permission denied)", readable(path))]
    return found


def _findings(store: Store, key: str, published: Path | None) -> Iterator[Finding]:
    work = store.work(key)
    owners, claims = _claims(work / "claims")
    if published and owners and (unlike := _unlike(published, owners)) and unlike[0] not in claims:
        claims[unlike[0]] = unlike[1]
    if claims:
        at = f"claims/{min(claims):06d}" if len(claims) == 1 and min(claims) else "claims"
        why = "; ".join(f"{n:06d} {said}" if at == "claims" and n else said for n, said in sorted(claims.items()))
        yield _damaged(store, key, work / at, why, _forget(store, key, published))
    for path, why in _faults(work, key, {n: "" if n in claims else owner for n, owner in owners.items()}):
        yield _damaged(store, key, path, why, remove(path))
    rest = sorted(p for pattern in ("out-*", "state-*") for p in work.glob(pattern)) if published else []
    for path in rest if rest and not _is_live(store, key) else ():
        what = "of an attempt that ended before it tidied up; the result is there"
        yield Finding("left over", path.relative_to(store.root).as_posix(), what, remove(path), artifact=key)


def _damaged(store: Store, key: str, path: Path, why: str, act: str) -> Finding:
    return Finding("damaged", path.relative_to(store.root).as_posix(), cut(why), act, artifact=key)


def _forget(store: Store, key: str, published: Path | None) -> str:
    """What to type for claims that are damaged; a checkpoint would go with them, so it is used first."""
    forgotten = FORGET.format(remove(store.work(key)))
    if published or not any(store.work(key).glob("state-*/*")):
        return forgotten
    return GO_ON.format(run(store.root, str(spec_of(store, key).get("study", ""))), remove(store.work(key)))


def _faults(work: Path, key: str, owners: Mapping[int, str]) -> Iterator[tuple[Path, str]]:
    """What is wrong with the spec and the end records; `owners` has no name for a claim that is damaged itself."""
    if (work / "spec.json").exists() or (work / "spec.json").is_symlink():
        try:
            why = _wrong_spec(_json(work / "spec.json"), key)
        except (OSError, ValueError, RecursionError) as e:
            why = f"cannot be read as JSON ({type(e).__name__})"
        if why:
            yield work / "spec.json", why
    for path in sorted((work / "ends").glob("*")):
        if why := _wrong_end(path, owners):
            yield path, why


def _claims(folder: Path) -> tuple[dict[int, str], dict[int, str]]:
    """Number to owner of each claim, and to what is wrong with it; 0 stands for all of them."""
    owners: dict[int, str] = {}
    faults = {}
    for path in sorted(folder.glob("[0-9]*")):
        if not (number := number_in(path.name)):
            faults[0] = f"{path.name} is no number of a claim"
            continue
        try:
            owners[number] = owner = _read(path).decode()
            if not OWNER.fullmatch(owner):
                faults[number] = "has no name of an attempt in it (HOST@PROCESS@BEGIN@TOKEN)"
        except (OSError, ValueError) as e:
            owners[number], faults[number] = "", f"cannot be read ({type(e).__name__})"
    if owners and (gaps := [n for n in range(1, max(owners)) if n not in owners]):
        faults[0] = f"claims are numbered without gaps; {gaps[0]:06d} is not there, {max(owners):06d} is"
    return owners, faults


def _wrong_end(path: Path, owners: Mapping[int, str]) -> str:
    """What is wrong with a file of ends/, or no text."""
    if path.name.startswith(".") or path.suffix == ".forgiven" or path.name.endswith(history.CALLED_OFF):
        return ""
    match = END.fullmatch(path.name)
    if not match:
        return "is no end record of an attempt"
    try:
        told = _json(path)
    except (OSError, ValueError, RecursionError) as e:
        return f"cannot be read as JSON ({type(e).__name__})"
    if not isinstance(told, dict) or not told.get("kind"):
        return "does not say how the attempt ended (kind)"
    odd = [name for name in TEXTS if not isinstance(told.get(name, ""), str)]
    odd += [n for n in NUMBERS if not isinstance(told.get(n, 0), (int, float)) or isinstance(told.get(n), bool)]
    if odd or (told["kind"] == "waiting" and not {"until", "reason"} <= told.keys()):
        return f"has {odd[0] if odd else 'until'} that no attempt writes"
    return _unlike_claim(told, int(match[1]), owners)


def _unlike_claim(told: Mapping[str, Any], number: int, owners: Mapping[int, str]) -> str:
    if told.get("attempt", number) != number:
        return f"is of attempt {told['attempt']} by what it says"
    if owners and number > max(owners):
        return f"is of an attempt that never claimed it; the last claim is {max(owners)}"
    owner, token = owners.get(number), str(told.get("owner", "")).rpartition("@")[2]
    if owner and token and token != owner.rpartition("@")[2]:  # another rank of it has another name, and this token
        return f"is of {told['owner']}, and the claim of {owner}"
    return ""


def _unlike(published: Path, owners: Mapping[int, str]) -> tuple[int, str] | None:
    """The number of the claim that is not that of the attempt which published, and what it is."""
    try:
        told = _json(published / RECORD)
        number, owner = told["attempt"], told["owner"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None  # told of the published directory, or brought by an archive
    there = owners.get(number)
    if there == owner or not isinstance(number, int):
        return None
    said = f"is of {there}" if there is not None else "is not there"
    return number, f"{said}; attempt {number} published the result as {owner}"


def _wrong_spec(told: object, key: str) -> str:
    """Why a spec is not one of `key`, or no text. Its placement may be of an older winsweep."""
    if not isinstance(told, dict):
        return "is no spec"
    try:
        asked = {name: told[name] for name in ("stage", "version", "params", "inputs")}
        digest = keys.digest(asked)
    except (KeyError, TypeError, ValueError, RecursionError) as e:
        return f"is no spec ({type(e).__name__})"
    if f"{told['stage']}/{digest}" != key or told.get("digest") != digest:
        return "asks for something else than the artifact in whose folder it lies"
    is_named = spec.LABEL.fullmatch(str(told.get("label"))) and isinstance(told.get("study"), str)
    return "" if is_named else "has no label or no study"


def _is_live(store: Store, key: str) -> bool:
    """Whether an attempt at `key` is at work, as far as its claim can be read."""
    try:
        return store.holder(key, lambda name: liveness.alive(name, store.work(key) / "heartbeat")) is not None
    except (OSError, ValueError, LinkInStore):
        return False


def _json(path: Path) -> Any:
    return json.loads(_read(path))


def _read(path: Path) -> bytes:
    """A regular file's bytes; OSError for a link or what is too large, ValueError for a pipe."""
    with open(path, "rb", opener=unlinked_opener) as file:
        if os.fstat(file.fileno()).st_size > MOST_BYTES:
            raise OSError(27, "too large", str(path))
        return file.read()
