"""Archives that somebody else made: each is refused in words, and nothing of it leaves its folder or fills a disk."""

import contextlib
import hashlib
import io
import json
import os
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from winsweep.archive import incoming, zipped
from winsweep.errors import BadData, LinkInStore
from winsweep.fsck import whole as whole_store
from winsweep.store.store import Store

Change = Callable[[dict[str, bytes]], None]


def rewritten(whole: Path, to: Path, change: Change, relist: bool = True) -> Path:
    """The archive with other files; by default its list says what they are."""
    with zipfile.ZipFile(whole) as archive:
        files = {n: archive.read(n) for n in archive.namelist()}
    change(files)
    told = json.loads(files.pop("archive.json"))
    if relist:
        told["files"] = {n: {"size": len(d), "sha256": hashlib.sha256(d).hexdigest()} for n, d in files.items()}
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in files.items():
            out.writestr(name, data)
        out.writestr("archive.json", json.dumps(told))
    return to


def bring(path: Path, to: Path) -> None:
    with incoming.read(path) as archive:
        incoming.lay_out(archive, to / "study")
        incoming.bring(archive, Store(to / "runs").open())


def first(files: dict[str, bytes], start: str, end: str = "") -> str:
    return next(n for n in sorted(files) if n.startswith(start) and n.endswith(end))


def refused(path: Path, to: Path, match: str) -> None:
    with pytest.raises(BadData, match=match) as e:
        bring(path, to)
    assert "legal" in str(e.value) and str(e.value).isprintable()


@pytest.mark.parametrize(
    "name",
    [
        "../out.txt",
        "/tmp/out.txt",
        "study/../../out.txt",
        "study//x",
        "study\\..\\x",
        "C:/x",
        "study/\x1b[2J",
        "study/\u202etxt",
        f"study/{'x' * 300}",
    ],
)
def test_no_name_leads_out_or_steers_a_terminal(name, whole, tmp_path):
    path = rewritten(whole, tmp_path / "a.zip", lambda files: files.update({name: b"x"}))
    refused(path, tmp_path / "to", "found (a way out|a character|a name)")
    assert not list(tmp_path.rglob("out.txt")) and not (tmp_path / "to").exists()


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFDIR])
def test_links_and_devices_are_refused(mode, whole, tmp_path):
    path = rewritten(whole, tmp_path / "a.zip", lambda files: None)
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("study/link")
        info.create_system, info.external_attr = 3, (mode | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    refused(path, tmp_path / "to", "found a link or a device")


def test_a_name_twice_is_refused(whole, tmp_path):
    path = rewritten(whole, tmp_path / "a.zip", lambda files: files.update({"study/Study.YAML": b"x"}))
    refused(path, tmp_path / "to", "the same name twice")


def test_a_bomb_is_refused_before_it_is_unpacked(whole, tmp_path):
    path = rewritten(
        whole, tmp_path / "a.zip", lambda files: files.update({"study/big": bytes(zipped.WORTH_A_LOOK + 1)})
    )
    refused(path, tmp_path / "to", "bytes packed as")


def test_a_file_that_is_longer_than_its_list_says_is_cut_off(whole, tmp_path, monkeypatch):
    path = rewritten(whole, tmp_path / "a.zip", lambda files: files.update({"study/zz": b"x" * 5000}))
    data = bytearray(path.read_bytes())
    at = data.rfind(b"PK\1\2", 0, data.rfind(b"study/zz"))
    struct.pack_into("<I", data, at + 24, 10)  # its size in the list of the zip
    path.write_bytes(data)
    refused(path, tmp_path / "to", "has another size|more bytes")


def test_a_list_of_millions_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(
        struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, 9**9, 9**9, 9**12, 0)
        + struct.pack("<IIQI", 0x07064B50, 0, 0, 1)
        + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    )
    refused(path, tmp_path / "to", "found a list of 387,420,489 files")


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip at all", bytes(5000)])
def test_what_is_no_zip_is_refused(data, tmp_path):
    (tmp_path / "a.zip").write_bytes(data)
    refused(tmp_path / "a.zip", tmp_path / "to", "found no zip file")


