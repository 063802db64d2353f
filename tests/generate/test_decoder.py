"""Slots: a row's tokens are those that it has alone, whatever the slots, the order, its company, the memory, and who
was killed.
"""

import os
import signal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig

from tests.generate import tiny
from winsweep.errors import Stopped
from winsweep.generate import step as steps
from winsweep.generate.adapter import Rules
from winsweep.generate.decoder import READ_TOKENS, Decoder
from winsweep.generate.row_log import RowLog
from winsweep.generate.rule_tokens import resolve
from winsweep.generate.step import Step, padded
from winsweep.study.frame import Frame
from winsweep.study.rules import Adapter
from winsweep.text.ends import Ends
from winsweep.train.tokenizer import learn


@pytest.fixture(scope="module")
def net():
    return tiny.model()


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_tokens_depend_on_neither_slots_nor_order_nor_company(net, data):
    rows = data.draw(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 30)), min_size=1, max_size=24))
    asked = tiny.prompts(*zip(*rows), seed=data.draw(st.integers(0, 9)))
    company = data.draw(st.permutations(asked))[: data.draw(st.integers(1, len(asked)))]
    found = tiny.in_slots(net, company, data.draw(st.integers(1, 40)))
    net.set_attn_implementation("sdpa")
    assert found == {p.row: tiny.alone(net, p) for p in company}


def test_some_of_these_end_by_themselves(net):
    asked = tiny.prompts([4] * 60, [30] * 60)
    found = tiny.in_slots(net, asked, 16)
    ended = [new[-1] == tiny.EOS for new in found.values()]
    assert 5 < sum(ended) < 55 and len({len(new) for new in found.values()}) > 5


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_answers_of_many_kinds_of_models(kind):
    net = tiny.model(tiny.KINDS[kind])
    asked = tiny.prompts([3, 17, 5, 30, 2, 9], [12] * 6)
    want = {p.row: tiny.alone(net, p) for p in asked}
    assert tiny.in_slots(net, asked, 3) == want


def test_rows_that_outgrow_memory_wait_and_come_out_the_same(net):
    """Room for two slots of a page, or for one of two pages: of rows that grow past a page all but one have to go back
    into the queue.
    """
    asked = tiny.prompts([250, 10, 252, 300, 4], [20] * 5)
    one_page = 256 * 2 * 2 * 32 * 4  # positions, keys and values, layers, size, bytes
    step, held, alive = Step(net), [], []
    decoder = Decoder(step, 4, Ends((-1,)), None, max_bytes=2.5 * one_page)
    step.cache.fit(1, 1)
    step.read([[7]], 0)  # as `fitting` does: from now on the size of a place is known
    found = {}
    for row, new in decoder.answer(asked, lambda: alive.append(len(decoder.rows))):
        found[row] = new
        held.append(step.cache.shape[0] * step.cache.shape[1])
    assert max(held) <= 512 and max(alive) == 2
    assert found == dict(Decoder(Step(net), 4, Ends((-1,)), None).answer(asked, lambda: None))


def test_prompts_are_read_in_passes_of_bounded_size(net):
    asked, sizes = tiny.prompts([500] * 20, [2] * 20), []
    step = Step(net)
    step.read = lambda ids, slot, read=step.read: sizes.append(sum(map(len, ids))) or read(ids, slot)
    found = dict(Decoder(step, 20, Ends((tiny.EOS,)), None).answer(asked, lambda: None))
    assert len(found) == 20 and sizes == [16 * 500, 4 * 500] and max(sizes) <= READ_TOKENS


def test_the_rules_are_those_of_a_row_alone():
    torch.manual_seed(2)
    tokenizer, frame = learn(["<|user|>\nWe should say what!\n<|assistant|>\n"] * 3, 300), Frame()
    net = tiny.model(LlamaConfig(**{**tiny.SIZES, "vocab_size": 300}))
    adapter = Adapter(rules=("eos", "uniform", "diversity"), eos_window=10, uniform=(("!", 1.0), ("a", -2.0)))
    asked = [tiny.Prompt(i, tokenizer(frame.prompt("say " * (i % 4) + "what"))["input_ids"], 25) for i in range(9)]
    eos, found = tokenizer.eos_token_id, {}
    for num_slots in (1, 4):
        decoder = Decoder(Step(net), num_slots, Ends((eos,)), resolve(adapter, tokenizer, 300, frame))
        found[num_slots] = dict(decoder.answer(asked, lambda: None))
    net.set_attn_implementation("sdpa")
    for p in asked:
        rules, new = Rules(adapter, tokenizer, 300, frame), []
        while len(new) < 25 and new[-1:] != [eos]:
            ids = torch.tensor([p.ids + new])
            new.append(int(rules(ids, net(ids).logits[:, -1].detach()).argmax()))
        assert found[1][p.row] == found[4][p.row] == new


def test_a_stop_is_heard_within_a_step(net):
    polls = []
    with pytest.raises(Stopped):
        list(
            Decoder(Step(net), 2, Ends((-1,)), None).answer(
                tiny.prompts([5, 5], [100, 100]), lambda: polls.append(0) or ("asked" if len(polls) == 7 else None)
            )
        )
    assert len(polls) == 7


def test_what_a_killed_process_has_finished_is_there(net, tmp_path):
    """SIGKILL in the middle of a step, several times: the lines that are left are whole, and with the rest they are
    those of one go.
    """
    asked, kills = tiny.prompts([5, 9, 3, 12, 7, 6, 30, 2] * 3, [3, 25, 9, 14, 6, 30, 2, 18] * 3), 0
    while (done := RowLog(tmp_path).read().keys()) < {p.row for p in asked}:
        pid = os.fork()
        if not pid:
            try:
                _finish([p for p in asked if p.row not in done], net, tmp_path)
            finally:
                os._exit(0)
        kills += os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert kills == 3 and RowLog(tmp_path).read() == tiny.in_slots(net, asked, 4)


def _finish(asked, net, folder) -> None:
    with RowLog(folder) as finished:
        for n, (row, new) in enumerate(Decoder(Step(net), 4, Ends((tiny.EOS,)), None).answer(asked, lambda: None)):
            finished.add(row, new)
            if n == 6:
                os.kill(os.getpid(), signal.SIGKILL)


def test_widths_of_graphs_are_few():
    assert [padded(n, 48) for n in (48, 25, 24, 13, 12, 3, 1)] == [48, 48, 24, 24, 12, 3, 1]
    assert len({padded(n, 256) for n in range(1, 257)}) == 9


class Replayed:
    """Stands in for a graph where there is no GPU: replayed, it does again what was recorded."""

    def __init__(self, do):
        self.do = do
        do()
        do()
        self.result = do().clone()

    def replay(self):
        self.result.copy_(self.do())


def test_what_is_run_to_record_a_graph_changes_nothing(net, monkeypatch):
    """A graph for each of several widths, recorded while other rows are half written."""
    monkeypatch.setattr(steps, "record", lambda do: ((graph := Replayed(do)), graph.result))
    asked = tiny.prompts([9, 3, 17, 5, 30, 2, 9, 12], [30, 4, 9, 25, 3, 40, 12, 7])
    step = Step(net, graphs=True)
    found = dict(Decoder(step, 5, Ends((tiny.EOS,)), None).answer(asked, lambda: None))
    assert len(step.recorded) > 2
    net.set_attn_implementation("sdpa")
    assert found == {p.row: tiny.alone(net, p) for p in asked}
