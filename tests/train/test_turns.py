"""Rows of several responses: each is learned, and what stands beside a row in a pack changes nothing."""

from tests.train.test_packed import CPU, alone, gradient, tiny
from tests.train.world import make_examples
from winsweep.text.encode import MASKED, Example
from winsweep.train import varlen
from winsweep.train.loss import pack, packed_loss


def test_conversations_of_several_turns_pack_as_one_by_one() -> None:
    """Only responses are learned, of which a row has several."""
    cut = [(4, 7), (13, 20), (3, 5), (9, 10), (12, 16)]
    rows = [
        Example(e.ids, [i if any(a <= n < b for a, b in cut) else MASKED for n, i in enumerate(e.ids)])
        for e in make_examples(6, seed=8)
    ]
    one, packed = tiny("llama"), tiny("llama")
    for row in rows:
        alone(one, row).backward()
    assert varlen.prepare(packed, packed, CPU) == ""
    packed_loss(packed, pack(rows)).backward()
    assert (gradient(packed) - gradient(one)).norm() <= 1e-12 * gradient(one).norm()