def test_what_was_cut_off_or_flipped_is_refused_or_does_no_harm(bare, made, tmp_path):
    data, sound = bare.read_bytes(), {a.key for a in made.order}
    for n in range(1, 40):
        (tmp_path / "a.zip").write_bytes(data[: len(data) * n // 40])
        with pytest.raises(BadData):
            bring(tmp_path / "a.zip", tmp_path / f"cut-{n}")
        flipped = bytearray(data)
        flipped[len(data) * n // 40] ^= 16
        (tmp_path / "a.zip").write_bytes(flipped)
        with contextlib.suppress(BadData):  # of a date, say, nothing hangs
            bring(tmp_path / "a.zip", tmp_path / f"to-{n}")
        store = Store(tmp_path / f"to-{n}/runs")
        if store.root.exists():
            assert whole_store.check(store, 1).findings == [] and store.published().keys() <= sound


@pytest.mark.parametrize("begin", ["results/kept.csv", "records/finetune/", "ro-crate-metadata.json", "keys.jsonl"])
def test_a_file_that_was_edited_is_refused_also_where_it_is_not_unpacked(begin, bare, tmp_path):
    def edit(files: dict) -> None:
        name = min(n for n in files if n.startswith(begin))
        files[name] = bytes([files[name][0] ^ 1]) + files[name][1:]

    path = rewritten(bare, tmp_path / "a.zip", edit, relist=False)
    refused(path, tmp_path / "to", "found another size or sha256 than its list says")


def test_a_file_that_no_list_names_is_refused(whole, tmp_path):
    path = rewritten(whole, tmp_path / "a.zip", lambda files: files.update({"study/more": b"x"}), relist=False)
    refused(path, tmp_path / "to", "is not both in archive.json and in the archive")


def edited_result(files: dict[str, bytes]) -> None:
    files[first(files, "artifacts/judge/", "annotations.json")] = b"[]"


def edited_record(files: dict[str, bytes]) -> None:
    name = first(files, "artifacts/judge/", "record.json")
    files[name] = data = json.dumps(json.loads(files[name]) | {"version": 77}).encode()
    manifest = name.replace("record.json", "manifest.json")
    entries = json.loads(files[manifest])
    entries["record.json"] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    files[manifest] = json.dumps(entries).encode()


def without_manifest(files: dict[str, bytes]) -> None:
    del files[first(files, "artifacts/judge/", "manifest.json")]


def added_to_a_result(files: dict[str, bytes]) -> None:
    files[first(files, "artifacts/judge/").rpartition("/")[0] + "/more.bin"] = b"x"


def another_key(files: dict[str, bytes]) -> None:
    files["keys.jsonl"] = files["keys.jsonl"].replace(b'"label": "a.ins.s1"', b'"label": "../x"', 1)


def another_folder(files: dict[str, bytes]) -> None:
    files["keys.jsonl"] = files["keys.jsonl"].replace(b'"folder": "artifacts/judge/', b'"folder": "study/../', 1)


@pytest.mark.parametrize(
    "change", [edited_result, edited_record, without_manifest, added_to_a_result, another_key, another_folder]
)
def test_a_result_that_is_not_what_its_key_and_manifest_say_is_not_taken(change, whole, tmp_path):
    path = rewritten(whole, tmp_path / "a.zip", change)
    refused(path, tmp_path / "to", "a.zip: ")
    published = Store(tmp_path / "to/runs").published() if (tmp_path / "to/runs").exists() else {}
    assert not [made for key, made in published.items() if not (made / "manifest.json").is_file()]


def test_a_link_where_the_study_goes_is_not_followed(whole, tmp_path):
    (tmp_path / "to/study").mkdir(parents=True)
    (tmp_path / "to/study/files").symlink_to(tmp_path)
    with pytest.raises(LinkInStore):
        bring(whole, tmp_path / "to")


def test_a_pipe_is_no_archive(tmp_path):
    os.mkfifo(tmp_path / "a.zip")
    refused(tmp_path / "a.zip", tmp_path / "to", "found no ordinary file")


def test_the_writer_makes_what_other_programs_read():
    file = io.BytesIO()
    writer = zipped.Writer(file)
    writer.add("a/b.txt", b"x" * 100)
    writer.close()
    with zipfile.ZipFile(file) as archive:
        assert archive.read("a/b.txt") == b"x" * 100 and archive.testzip() is None
