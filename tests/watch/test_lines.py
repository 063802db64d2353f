"""What a look says to scripts: all of it once, then what changed."""

import json
from dataclasses import replace

from tests.watch.made import seen
from winsweep.watch.seen import plain


def test_a_line_after_the_first_has_what_changed_and_every_count():
    before = seen(num_arms=50, seeds=2)
    whole = plain(before)
    assert whole["whole"] and len(whole["results"]) == 401 and len(whole["cells"]) == 100
    [one, *others] = before.cells
    now = replace(
        seen(num_arms=50, seeds=2, states={f"judge/{one.label}": "done"}), cells=(replace(one, state="done"), *others)
    )
    told = plain(now, before)
    assert not told["whole"] and [r["key"] for r in told["results"]] == [f"judge/{one.label}"]
    assert [c["label"] for c in told["cells"]] == [one.label]
    assert told["num_done"] == 1 and told["num_left"] == 399 and told["states"] == {"done": 1, "waiting": 99}
    assert len(json.dumps(told)) < len(json.dumps(whole)) / 50


def test_lines_put_one_on_the_other_are_the_last_look():
    before = seen(3, 2)
    now = seen(3, 2, {"finetune/llama.arm1.s1": "failed", "judge/llama.arm0.s2": "running"})
    known = {r["key"]: r for line in (plain(before), plain(now, before)) for r in line["results"]}
    assert list(known.values()) == list(plain(now)["results"])
