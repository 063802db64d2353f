"""Several ranks share the rows of a generation, and the longest answers of results like it begin first; neither changes
an answer.
"""

import json
import time

import pytest

from tests.generate import tiny
from tests.train.world import start_ranks, wait_ranks
from winsweep.errors import Stopped
from winsweep.generate.greedy import answer_all
from winsweep.generate.length_prior import prior_lengths
from winsweep.generate.row_log import RowLog
from winsweep.generate.sharding import Sharding
from winsweep.store.store import RECORD
from winsweep.study.cell import Decoding
from winsweep.study.frame import Frame
from winsweep.train.rank_group import Absent
from winsweep.train.tokenizer import learn

ASKED = [f"Say {'the word ' * (i % 5)}number {i}." for i in range(13)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    tokenizer = learn(ASKED, 280)
    tiny.model(tiny.LlamaConfig(**{**tiny.SIZES, "vocab_size": 280})).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def answers(model, work, sharding=Sharding(), expected=None, stopping=lambda: None):
    work.mkdir(exist_ok=True)
    return answer_all(
        ASKED,
        model,
        None,
        Decoding(max_new_tokens=16, batch=3),
        Frame(),
        None,
        work,
        lambda a, b: None,
        stopping,
        expected=expected,
        sharding=sharding,
    )


def test_three_ranks_give_the_answers_of_one_and_make_each_row_once(model, tmp_path):
    def main(rank: int) -> None:
        found = answers(model, tmp_path, Sharding(rank, 3, 60.0))
        assert not found if rank else found == answers(model, tmp_path / "alone"), rank

    assert wait_ranks(start_ranks(3, main, tmp_path / "logs")) == [0, 0, 0]
    made = [len(p.read_bytes().splitlines()) for p in tmp_path.glob("rows-*")]
    assert sorted(made) == [4, 4, 5]


def test_more_or_fewer_ranks_go_on_with_what_others_left(model, tmp_path):
    seen = []
    with pytest.raises(Stopped):
        answers(
            model, tmp_path, Sharding(1, 2), stopping=lambda: seen.append(0) or ("asked" if len(seen) > 20 else None)
        )
    left = RowLog(tmp_path).read()
    assert left and answers(model, tmp_path) == answers(model, tmp_path / "whole")
    assert sum(len(p.read_bytes().splitlines()) for p in tmp_path.glob("rows-*")) == len(ASKED)


def test_a_rank_that_says_nothing_is_missed_and_a_stop_is_heard_while_waiting(model, tmp_path):
    begun = time.monotonic()
    with pytest.raises(Absent, match=r"found 7 of 13 rows and none more in 0 s; the logs of the other ranks"):
        answers(model, tmp_path, Sharding(0, 2, 0.3))
    assert time.monotonic() - begun < 30
    with pytest.raises(Stopped):
        Sharding(0, 2, 60.0).gather(RowLog(tmp_path), 13, lambda a, b: None, lambda: "preempted")


def test_expected_lengths_move_the_order_alone(model, tmp_path):
    lengths = [float(i) for i in range(len(ASKED))]
    assert answers(model, tmp_path / "a", expected=lengths) == answers(model, tmp_path / "b")
    first = [
        json.loads(line.partition(b" ")[2])[0]
        for p in (tmp_path / "a").glob("rows-*")
        for line in p.read_bytes().splitlines()
    ]
    assert set(first[:2]) <= {12, 11, 10, 9, 8}


def test_lengths_come_from_the_results_with_the_likest_names_that_answer_the_same_instructions(tmp_path):
    instructions = tmp_path / "prepare/alpaca-aa"
    for _n, (name, key, tokens) in enumerate(
        [
            ("m.gsm.s1-01", "prepare/aa", [9, 9]),
            ("m.gsm.s2-02", "prepare/aa", [1, 2]),
            ("m.gsm.s3-03", "prepare/bb", [50, 50]),
            ("m.gsm.s4-04", "prepare/aa", [3, 6]),
            ("z.ins.s1-05", "prepare/aa", [90, 90]),
            ("m.gsm.s5-06", "prepare/aa", [1]),
        ]
    ):
        folder = tmp_path / "generate" / name
        folder.mkdir(parents=True)
        (folder / RECORD).write_text(json.dumps({"inputs": {"instructions": key}}))
        (folder / "outputs.json").write_text(json.dumps([{"num_tokens": t} for t in tokens]))
    (tmp_path / "generate/m.gsm.s1-01/outputs.json").write_text("[{")  # what is broken is no hint
    assert prior_lengths("m.gsm.s9-99", instructions, 2) == [(1 + 3 + 90) / 3, (2 + 6 + 90) / 3]
    assert (
        prior_lengths("m.gsm.s9-99", instructions, 3) is None
        and prior_lengths("m-1", tmp_path / "none/x/y-aa", 2) is None
    )
