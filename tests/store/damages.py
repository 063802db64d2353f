"""What may happen to the files of a store, one thing at a time, by chance: each damage says whose it is."""

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

from winsweep.store import manifest

Expected = set[str]  # one of these places or artifacts must be named
Damage = Callable[[Path, random.Random], Expected]


def artifacts(store: Path) -> list[Path]:
    return sorted(store.glob("[a-z]*/*-????????????"))


def name(path: Path, store: Path) -> str:
    return path.relative_to(store).as_posix()


def a_file(store: Path, rng: random.Random) -> tuple[Path, Path]:
    made = rng.choice(artifacts(store))
    return made, rng.choice(sorted(p for p in made.rglob("*") if p.is_file()))


def flip(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def bit_flip(store: Path, rng: random.Random) -> Expected:
    made, path = a_file(store, rng)
    flip(path, rng)
    return {name(made, store)}


def truncation(store: Path, rng: random.Random) -> Expected:
    made, path = a_file(store, rng)
    os.truncate(path, rng.randrange(path.stat().st_size))
    return {name(made, store)}


def removal(store: Path, rng: random.Random) -> Expected:
    made, path = a_file(store, rng)
    path.unlink()
    return {name(made, store)}


def addition(store: Path, rng: random.Random) -> Expected:
    made = rng.choice(artifacts(store))
    (made / rng.choice(["notes.txt", ".hidden", "model-2.safetensors"])).write_bytes(rng.randbytes(9))
    return {name(made, store)}


def link(store: Path, rng: random.Random) -> Expected:
    """The same bytes behind a link."""
    made, path = a_file(store, rng)
    elsewhere = store.parent / f"elsewhere-{path.name}"
    elsewhere.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(elsewhere)
    return {name(made, store)}


def pipe(store: Path, rng: random.Random) -> Expected:
    made, path = a_file(store, rng)
    path.unlink()
    os.mkfifo(path)
    return {name(made, store)}


def other_name(store: Path, rng: random.Random) -> Expected:
    made = rng.choice(artifacts(store))
    label, _, digest = made.name.rpartition("-")
    changed = f"{digest[:-1]}{'0' if digest[-1] != '0' else '1'}"
    other = rng.choice([f"{label}x-{digest}", f"{label}-{changed}", f"{label}-{digest}.old", "backup"])
    made.rename(made.with_name(other))
    return {name(made, store)}  # where it belongs


def other_stage(store: Path, rng: random.Random) -> Expected:
    made = rng.choice(artifacts(store))
    target = rng.choice([p for p in artifacts(store) if p.parent != made.parent]).parent / made.name
    made.rename(target)
    return {name(made, store)}


def edited_record(store: Path, rng: random.Random) -> Expected:
    """With a manifest that agrees: what it says was asked for is not what its name is the hash of."""
    made = rng.choice(artifacts(store))
    record = json.loads((made / "record.json").read_bytes())
    field = rng.choice(["version", "params", "inputs", "name"])
    record[field] = {"version": 99, "params": {"seed": 1}, "inputs": {"x": "y/z"}, "name": "judge/x-0"}[field]
    (made / "record.json").write_text(json.dumps(record))
    if rng.random() < 0.7:
        (made / "manifest.json").unlink()
        manifest.seal(made)
    return {name(made, store)}


def swap(store: Path, rng: random.Random) -> Expected:
    """Files of one name change places between two artifacts of a stage; also all of them."""
    first = rng.choice([p for p in artifacts(store) if len(artifacts_of(p)) > 1])
    second = rng.choice([p for p in artifacts_of(first) if p != first])
    both = {p.name for p in first.iterdir()} & {p.name for p in second.iterdir()}
    unlike = sorted(n for n in both if (first / n).read_bytes() != (second / n).read_bytes())
    for one in unlike if rng.random() < 0.3 else [rng.choice(unlike)]:
        a, b = (first / one).read_bytes(), (second / one).read_bytes()
        (first / one).write_bytes(b)
        (second / one).write_bytes(a)
    return {name(first, store)}


def artifacts_of(path: Path) -> list[Path]:
    return sorted(path.parent.glob("*-????????????"))


def ledger_line(store: Path, rng: random.Random) -> Expected:
    """A bit of a line that is not its end, which would join it with the next one; that is a damage, too."""
    path = rng.choice(sorted(store.glob(".judged/*/*.jsonl")))
    flip(path, rng)
    return {name(path, store)}


def ledger_torn(store: Path, rng: random.Random) -> Expected:
    path = rng.choice(sorted(store.glob(".judged/*/*.jsonl")))
    last = len(path.read_bytes().splitlines()[-1])
    os.truncate(path, path.stat().st_size - rng.randint(2, last))
    os.utime(path, (1, 1))
    dead = path.with_name(f"gone-1-{rng.randbytes(4).hex()}.jsonl")
    path.rename(dead)
    return {name(dead, store)}


def judge_identity(store: Path, rng: random.Random) -> Expected:
    path = rng.choice(sorted(store.glob(".judged/*/judge.json")))
    path.write_text(rng.choice(["", "[]", '{"judge": "other", "version": 1, "identity": {}}']))
    return {name(path, store)}


def batch_record(store: Path, rng: random.Random) -> Expected:
    path = rng.choice(sorted(store.glob(".judged/*/batches/*.json")))
    if rng.random() < 0.5:
        path.with_suffix(".keys").unlink()
    else:
        path.write_text(rng.choice(["{}", "[", '{"token": 1}']))
    return {name(path, store)}


def forged_claim(store: Path, rng: random.Random) -> Expected:
    made = rng.choice(artifacts(store))
    claims = store / ".work" / made.parent.name / made.name.rpartition("-")[2] / "claims"
    number = rng.choice([1, 2, 2, 7, 900000])
    (claims / f"{number:06d}").write_text(rng.choice(["", "me", "host@1@2.00@token", "a@b@c@d", "host@9@9.99@x\n"]))
    return {name(made, store)}


def forged_end(store: Path, rng: random.Random) -> Expected:
    made = rng.choice(artifacts(store))
    ends = store / ".work" / made.parent.name / made.name.rpartition("-")[2] / "ends"
    other = '{"kind": "done", "owner": "host@1@2.00@token", "attempt": 2}'
    text = rng.choice(["", "[]", "{}", '{"kind": 3}', '{"kind": "waiting", "reason": "x"}', other])
    number = 2 if text == other else rng.choice([1, 2, 9])
    (ends / f"{number:06d}.json").write_text(text)
    return {name(made, store)}


def forged_spec(store: Path, rng: random.Random) -> Expected:
    made = rng.choice(artifacts(store))
    path = store / ".work" / made.parent.name / made.name.rpartition("-")[2] / "spec.json"
    told = json.loads(path.read_bytes())
    changed = rng.choice([told | {"params": {"forged": 1}}, told | {"version": 0}, told | {"label": "../x"}, []])
    path.write_text(json.dumps(changed))
    return {name(made, store)} if changed else {name(path, store), name(made, store)}


def table_copy(store: Path, rng: random.Random) -> Expected:
    path = rng.choice(sorted((store / "results").glob("*.csv")))
    flip(path, rng)
    return {name(path, store)}


def mark(store: Path, rng: random.Random) -> Expected:
    (store / "store.json").write_text(rng.choice(["", "{}", '{"format": "1"}', '{"format": 0}']))
    return {"store.json"}


ALL: tuple[Damage, ...] = (
    *(bit_flip, truncation, removal, addition, link, pipe, other_name, other_stage, edited_record, swap),
    *(ledger_line, ledger_torn, judge_identity, batch_record, forged_claim, forged_end, forged_spec, table_copy, mark),
)
