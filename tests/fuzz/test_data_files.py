"""Rows to learn from and to ask, people's votes, and a judge's replies, from an enemy."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.held import folder, fuzz, held, shown  # noqa: F401 - a fixture
from tests.fuzz.mutation import broken, mutated
from winsweep.text.prepare import rows_of
from winsweep.text.source import file_rows
from winsweep.validation import votes

SAID = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes", "weight": 1}]
ROWS = [
    [{"instruction": "a", "input": "i", "output": "b"}, {"instruction": "c", "output": "d", "system": "s"}],
    [{"messages": SAID}, {"messages": SAID * 2, "id": 5}],
    [{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}], "source": "x"}],
    [{"prompt": "p", "completion": "c", "history": [["a", "b"]]}],
    [{"instruction": "a", "answer": "x", "dataset": "d"}, {"question": "q", "answer": "a"}],
]
VOTES = [
    [{"instruction": "q", "output_1": "a", "output_2": "b", "preference": 1.0, "annotator": "x"}] * 2,
    [{"prompt": "q", "answer_a": "a", "answer_b": "b", "winner": "tie", "category": "c"}],
    [{"question": "q", "a": "x", "b": "y", "votes": [1, 2, 1.5], "answer": "x"}],
]


def jsonl(rows: Any) -> bytes:
    return b"\n".join(json.dumps(row, skipkeys=True).encode() for row in rows)


def as_json(rows: Any) -> bytes:
    return json.dumps(rows, skipkeys=True, indent=1).encode()


def as_csv(rows: Any) -> bytes:
    text = io.StringIO()
    names = list(dict.fromkeys(str(name) for row in rows if isinstance(row, dict) for name in row))
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows([row.get(n) if isinstance(row, dict) else row for n in names] for row in rows)
    return text.getvalue().encode("utf-8", "surrogatepass")


def as_parquet(rows: Any) -> bytes:
    """A table where the rows can be one; otherwise lines, under a name that lies."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    sink = io.BytesIO()
    try:
        pq.write_table(pa.Table.from_pylist([r for r in rows if isinstance(r, dict)]), sink)
    except (pa.ArrowException, ValueError, TypeError, OverflowError, NotImplementedError):
        return jsonl(rows)
    return sink.getvalue()


FORMS: dict[str, Callable[[Any], bytes]] = {
    "rows.jsonl": jsonl,
    "rows.json": as_json,
    "rows.csv": as_csv,
    "rows.tsv": lambda rows: as_csv(rows).replace(b",", b"\t"),
    "rows.parquet": as_parquet,
    "rows.txt": jsonl,
    "rows.pgn": lambda rows: b'[WhiteElo "2000"]\n[BlackElo "1900"]\n1. e4 e5 *\n' + jsonl(rows),
    "rows.jsonl.gz": lambda rows: gzip.compress(jsonl(rows), 1, mtime=0),
    "rows.csv.gz": lambda rows: gzip.compress(as_csv(rows), 1, mtime=0),
}


@st.composite
def files(draw: st.DrawFn, documents: list) -> tuple[str, bytes]:
    """The name of a file and its bytes: mutated rows in one of the forms, or a valid file mutated as bytes."""
    name = draw(st.sampled_from(sorted(FORMS)))
    if draw(st.integers(0, 2)):
        rows = draw(mutated(documents))
        return name, FORMS[name](rows)
    content = FORMS[name](draw(st.sampled_from(documents)))
    content = gzip.decompress(content) if name.endswith(".gz") else content
    content = draw(broken(content))
    return name, gzip.compress(content, 1, mtime=0) if name.endswith(".gz") and draw(st.booleans()) else content


def readers() -> list[tuple[str, str, dict[str, Any]]]:
    """Purpose, reader and options of every way to read a file of one's own."""
    from winsweep import plugins

    found: list[tuple[str, str, dict[str, Any]]] = []
    for name in plugins.names(plugins.TASKS):
        module = plugins.ours(plugins.TASKS, name)
        ways: list[tuple[str, str, dict[str, Any]]] = [
            (p, name, {}) for p in ("examples", "instructions") if hasattr(module, p)
        ]
        found += (ways * 4 if name == "jsonl" else ways) if name != "toy" else []
    columns = {"columns": [["instruction", "question"], ["output", "answer"]], "ignore": ["id"]}
    return [*found, ("examples", "jsonl", columns), ("instructions", "jsonl", columns)]


