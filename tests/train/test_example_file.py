"""Examples in a file are those in memory: the same batches, the same digest, for every rank, from one that encodes."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.train.world import start_ranks, wait_ranks
from winsweep.errors import BadData, Damaged
from winsweep.study.frame import Frame
from winsweep.study.recipe import Recipe
from winsweep.text.encode import Encoding, encode_all
from winsweep.train import example_file
from winsweep.train.batch_schedule import BatchSchedule
from winsweep.train.example_file import ExampleFile, digest_of, lengths_of, share
from winsweep.train.rank_group import join
from winsweep.train.tokenizer import learn

RECIPE = Recipe(max_tokens=36, global_batch=4, epochs=2)
ROWS = [
    [{"role": "user", "content": f"Who{'?' * (n % 5)}"}, {"role": "assistant", "content": "Me. " * (n % 7 + 1)}]
    for n in range(21)
]


@pytest.fixture(scope="module")
def tokenizer():
    return learn([m["content"] for row in ROWS for m in row], 300)


def in_ranks(num: int, root: Path, tokenizer, recipe: Recipe, check) -> list[int]:
    """`check(rank, encoded, tops)` after the rows were shared by so many ranks; rank 0 alone has them."""

    def main(rank: int) -> None:
        group = join(rank=rank, num_ranks=num, meeting=root / "meeting", timeout_s=60.0)
        try:
            rows, encoding = (
                (iter(ROWS), Encoding(tokenizer, Frame(), recipe))
                if rank == 0
                else ((), Encoding(None, Frame(), recipe))
            )
            check(rank, *share(root / "encoded", {"rows": "some"}, rows, encoding, group))
        finally:
            group.leave()

    return wait_ranks(start_ranks(num, main, root / "logs"), 120.0)


@pytest.mark.parametrize("num", [1, 2])
def test_every_rank_reads_what_encoding_in_memory_gives(num, tmp_path, tokenizer, monkeypatch):
    monkeypatch.setattr(example_file, "PIECE_S", 0.0)  # a piece for each row
    right = encode_all(ROWS, tokenizer, Frame(), RECIPE)
    assert 0 < right.num_truncated < len(ROWS)

    def check(rank, found, tops):
        assert found.counts() == right.counts() and found.summary() == right.summary()
        assert isinstance(found.examples, ExampleFile) and list(found.examples) == right.examples
        assert found.examples[-1] == right.examples[-1] and found.examples[3:9:2] == right.examples[3:9:2]
        assert lengths_of(found.examples).tolist() == [len(e.ids) for e in right.examples]
        assert lengths_of(right.examples).tolist() == lengths_of(found.examples).tolist()
        assert tops.tolist() == [max(e.ids) for e in right.examples]
        assert digest_of(found.examples) == digest_of(right.examples)
        ours, theirs = (BatchSchedule(e, RECIPE, 3, num, True, 64) for e in (found.examples, right.examples))
        assert all(ours.step(at) == theirs.step(at) for at in range(ours.num_steps))

    assert in_ranks(num, tmp_path, tokenizer, RECIPE, check) == [0] * num, (tmp_path / "logs/rank-0.txt").read_text()


@pytest.mark.parametrize("changed", ["", "rows", "byte", "open to others"])
def test_a_later_attempt_takes_what_is_whole_and_made_of_the_same(tmp_path, tokenizer, changed):
    folder, taken = tmp_path / "encoded", []
    right = encode_all(ROWS, tokenizer, Frame(), RECIPE)

    def rows():
        taken.append(changed)
        yield from ROWS

    def main(rank: int) -> None:
        for nth in range(2):
            group = join(rank=rank, num_ranks=1, meeting=tmp_path / f"meeting-{nth}", timeout_s=60.0)
            made_of = {"rows": nth if changed == "rows" else 0, "frame": ("a", "tuple")}
            found, tops = share(folder, made_of, rows(), Encoding(tokenizer, Frame(), RECIPE), group)
            group.leave()
            assert list(found.examples) == right.examples and found.counts() == right.counts()
            assert found.summary() == right.summary() and digest_of(found.examples) == digest_of(right.examples)
            assert tops.tolist() == [max(e.ids) for e in right.examples]
            if changed == "byte":
                tokens = (folder / "tokens.i32").read_bytes()
                (folder / "tokens.i32").write_bytes(bytes([tokens[0] ^ 1]) + tokens[1:])
            folder.chmod(0o777 if changed == "open to others" else 0o700)
        assert len(taken) == (2 if changed else 1)

    assert wait_ranks(start_ranks(1, main, tmp_path / "logs"), 120.0) == [0], (tmp_path / "logs/rank-0.txt").read_text()


def test_the_digest_is_that_of_the_json_of_all_examples(tokenizer):
    examples = encode_all(ROWS, tokenizer, Frame(), RECIPE).examples
    assert digest_of(examples) == hashlib.sha256(json.dumps([list(e) for e in examples]).encode()).hexdigest()


def test_every_rank_raises_what_encoding_raises(tmp_path, tokenizer):
    recipe = Recipe(max_tokens=2)
    assert in_ranks(2, tmp_path, tokenizer, recipe, lambda *_: None) == [1, 1]
    assert all("none of the 21 examples" in (tmp_path / f"logs/rank-{n}.txt").read_text() for n in range(2))
    with pytest.raises(BadData, match="none of the 21 examples"):
        encode_all(ROWS, tokenizer, Frame(), recipe)


def test_a_file_that_was_cut_or_is_a_link_is_refused(tmp_path, tokenizer):
    def check(rank, found, tops):
        path, ends_N = found.examples.path, found.examples.ends_N
        path.with_name("link").symlink_to(path)
        with pytest.raises(OSError, match="symbolic links"):
            ExampleFile(path.with_name("link"), ends_N, "")
        with open(path, "r+b") as f:
            f.truncate(40)
        with pytest.raises(Damaged, match="run it again"):
            found.examples[-1]
        with pytest.raises(Damaged, match="found 40 bytes"):
            ExampleFile(path, ends_N, "")

    assert in_ranks(1, tmp_path, tokenizer, RECIPE, check) == [0], (tmp_path / "logs/rank-0.txt").read_text()
