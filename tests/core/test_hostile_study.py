"""Study files of an enemy, or of a slip: each ends at once, in words, whatever it names or asks for."""

import os

import pytest

from tests.core.small_study import STUDY, read, refused
from winsweep import paths
from winsweep.errors import BadData, BadStudy
from winsweep.text.source import file_rows
from winsweep.yaml_nodes import MOST_BYTES, read_yaml
from winsweep.zero import read_zero


@pytest.fixture
def pipe(tmp_path):
    """A named pipe that nobody writes to: who opens it as a file waits for ever."""
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


@pytest.mark.parametrize("reader", [read_yaml, read_zero])
@pytest.mark.parametrize("device", ["/dev/zero", "pipe"])
def test_what_never_ends_is_not_read(reader, device, pipe):
    with pytest.raises(BadStudy, match=r"found a pipe or a device; a \w+ file is legal; name an ordinary file"):
        reader(pipe.parent / device)


@pytest.mark.parametrize("device", ["/dev/zero", "pipe"])
def test_rows_come_from_no_device(device, pipe):
    with pytest.raises(BadData, match="found a pipe or a device"):
        list(file_rows(pipe.parent / device))


def test_a_study_that_extends_a_pipe_says_so(tmp_path, pipe):
    with pytest.raises(BadStudy, match="pipe: found a pipe or a device"):
        read(tmp_path, "extends: pipe\nname: x\n")


def test_a_file_that_is_far_too_long_is_not_taken_into_memory(tmp_path):
    with open(tmp_path / "s.yaml", "wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(BadStudy, match=r"found more than 33,554,432 bytes"):
        read_yaml(tmp_path / "s.yaml")


def test_a_line_without_end_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("winsweep.text.lines.MOST_BYTES", 1000)
    (tmp_path / "rows.jsonl").write_text('{"a": 1}\n{"a": "' + "x" * 1000 + '"}\n')
    with pytest.raises(BadData, match=r"rows\.jsonl:2: found a line of more than 1,000 bytes"):
        list(file_rows(tmp_path / "rows.jsonl"))


def test_combinations_are_counted_before_they_are_made(tmp_path):
    values = f"[{', '.join(map(str, range(1, 300)))}]"
    grid = f"seeds: [1, 2]\ngrid: {{epochs: {values}, global_batch: {values}, max_tokens: {values}}}"
    refused(tmp_path, "seeds: [1, 2]", grid, r"grid: found 26,730,899 combinations; 20,000 are legal; .* max_cells:")


def test_a_study_of_many_cells_says_that_it_means_them(tmp_path):
    refused(
        tmp_path, "seeds: [1, 2]", "seeds: [1, 2]\nmax_cells: 3", r"found \d+ cells .*; 3 are legal; .* max_cells: \d+"
    )
    assert read(tmp_path, STUDY.replace("seeds: [1, 2]", "seeds: [1, 2]\nmax_cells: 99")).table.cells


def test_a_name_fits_into_the_name_of_a_file(tmp_path):
    assert read(tmp_path, STUDY.replace("base: {rules", f"{'b' * 100}: {{rules"))
    refused(tmp_path, "base: {rules", f"{'b' * 101}: {{rules", "found 101 letters; 100 at most are legal")


def test_a_directory_of_everything_is_not_read_for_its_digest(tmp_path, monkeypatch):
    monkeypatch.setattr("winsweep.study.parts.MOST_FILES", 3)
    for i in range(4):
        (tmp_path / f"{i}").touch()
    rows = "instructions: {from: jsonl, path: .}"
    refused(tmp_path, "instructions: {from: toy}", rows, r"found a directory of more than 3 files, .*; a file is legal")


@pytest.mark.parametrize("value", ["1", "{b: 1, b: 2}"])
def test_a_key_steers_no_terminal_and_is_not_told_at_any_length(tmp_path, value):
    with pytest.raises(BadStudy) as caught:
        read(tmp_path, f'? "a\\e[31mb{"k" * 5000}"\n: {value}\n')
    said = str(caught.value)
    assert "a<U+001B>[31mb" in said and "\x1b" not in said
    assert max(map(len, said.splitlines())) < 3000


def test_text_of_a_file_is_that_of_an_ordinary_one(tmp_path):
    (tmp_path / "f").write_text("ä")
    assert paths.read_text(tmp_path / "f", 2, "") == "ä"
    with pytest.raises(BadData, match="more than 1 bytes"):
        paths.read_text(tmp_path / "f", 1, "")
