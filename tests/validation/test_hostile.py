"""What a judge of a person's own, another user of the store, or a name may do to a validation."""

import json
from dataclasses import dataclass
from types import ModuleType

import pytest

from tests.validation.test_shown import again, made_card, study  # noqa: F401 - a fixture
from tests.validation.voted import validate, write
from winsweep import judge_card, plugins
from winsweep.errors import BadData
from winsweep.judge import client
from winsweep.judge.judging import Unanswered
from winsweep.judge.ledger import Ledger, place
from winsweep.judge.questions import Judgement
from winsweep.named_judge import judge_of
from winsweep.validation import asking, card, making, votes
from winsweep.validation.asking import Views
from winsweep.validation.leanings import leanings
from winsweep.validation.pair import Pair

PAIRS = [Pair(f"q{i}", "a" * (i + 1), "b" * (i + 2), (1.0,) if i % 2 else (2.0,)) for i in range(12)]
ALPACA = "{{from: alpaca, model: {}, both_orders: {}}}"


def own(preference: object, **more: object) -> ModuleType:
    module = ModuleType("own")
    module.annotate = lambda pairs, options, keep, ledger: keep([p | {"preference": preference} | more for p in pairs])
    return module


def test_a_judge_that_keeps_no_reply_is_asked_in_both_orders(tmp_path):
    views, _ = asking.ask(PAIRS, own(1.0, raw_completion=None), SimpleOptions(), Ledger(tmp_path, {}))
    found = making.of_votes(views, asking.Took(1, 1, None, None, None), [])
    assert found["position"]["consistency"]["share"] == 0 and found["position"]["first"]["share"] == 1


@pytest.mark.parametrize("orders", [("false", "false"), ("true", "false"), ("true", "true")])
def test_a_jury_that_goes_by_the_first_place_is_seen(tmp_path, monkeypatch, orders):
    def asker(judge, limits, ledger):
        def ask(questions, answered, idle):
            for q in questions:
                answered(q, Judgement(1.0, {"text": "m"}, "m", "2026", (5, 1)))
            return Unanswered({}, False)

        return ask

    monkeypatch.setattr(client, "asker", asker)
    members = ", ".join(ALPACA.format(m, o) for m, o in zip(("gpt-4.1", "gpt-4o"), orders, strict=True))
    judge = judge_of(f"{{from: jury, judges: [{members}]}}", tmp_path)
    module = plugins.known(plugins.JUDGES, judge.name, judge.code)
    ledger = Ledger(*place(tmp_path, judge.name, judge.version, module.identity(judge.options)))
    views, _ = asking.ask(PAIRS, module, judge.options, ledger)
    found = making.of_votes(views, asking.Took(1, 1, None, None, None), [])
    assert found["same"].startswith("the answer shown first") and found["position"]["consistency"]["share"] == 0


@dataclass(frozen=True)
class SimpleOptions:
    margin: float = 0.0


@pytest.mark.parametrize("value", [float("nan"), None, "1", 3.0, True])
def test_a_preference_that_is_none_names_judge_and_row(tmp_path, value):
    with pytest.raises(BadData, match=r"judge own: found the preference .* of 'q0'; legal is a number from 1 to 2"):
        asking.ask(PAIRS, own(value), SimpleOptions(), Ledger(tmp_path, {}))


def test_rows_that_a_judge_leaves_out_are_named(tmp_path):
    module = own(1.0)
    module.annotate = lambda pairs, options, keep, ledger: keep([p | {"preference": 1.0} for p in pairs[1:]])
    with pytest.raises(BadData, match=r"judge own: no verdict on 1 of 12 pairs, such as 'q0'"):
        asking.ask(PAIRS, module, SimpleOptions(), Ledger(tmp_path, {}))


@pytest.mark.parametrize("row", [{"preference": 1.0}, {"instruction": "q0", "preference": 1.0}, {}])
def test_rows_without_their_pair_are_named(tmp_path, row):
    module = ModuleType("own")
    module.annotate = lambda pairs, options, keep, ledger: keep([row for _ in pairs])
    with pytest.raises(BadData, match=r"judge own: found a row without its pair, with "):
        asking.ask(PAIRS, module, SimpleOptions(), Ledger(tmp_path, {}))


def test_orders_that_are_no_preferences_are_refused(tmp_path):
    for orders in (5, [1.0], [1.0, float("nan")]):
        with pytest.raises(BadData, match=r"judge own: found the preference"):
            asking.ask(PAIRS, own(1.0, preferences_by_order=orders), SimpleOptions(), Ledger(tmp_path, {}))


