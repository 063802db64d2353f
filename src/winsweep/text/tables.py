"""Rows of a table: every field of a .csv or .tsv is text, or None where it is empty; of a parquet file, what its
columns hold.
"""

import csv
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from winsweep.errors import BadData
from winsweep.quoting import excerpt
from winsweep.text.lines import lines, opened

TAB = "\t"
Numbered = Iterator[tuple[str, dict]]


def table(path: Path, delimiter: str) -> Numbered:
    """Rows of a table with a header, by the line they begin at; quotes as Excel and pandas write them, and no field is
    ever a number.

    BadData for a row with another number of fields, a quote that is not closed, or a name that stands twice in the
    header.
    """
    csv.field_size_limit(sys.maxsize)
    end, begun = os.urandom(8).hex(), 1
    read = csv.reader(_with_end(path, end), delimiter=delimiter)
    header: list[str] | None = None
    try:
        for fields in read:
            where, begun = f"{path}:{begun}", read.line_num + 1
            if fields == [end]:
                return
            if fields and fields[-1].endswith(f"{end}\n"):
                raise BadData(
                    f'{where}: a quote is opened in this row and never closed; write "" for a quote within a quoted '
                    f"field"
                )
            if not "".join(fields[:1]).strip() and len(fields) < 2:
                continue  # a blank line
            if header is None:
                header = _names(fields, where, delimiter)
            elif len(fields) != len(header):
                raise BadData(
                    f"{where}: found {len(fields)} fields; {len(header)} are legal, as the header has "
                    f"{', '.join(header)[:120]}; "
                    f"quote a field that holds {delimiter!r} or a line break"
                )
            else:
                yield where, {name: field or None for name, field in zip(header, fields)}
    except csv.Error as e:
        raise BadData(f"{path}:{read.line_num}: not a row of a table ({e}); fix or remove it") from None


def _with_end(path: Path, end: str) -> Iterator[str]:
    """Lines with a last one of our own, which is a row by itself unless a quote is open."""
    yield from (line for _, line in lines(path, keep_ends=True))
    yield f"{end}\n"


def _names(header: list[str], where: str, delimiter: str) -> list[str]:
    other = next((sep for sep in ";\t," if sep != delimiter and len(header) == 1 and sep in header[0]), None)
    if other:
        raise BadData(
            f"{where}: found one column, {excerpt(header[0])}; columns with {delimiter!r} between them are legal in a "
            f"{'.tsv' if delimiter == TAB else '.csv'} file; save it with that in place of {other!r}"
        )
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice is not None:
        raise BadData(f"{where}: the column {excerpt(twice)} stands twice in the header; rename one")
    return header


def parquet(path: Path) -> Numbered:
    """Rows of a parquet file, from 0 on, read in batches. BadData for a file that is none, and for text that is not
    UTF-8.
    """
    import pyarrow as pa
    from pyarrow import parquet as pq

    number = 0
    with opened(path) as f:
        try:
            found = pq.ParquetFile(io.BytesIO(f.read()) if path.suffix == ".gz" else f)
            names = found.schema_arrow.names
            if len(names) != len(set(names)):
                raise BadData(f"{path}: a column stands twice in {', '.join(names)}; rename one")
            for batch in found.iter_batches(batch_size=1000):
                for row in batch.to_pylist():
                    yield f"{path} row {number}", row
                    number += 1
        except (pa.ArrowException, OSError) as e:
            raise BadData(
                f"{path}: not a parquet file ({type(e).__name__}: {str(e).partition(chr(10))[0]}); fix it or name "
                f"another"
            ) from None
        except UnicodeDecodeError:
            raise BadData(
                f"{path} row {number} or one of the 1,000 behind it: a text is not UTF-8; write the file anew from "
                f"UTF-8"
            ) from None
