"""What the lists of somebody else's archive may say: nothing of any type or size costs more than words, and nothing
gets into a store beside what its key and its manifest vouch for.
"""

import hashlib
import json
import struct

import pytest

from winsweep import keys
from winsweep.archive import listed, tables, zipped
from winsweep.store.store import Store

from .test_hostile import bring, first, refused, rewritten


@pytest.mark.parametrize(
    "name",
    [
        "runs/judge/a.ins.s1-0123456789ab/annotations.json",  # where the store is that reproduce.py makes
        "runs/.judged/alpaca-0123456789ab/x.jsonl",
        "runs/x",
        "cluster.yaml",
        "tasks/mine.so",
        "tasks/mine/x.py",
        "files",
        "study.yaml.d/x",
    ],
)
def test_the_folder_of_the_study_gets_what_a_study_has_and_nothing_else(name, whole, tmp_path):
    path = rewritten(whole, tmp_path / "a.zip", lambda files: files.update({f"study/{name}": b"{}\n"}))
    refused(path, tmp_path / "to", "found a file that is no part of a study")
    assert not (tmp_path / "to").exists()


def relined(whole, to, change):
    def edit(files: dict[str, bytes]) -> None:
        lines = [json.loads(line) for line in files["keys.jsonl"].splitlines()]
        lines = change(lines) or lines
        files["keys.jsonl"] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)

    return rewritten(whole, to, edit)


FIELDS = [
    *(("version", said) for said in ([], {}, None, True, "1", 1.5)),
    *(("params", said) for said in ([], None, "x", 7)),
    *(("inputs", said) for said in ([], None, "x", {"of": []}, {"of": None})),
]


@pytest.mark.parametrize(("field", "said"), FIELDS)
def test_a_result_that_was_asked_for_in_other_types_is_refused(field, said, whole, tmp_path):
    """Also where its key is right: whoever writes an archive can compute it."""

    def change(lines: list[dict]) -> None:
        lines[0][field], lines[0]["folder"] = said, ""
        asked = {name: lines[0][name] for name in ("stage", "version", "params", "inputs")}
        lines[0]["key"] = f"{lines[0]['stage']}/{keys.digest(asked)}"

    refused(relined(whole, tmp_path / "a.zip", change), tmp_path / "to", "line 1: found no result with its key")


def test_a_result_is_listed_once_under_one_name(whole, tmp_path):
    path = relined(whole, tmp_path / "a.zip", lambda lines: lines + lines[:1])
    refused(path, tmp_path / "to", r"line \d+: found a result that another line has, too")

    def another_name(files: dict[str, bytes]) -> None:
        folder = first(files, "artifacts/judge/", "record.json").rpartition("/")[0]
        line = next(line for line in files["keys.jsonl"].splitlines() if f'"{folder}"'.encode() in line)
        told = json.loads(line)
        other = f"artifacts/judge/other-{folder[-12:]}"
        files |= {n.replace(folder, other): data for n, data in files.items() if n.startswith(f"{folder}/")}
        files["keys.jsonl"] += json.dumps(told | {"label": "other", "folder": other}).encode() + b"\n"

    path = rewritten(whole, tmp_path / "b.zip", another_name)
    refused(path, tmp_path / "to", r"line \d+: found a result that another line has, too")


def test_what_an_archive_says_of_its_machine_may_be_of_any_type(bare, reproduce, tmp_path):
    def odd(files: dict[str, bytes]) -> None:
        told = json.loads(files["archive.json"])
        local = {"\0": {"sha256": "x"}, "x" * 5000: {"sha256": "y"}, "files/rows.jsonl": {"sha256": []}, "a": 7}
        files["archive.json"] = json.dumps(told | {"local": local, "code": 7, "left_out": [1]}).encode()
        name = first(files, "artifacts/judge/", "record.json")
        record = json.loads(files[name]) | {"packages": {"torch": {"x": 1}, "\x1b[2J": "9"}, "commit": [1]}
        files[name] = data = json.dumps(record).encode()
        entries = json.loads(files[name.replace("record.json", "manifest.json")])
        entries["record.json"] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        files[name.replace("record.json", "manifest.json")] = json.dumps(entries).encode()

    said = reproduce(rewritten(bare, tmp_path / "a.zip", odd), "--to", "here", code=1)
    assert (
        "\x1b" not in said and "missing  " in said and "here/files/rows.jsonl: that of the archive has sha256 ?" in said
    )


def test_json_of_more_values_than_memory_holds_is_refused_before_it_is_read(whole, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="more than 3,000,000 values"):
        listed.parsed(b"[" + b"[]," * 1_500_001 + b"[]]")
    monkeypatch.setattr(listed, "MOST_VALUES", 2000)
    many = b"[" + b"[]," * 2000 + b"[]]"

    def record(files: dict[str, bytes]) -> None:
        files[first(files, "artifacts/judge/", "record.json")] = many

    for change, why in ((record, "record.json': cannot be read"), (lambda files: None, "")):
        path = rewritten(whole, tmp_path / "a.zip", change)
        if why:
            refused(path, tmp_path / "to", why)
        else:
            bring(path, tmp_path / "other")
            assert Store(tmp_path / "other/runs").published()
    refused(
        relined(whole, tmp_path / "b.zip", lambda lines: lines * 99), tmp_path / "to", "found more than 2,000 values"
    )
    assert not tables.is_same("x.json", b"[]", many) and not tables.is_same("x.jsonl", b"[]\n", many)


@pytest.mark.parametrize(
    "data", [b"a\n" * 700_000, b"a\r" * 700_000, b"," * 3000 + b"\n" + b"1\n" * 700, b"a\n" + b"x" * 200_000]
)
def test_a_table_of_any_size_is_compared_or_said_not_to_be(data):
    ours = b"model,win_rate\nm,0.5\n"
    assert tables.compared(ours, ours.replace(b"0.5", b"0.6")) == (
        "1 of 1 rows differ from those of the archive, the first in win_rate"
    )
    assert tables.compared(ours, data).startswith(
        ("not compared: a table of more than", "not compared: no table (field")
    )


def ended(path, num: int, num_bytes: int, comment: bytes = b""):
    path.write_bytes(struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, num, num, num_bytes, 0, len(comment)) + comment)
    return path


def test_a_list_of_a_zip_is_as_long_as_it_is_whatever_its_end_says(tmp_path):
    refused(ended(tmp_path / "a.zip", 1, zipped.MOST_LIST_BYTES + 1), tmp_path / "to", "found a list of 1 files in 50,")
    small = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, 1, 1, 46, 0)  # which no zip has there
    refused(ended(tmp_path / "a.zip", 0xFFFF, 0xFFFFFFFF, small), tmp_path / "to", "or more behind its end")
    end = ended(tmp_path / "a.zip", 0xFFFF, 0xFFFFFFFF).read_bytes()
    (tmp_path / "a.zip").write_bytes(small + bytes(50) + struct.pack("<IIQI", 0x07064B50, 0, 0, 1) + end)
    refused(tmp_path / "a.zip", tmp_path / "to", "or more before its list")
