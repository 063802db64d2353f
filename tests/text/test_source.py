"""Files of rows as people have them: text stays text, whatever the format, and each fault is named by file and line."""

import csv
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from winsweep.errors import BadData
from winsweep.study.web_file import UrlFile
from winsweep.text.source import file_rows

ROWS = [
    {"instruction": f"say {said}", "output": said}
    for said in ("None", "NA", "007", "null", "1e5", "True", 'a,b\t"c"\nd', "é 漢")
]


def put(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def table(rows: list[dict], delimiter: str) -> bytes:
    import io

    f = io.StringIO(newline="")
    writer = csv.DictWriter(f, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return f.getvalue().encode()


def as_parquet(rows: list[dict]) -> bytes:
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue().to_pybytes()


WRITTEN = {
    "jsonl": "".join(json.dumps(row) + "\n" for row in ROWS).encode(),
    "json": json.dumps(ROWS, indent=1, ensure_ascii=False).encode(),
    "csv": table(ROWS, ","),
    "tsv": table(ROWS, "\t"),
    "parquet": as_parquet(ROWS),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", WRITTEN)
def test_text_is_text_in_every_format(kind, packed, tmp_path):
    content = gzip.compress(WRITTEN[kind], mtime=0) if packed else WRITTEN[kind]
    assert list(file_rows(put(tmp_path / f"rows.v1.{kind}{'.gz' if packed else ''}", content))) == ROWS


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bom.jsonl", "\ufeff" + '{"a": "b"}\n'),
        ("crlf.jsonl", '{"a": "b"}\r\n\r\n'),
        ("cr.jsonl", '\r{"a": "b"}\r'),
        ("list.jsonl", '[\n{"a": "b"}\n]'),
        ("lines.json", '{"a": "b"}\n'),
        ("bom.csv", "\ufeffa\r\nb\r\n"),
        ("blank.csv", "\na\n\n b\n".replace(" ", "")),
        ("unpacked.jsonl.gz", '{"a": "b"}'),
        ("packed.jsonl", gzip.compress(b'{"a": "b"}', mtime=0)),
        ("nul.jsonl", '{"a": "b"}\n'),
    ],
)
def test_what_editors_and_exports_do_to_a_file(name, content, tmp_path):
    assert list(file_rows(put(tmp_path / name, content))) == [{"a": "b"}]


def test_huge_lines_and_fields_and_text_with_nul(tmp_path):
    long = "x" * 3_000_000
    assert [len(r["a"]) for r in file_rows(put(tmp_path / "a.jsonl", json.dumps({"a": long})))] == [len(long)]
    assert [len(r["a"]) for r in file_rows(put(tmp_path / "a.csv", f"a\n{long}\n"))] == [len(long)]
    assert list(file_rows(put(tmp_path / "b.jsonl", '{"a": "x\\u0000y \\ud83d\\ude00"}'))) == [{"a": "x\0y 😀"}]


GOOD = '{"a": "b"}\n'


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", GOOD + '{"a": "b"},\n', r"a\.jsonl:2: not JSON .*without the comma behind the object"),
        (
            "a.json",
            '[{"a": "b"},\n{"a": "b", "a": "c"}]',
            r"a\.json: not JSON \(the name 'a' stands twice in one object\)",
        ),
        ("a.json", '[{"a": "b"}, {"a": "\\ud83d"}]', r"a\.json row 1: found '\\ud83d' alone"),
        ("a.json", "[" * 100_000 + "]" * 100_000, r"a\.json: not JSON \(.*(recursion|overflow)"),
        ("a.jsonl", GOOD + '{"a": "b", "a": "c"}', r"a\.jsonl:2: not JSON \(the name 'a' stands twice in one object\)"),
        ("a.jsonl", GOOD + '\n{"a": "b\0"}', r"a\.jsonl:3: not JSON \(Invalid control character"),
        (
            "a.jsonl",
            GOOD + "[" * 9000 + "]" * 9000,
            r"a\.jsonl:2: (not JSON \(maximum recursion|found .* must be a JSON object)",
        ),
        (
            "a.jsonl",
            GOOD + '{"a": "cut \\ud83d"}',
            r"a\.jsonl:2: found '\\ud83d' alone, half of a character; .*remove the half",
        ),
        ("a.json", '[{"a": "b"},\n\n{"a": "c"},]', r"a\.json:3: not JSON"),
        ("a.json", '[{"a": "b"}, 3]', r"a\.json row 1: found 3; .*must be a JSON object"),
        (
            "a.jsonl",
            GOOD.encode() + "é".encode("latin1"),
            r"a\.jsonl:2: not UTF-8 \(found the byte 0xe9\).*< \S+a\.jsonl iconv -f windows-1252 -t utf-8 > \S+utf8-a",
        ),
        (
            "a.jsonl.gz",
            gzip.compress("é".encode("latin1"), mtime=0),
            r"a\.jsonl\.gz:1: not UTF-8 .*gzip -dc \S+a\.jsonl\.gz \| iconv -f windows-1252 .*utf8-a\.jsonl,",
        ),
        ("a.csv", "x\né\n".encode("latin1"), r"a\.csv:2: not UTF-8"),
        ("a.txt", "é".encode("latin1"), r"a\.txt:1: not UTF-8"),
        ("a.jsonl", GOOD.encode("utf-16"), r"a\.jsonl:1: not UTF-8 .*iconv -f utf-16 "),
        ("a.jsonl", GOOD.encode("utf-16-le"), r"a\.jsonl:1: not UTF-8 \(found the byte 0x00\).*iconv -f utf-16le "),
        ("a.csv", "a,b\n".encode("utf-16-be"), r"a\.csv:1: not UTF-8 \(found the byte 0x00\).*iconv -f utf-16be "),
        ("a.jsonl", GOOD.encode("utf-32"), r"a\.jsonl:1: not UTF-8 .*iconv -f utf-32 "),
        ("a.jsonl.gz", gzip.compress(gzip.compress(b"x")), r"a\.jsonl\.gz: found a gzip file within a gzip file"),
        ("a.csv", "a;b\n1;2\n", r"a\.csv:1: found one column, 'a;b'; .*in a \.csv file; .*in place of ';'"),
        ("a.csv", "a\tb\n1\t2\n", r"a\.csv:1: found one column, .*in place of '\\t'"),
        ("a.tsv", "a,b\n1,2\n", r"a\.tsv:1: found one column, 'a,b'; .*in a \.tsv file; .*in place of ','"),
        (
            "a.jsonl.gz",
            gzip.compress(GOOD.encode() * 999, mtime=0)[:-20],
            r"a\.jsonl\.gz: a damaged gzip file .*copy it anew",
        ),
        ("a.jsonl", b"PK\x03\x04rest", r"a\.jsonl: found a zip file .*\.parquet"),
        ("a.jsonl", WRITTEN["parquet"], r"found a parquet file"),
        ("a.csv", 'a,b\n1,2\n"x\ny",2,3\n', r"a\.csv:3: found 3 fields; 2 are legal, as the header has a, b"),
        ("a.csv", 'a,b\n1,"2\n3,4\n', r"a\.csv:2: a quote is opened in this row and never closed"),
        ("a.csv", "a,a\n1,2\n", r"a\.csv:1: the column 'a' stands twice"),
        ("a.parquet", b"PAR1 nothing", r"a\.parquet: not a parquet file .*fix it or name another"),
    ],
)
def test_a_fault_is_named(name, content, says, tmp_path):
    with pytest.raises(BadData, match=says):
        list(file_rows(put(tmp_path / name, content)))