def put(inside: dict, path: str, value: object) -> None:
    *parents, last = path.split(".")
    for name in parents:
        inside = inside[name]
    inside[last] = value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("votes.one_order.kappa", True),
        ("votes.one_order.agreement.share", 1e300),
        ("votes.one_order.agreement.low", -5),
        ("votes.one_order.calibration.q0", 0.1),  # q1 is another, and it is symmetric
        ("votes.one_order.calibration.q0", "0.9"),
        ("votes.one_order.gain.value", float("nan")),
        ("votes.pairs", -5),
        ("votes.pairs", 10**400),
        ("votes.took.tokens_per_1000", 1e300),
        ("votes.source", 5),
        ("votes.source", ["x"]),
        ("judge", "another"),
        ("identity", {"model": "another"}),
        ("check.deep", json.loads('{"a":' * 300 + "1" + "}" * 300)),
    ],
)
def test_a_card_that_is_not_this_judges_or_not_in_range_calibrates_nothing_and_it_is_said(study, path, value):  # noqa: F811
    made_card(study, right=0.8)
    (at,) = study.store.root.glob(".judged/*/card-*.json")
    found = json.loads(at.read_text())
    put(found, path, value)
    at.write_text(json.dumps(found))
    now = again(study)
    assert not now.study.table.calibration
    (line,) = judge_card.against(now)
    assert "has no card that can be used (" in line and line.isprintable()


def test_what_a_card_has_beside_its_parts_is_not_read(study):  # noqa: F811
    made_card(study, right=0.8)
    (at,) = study.store.root.glob(".judged/*/card-*.json")
    at.write_text(at.read_text()[:1] + '"x": ' + '{"a":' * 700 + "1" + "}" * 700 + "," + at.read_text()[1:])
    _, found, why = judge_card.of(again(study))
    assert not why and "x" not in found and card.digest(found)


def test_names_in_a_forged_card_do_not_steer_a_terminal(study):  # noqa: F811
    made_card(study, right=0.8)
    (at,) = study.store.root.glob(".judged/*/card-*.json")
    found = json.loads(at.read_text())
    share = {"share": 0.6, "low": 0.1, "high": 0.9, "num": 9}
    found["check"]["one_order"] = {"kinds": {"\x1b[2J\nFORGED": share}, "beaten": False}
    at.write_text(json.dumps(found))
    said = [*judge_card.against(again(study)), *judge_card.figures(again(study))]
    assert "FORGED" in "".join(said) and all(line.isprintable() for line in said)


def test_names_in_votes_and_models_do_not_steer_a_terminal(tmp_path, monkeypatch, capsys):
    rows = [
        {"instruction": f"q{i}", "output_1": "a", "output_2": "b", "votes": [1], "dataset": f"x\x1b[2J{i % 2}\nFORGED"}
        for i in range(12)
    ]
    file = write(tmp_path / "votes.json", rows)
    assert validate(monkeypatch, "reference_overlap", "--store", tmp_path / "s", "--votes", file) == 0
    said = capsys.readouterr().out
    assert "FORGED" in said and "\x1b" not in said and "\nFORGED" not in said
    judge = '{from: alpaca, model: "m\\e[2J\\nFORGED"}'
    assert validate(monkeypatch, judge, "--store", tmp_path / "s", "--dry-run") == 0
    said = capsys.readouterr().err
    assert "FORGED" in said and "\x1b" not in said and "\nFORGED" not in said


def test_one_instruction_alone_has_leanings():
    """The sandwich of one group is nothing, which rounding may make less."""
    pair = Pair("q", "- x\n", "**b**" * 3, (2.0,))
    assert all(0 <= x.low <= x.share <= x.high <= 1 for x in leanings(Views([pair], [(0.0, 1.0)], "hash")).values())


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"winner": "tiebreak: a"}, "winner is 'tiebreak: a'"),
        ({"votes": [1], "preference": 2}, r"found votes \[1\] and preference 2; legal is one of them"),
    ],
)
def test_what_is_no_vote_or_two_is_refused(more, told):
    with pytest.raises(BadData, match=told):
        votes.pairs([{"instruction": "q", "a": "x", "b": "y"} | more], "v")


def test_a_category_counts_pairs_with_a_majority():
    made = [Pair(f"q{i}", "x", "y", (1, 2) if i < 4 else (1,), "ab"[i % 2]) for i in range(24)]
    found = making.of_votes(Views(made, [(0, 0)] * 24, "hash"), asking.Took(1, 1, None, None, None), [])
    assert found["one_order"]["categories"]["a"]["num"] == 10


def test_a_jury_of_free_judges_is_free(tmp_path, monkeypatch, capsys):
    words = "{from: jury, judges: [reference_overlap, {from: reference_overlap, margin: 0.2}]}"
    assert validate(monkeypatch, words, "--store", tmp_path / "s") == 0
    said = capsys.readouterr().out
    assert "free" in said.split("1,000 judgements")[1].split("\n")[0] and "both_orders" not in said
