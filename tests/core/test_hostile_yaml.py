"""YAML of an enemy, or of a slip: whatever is wrong with it is said with file and line, soon, and in little memory."""

import re
import time

import pytest

from tests.core.small_study import STUDY, read, refused
from tests.fuzz.held import shown
from winsweep.errors import BadStudy, WinsweepError
from winsweep.named_judge import judge_of
from winsweep.yaml_nodes import MOST_DEPTH, MOST_ENTRIES, parse, read_yaml

LAUGHS = "x0: &x0 [a,a,a,a,a,a,a,a,a]\n"
LAUGHS += "".join(f"x{i}: &x{i} [{','.join([f'*x{i - 1}'] * 9)}]\n" for i in range(1, 9))
CASES = {
    "!!int abc": r":2: b: found 'abc', which YAML takes for a whole number",
    "!!bool abc": r":2: b: found 'abc', which YAML takes for true or false",
    "!!timestamp abc": r":2: b: found 'abc', which YAML takes for a date; ",
    "2026-13-45": r":2: b: .* takes for a date \(month must be in 1\.\.12\)",
    "9" * 5000: r":2: b: found '9+…9+' \(5,000 letters\), which YAML takes for a whole number of 5,000 letters",
    "0x" + "f" * 5000: r":2: b: .* a whole number of 5,002 letters",
    "9" + ":59" * 3000: r":2: b: .* a whole number of 9,001 letters",
    "!!binary x": r":2: b: found the tag 'tag:yaml.org,2002:binary'; values without a tag",
    "!own x": r":2: b: found the tag '!own'",
    "!own [x]": r":2: b: found the tag '!own'",
    "!!map x": r":2: b: found the tag",
    "!!python/object/apply:os.system [id]": r":2: b: found the tag",
    "&a [*a]": r":2: an entry holds itself",
    "[" * 400 + "]" * 400: rf":2: found more than {MOST_DEPTH} lists",
    "[" * 50_000 + "]" * 50_000: r":2: (not YAML: exceeded maximum nesting|found more than)",
    '"\\U00110000"': r":2: found half a character, or an escape",
    "\x1b[2J": r":2: not YAML: found the character U\+001B",
    "[": r":3: not YAML: ",
    "*nothing": r":2: not YAML: found undefined alias 'nothing'",
    "{[x]: y}": r":2: b\.…: the key is a list; names are legal",
}


@pytest.mark.parametrize("value", CASES, ids=lambda value: value[:20])
def test_what_is_wrong_is_said_with_its_line(value):
    begun = time.process_time()
    with pytest.raises(BadStudy) as caught:
        parse(f"a: 1\nb: {value}\n", "s.yaml")
    said = str(caught.value)
    assert re.match(rf"s\.yaml{CASES[value]}", said), said
    assert "legal" in said and len(said) < 1000 and time.process_time() - begun < 5
    shown(said)


@pytest.mark.parametrize("text", [LAUGHS, f"{LAUGHS}? *x8\n: 1\n", f"seeds: [{'1,' * (MOST_ENTRIES + 1)}]"])
def test_a_small_file_that_stands_for_more_than_memory_holds_is_counted_first(text):
    with pytest.raises(BadStudy, match=r"s\.yaml: found [\d,]+ (entries|lines and commas).* 500,000 are legal"):
        parse(text, "s.yaml")


def test_bytes_that_are_no_text_are_said_with_their_line(tmp_path):
    (tmp_path / "s.yaml").write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(BadStudy, match=r"s\.yaml:2: found the byte 0xff, which is not UTF-8; .*; save it as UTF-8"):
        read_yaml(tmp_path / "s.yaml")


@pytest.mark.parametrize("words", ["!!int abc", "{a: ", LAUGHS, "\udcff", "[[A"])
def test_a_judge_that_is_typed_is_read_the_same_way(tmp_path, words):
    with pytest.raises(BadStudy) as caught:
        judge_of(words, tmp_path)
    assert str(caught.value).startswith("--judge:")
    shown(str(caught.value))


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("judge: reference_overlap", f"judge: {'k' * 5000}", r"study\.yaml:14: compare\.judge: no file k+…k+\.py"),
        ("from: toy}\n  sum", f"from: {'k' * 5000}}}\n  sum", r"study\.yaml:8: tasks\.ins\.from: no file k+…k+\.py"),
        ("judge: reference_overlap", 'judge: "a\\e[31m\\u202Eb"', r"no file a<U\+001B>\[31m<U\+202E>b\.py"),
        ("name: small", 'extends: "a\\0b"\nname: small', r"study\.yaml:1: extends: found .*U\+0000"),
        ("name: small", "extends: loop\nname: small", r"loop: cannot be read: "),
        ("{pretrain: {seed: 0}}", "{path: study.yaml}", r"models\.a\.path: found a file, .*; the directory of a model"),
        ("{pretrain: {seed: 0}}", '{path: ""}', r"models\.a\.path: found an empty path"),
        ("instructions: {from: toy}", "instructions: {path: /proc/self/mem}", r"instructions\.path: .* cannot be read"),
        (
            "instructions: {from: toy}",
            "instructions: {path: /dev/zero}",
            r"instructions\.path: found a pipe or a device",
        ),
        ("seeds: [1, 2]", "seeds: [1]\ngrid: {lr: true}", r"grid\.lr: found true; a list is legal here"),
        ("seeds: [1, 2]", "seeds: [1]\ngrid: {lr: {a: 1}}", r"grid\.lr: found a mapping; a list is legal here"),
    ],
)
def test_values_that_were_tracebacks_or_endless(tmp_path, old, new, match):
    (tmp_path / "loop").symlink_to("loop")
    refused(tmp_path, old, new, match)


def test_many_unknown_keys_are_counted_and_not_each_compared(tmp_path):
    with pytest.raises(BadStudy, match=r"study\.yaml:1: the file: 29,960 more unknown keys; legal: name, ") as caught:
        read(tmp_path, STUDY + "".join(f"k{i}: 1\n" for i in range(30_000)))
    assert len(str(caught.value)) < 20_000


def test_a_cell_has_a_name_that_files_can_have(tmp_path):
    long = STUDY.replace("ins: {from", f"{'t' * 100}: {{from").replace("task: ins", f"task: {'t' * 100}")
    assert read(tmp_path, long)
    with pytest.raises(BadStudy, match=r"found a cell whose name has 20\d letters, .*; 200 at most are legal"):
        read(tmp_path, long.replace("  a: {", f"  {'a' * 100}: {{"))


def test_files_that_extend_each_other_without_end_are_few(tmp_path):
    for i in range(30):
        (tmp_path / f"s{i}.yaml").write_text(f"extends: s{i + 1}.yaml\n")
    with pytest.raises(BadStudy, match=r"s20\.yaml:1: extends: found 21 files that extend each other; 20 are legal"):
        read(tmp_path, "extends: s1.yaml\n")


def kinds(of: type[WinsweepError]) -> list[type[WinsweepError]]:
    return [of, *(kind for below in of.__subclasses__() for kind in kinds(below))]


def test_no_error_of_any_kind_carries_what_it_quotes_to_a_terminal():
    from tests.fuzz.hostile import STRINGS

    for kind in kinds(WinsweepError):
        for value in STRINGS:
            args = (value, 0.0) if kind.__name__ == "Waiting" else (value,)
            error = kind(*args)
            shown(str(error))
            assert all(part in str(error) for part in getattr(error, "each", ()))