def test_rows_come_before_a_fault_behind_them(tmp_path):
    """Nothing is read ahead, so that whoever wants the first rows need not have the others right."""
    for name, content in (("a.jsonl", GOOD + "{"), ("a.csv", 'a\nb\n"')):
        assert next(iter(file_rows(put(tmp_path / name, content)))) == {"a": "b"}


def test_a_directory_is_no_file(tmp_path):
    with pytest.raises(BadData, match="found a directory; a file is legal"):
        list(file_rows(tmp_path))


def test_a_parquet_file_whose_text_is_not_utf8(tmp_path):
    bad = pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xe9"))
    parquet.write_table(pa.table({"a": bad}), tmp_path / "a.parquet")
    with pytest.raises(BadData, match=r"a\.parquet row 0 or one of the 1,000 behind it: a text is not UTF-8"):
        list(file_rows(tmp_path / "a.parquet"))


@pytest.mark.parametrize(
    ("name", "suffix"), [("rows.v1.jsonl.gz?x=1", ".jsonl.gz"), ("rows.csv", ".csv"), ("rows", ""), ("rows.gz", ".gz")]
)
def test_a_fetched_file_keeps_the_suffixes_by_which_it_is_read(name, suffix):
    assert UrlFile(f"http://somewhere/{name}", "ab" * 32).path.name == f"{'ab' * 32}{suffix}"