def test_rows(folder):  # noqa: F811
    ways = readers()
    cases = st.tuples(files(ROWS), st.sampled_from(ways), st.sampled_from([{}, {"system": "s"}, {"first": 2}]))

    def check(case: tuple[tuple[str, bytes], tuple[str, str, dict], dict]) -> None:
        (name, content), (purpose, reader, options), more = case
        path = folder / name
        path.write_bytes(content)
        source = {"reader": reader, "options": options, "data": {"sha256": "x"}, **more}
        held(lambda: list(rows_of(purpose, source_of(source), lambda _: path)), name)
        path.unlink()

    fuzz("rows", cases, check, 400)


def source_of(told: dict[str, Any]) -> dict[str, Any]:
    """A source in plain types, as a spec has it."""
    from winsweep import plugins

    module = plugins.ours(plugins.TASKS, told["reader"])
    options = {name: field.default for name, field in module.Options.__dataclass_fields__.items() if field.init} | told[
        "options"
    ]
    return {"name": "x", "version": module.VERSION, "reading": 2, "code": None, **told, "options": options}


def test_votes(folder):  # noqa: F811
    def check(case: tuple[str, bytes]) -> None:
        name, content = case
        path = folder / name
        path.write_bytes(content)
        held(lambda: votes.read(path), name)

    fuzz("votes", files(VOTES), check, 300)


def test_lines_of_any_bytes(folder):  # noqa: F811
    cases = st.tuples(st.sampled_from(sorted(FORMS)), st.binary(max_size=300))

    def check(case: tuple[str, bytes]) -> None:
        path = folder / case[0]
        path.write_bytes(case[1])
        held(lambda: list(file_rows(Path(path))), case[0])

    fuzz("any bytes as rows", cases, check, 300)


TOPS = [{"token": "m", "logprob": -0.2, "bytes": [109]}, {"token": "M", "logprob": -1.7}]
REPLY = {
    "id": "x",
    "model": "served",
    "system_fingerprint": "fp",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "I think [[A]]", "tool_calls": None},
            "logprobs": {"content": [{"token": "m", "logprob": -0.2, "top_logprobs": TOPS}]},
        }
    ],
    "usage": {"prompt_tokens": 10, "completion_tokens": 1},
}
REFUSAL = {"error": {"message": "no", "type": "invalid", "param": "temperature", "code": 5}, "detail": [{"loc": ["a"]}]}
ENTRIES = [
    {
        "fn_completion_parser": "logprob_parser",
        "completion_parser_kwargs": {"numerator_token": "m", "denominator_tokens": ["m", "M"], "is_binarize": False},
    },
    {"fn_completion_parser": "ranking_parser", "completion_parser_kwargs": {}},
]


def test_replies_of_a_judge():
    from winsweep.judge import failure, replies, verdict

    read_as = [verdict.reader(entry) for entry in ENTRIES]
    bodies = mutated([REPLY]).map(lambda found: json.dumps(found, skipkeys=True).encode())
    cases = bodies | broken(json.dumps(REPLY).encode()) | mutated([REFUSAL]).map(lambda f: json.dumps(f).encode())

    def check(body: bytes) -> None:
        held(lambda: one(body))

    def one(body: bytes) -> None:
        shown(failure.of_status(400, body, {"Retry-After": "x"}, ["sk-secret"], "m").told)
        try:
            found = replies.reply(body)
        except Exception as error:
            shown(failure.of_body(error, body, ["sk-secret"], "m").told)
            return
        shown(found.served_model + found.fingerprint)
        assert found.tokens is None or all(0 <= n < 10**9 for n in found.tokens)
        for read in read_as:
            try:
                assert 1 <= read(found.choice) <= 2
            except verdict.Unreadable as error:
                shown(str(error))

    fuzz("replies", cases, check, 400)
