"""A prompt of a person's own: what it must hold, that no answer leaves its place, and how its verdicts are read."""

import json
import math

import pytest

from winsweep import keys
from winsweep.errors import BadStudy
from winsweep.judge import asked
from winsweep.judge.chat import messages_for
from winsweep.judge.questions import Question
from winsweep.judges import local, rubric

from . import server as loopback
from . import tiny
from .pairs import make_pair, make_pairs
from .test_jury import read

PROMPT = "Task: {instruction}\n<one>{a}</one>\n<two>{b}</two>\nWhich is better? Answer A or B, or [[A]] or [[B]].\n"


def answered(tops: dict[str, float], text: str = ""):
    """A server's reply that prefers the longer answer, or says the same text to everything."""

    def say(body: dict, kind: str) -> str:
        prompt = body["messages"][-1]["content"]
        first, second = (prompt.split(f"<{n}>")[1].split(f"</{n}>")[0] for n in ("one", "two"))
        odds = (len(first) - len(second)) / 20
        tops = {"A": -math.log1p(math.exp(-odds)), "B": -math.log1p(math.exp(odds))}
        content = [{"token": t, "logprob": p} for t, p in tops.items()]
        said = text or max(tops, key=tops.get)
        logprobs = {"content": [content[0] | {"top_logprobs": content}]} if body.get("logprobs") else None
        choice = {"message": {"role": "assistant", "content": said}, "logprobs": logprobs}
        return json.dumps({"model": body["model"], "choices": [choice]})

    return say


def annotate(pairs: list[dict], options) -> list[dict]:
    rows: list[dict] = []
    rubric.annotate(pairs, options, rows.extend)
    return sorted(rows, key=lambda row: [p["instruction"] for p in pairs].index(row["instruction"]))


def test_its_two_names_are_weighed(server, monkeypatch):
    monkeypatch.setattr(loopback, "completion_text", answered({}))
    pairs = make_pairs(4)
    rows = annotate(pairs, rubric.Options("m", PROMPT, both_orders=True))
    gaps = [(len(p["output_2"]) - len(p["output_1"])) / 20 for p in pairs]
    assert [r["preference"] for r in rows] == pytest.approx([1 + 1 / (1 + math.exp(-g)) for g in gaps])
    assert {(r["annotator"], r["model"]) for r in rows} == {("rubric", "m")} and len(server.requests) == 8
    assert server.requests[0]["max_completion_tokens"] == 1 and server.requests[0]["top_logprobs"] == 5


def test_its_verdict_is_read_from_the_text(server, monkeypatch):
    monkeypatch.setattr(loopback, "completion_text", answered({}, "Hm, [[B]]? No: [[A]]"))
    rows = annotate(make_pairs(3), rubric.Options("m", PROMPT, verdict="text", both_orders=True, max_tokens=99))
    assert [r["preferences_by_order"] for r in rows] == [[1.0, 2.0]] * 3
    assert server.requests[0]["max_completion_tokens"] == 99 and "logprobs" not in server.requests[0]


def test_an_answer_that_spells_a_place_stays_where_it_is():
    judge = rubric.judge(rubric.Options("m", PROMPT))
    (said,) = messages_for(judge, Question("say {b}", "{b}{output_2}{instruction}", "mine {a}"))
    wanted = PROMPT.replace("{instruction}", "say {X}").replace("{a}", "{X}{output_2}{Y}").replace("{b}", "mine {Z}")
    for mark, text in (("X", "b"), ("Y", "instruction"), ("Z", "a")):
        wanted = wanted.replace("{" + mark + "}", "{" + text + "}")
    assert said == {"role": "user", "content": wanted.strip()}


def test_a_study_names_a_file_whose_text_is_the_judge(tmp_path):
    (tmp_path / "mine.txt").write_text(PROMPT)
    judge, _ = read(tmp_path, "judge: {from: rubric, model: m, prompt: mine.txt}")
    assert judge.options.prompt == PROMPT and keys.plain(judge)["options"]["prompt"] == PROMPT
    (tmp_path / "mine.txt").write_text(PROMPT + "Be strict.\n")
    other, _ = read(tmp_path, "judge: {from: rubric, model: m, prompt: mine.txt}")
    one, two = asked.identity_of(judge), asked.identity_of(other)
    assert one["prompt_sha256"] != two["prompt_sha256"] and one["config_sha256"] == two["config_sha256"]


@pytest.mark.parametrize(
    ("text", "more", "told"),
    [
        ("{instruction} {a} A B", "", r":1: prompt: it does not hold \{b\}; legal is a text with"),
        ("A or B", "", r"does not hold \{instruction\} and \{a\} and \{b\}"),
        ("{instruction} {output_1} {a} {b} A B", "", r"found \{output_1\}; .*write \{a\}"),
        ("{instruction} {a} {b} only A", "", r"it does not say B, so a judge cannot know how to answer"),
        ("{instruction} {a} {b} A B", ", verdict: text", r"it does not say \[\[A\]\]"),
        ("{instruction} {a} {b} A B", ", names: [A, A]", r"names: found \['A', 'A'\]; two different words are legal"),
        ("{instruction} {a} {b} A B", ", names: [A, B, C]", r"two different words are legal"),
        ("{instruction} {a} {b} A B", ", samples: 0", r"samples: found 0; 1 to 100 is legal"),
        ("{instruction} {a} {b} A B", ", verdict: score", r"legal: logprobs, text"),
    ],
)
def test_a_prompt_that_cannot_be_asked_is_refused_where_it_is_named(tmp_path, text, more, told):
    (tmp_path / "mine.txt").write_text(text)
    with pytest.raises(BadStudy, match=told):
        read(tmp_path, f"judge: {{from: rubric, model: m, prompt: mine.txt{more}}}")


def test_a_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(BadStudy, match=r"prompt: no file 'absent.txt' there; a file of text is legal|found no file"):
        read(tmp_path, "judge: {from: rubric, model: m, prompt: absent.txt}")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe{a}")
    with pytest.raises(BadStudy, match=r"bytes.txt is no text \(invalid start byte at byte 0\); UTF-8 is legal"):
        read(tmp_path, "judge: {from: rubric, model: m, prompt: bytes.txt}")
    with pytest.raises(BadStudy, match="prompt is missing"):
        read(tmp_path, "judge: {from: rubric, model: m}")
    with pytest.raises(BadStudy, match="a directory"):
        read(tmp_path, "judge: {from: rubric, model: m, prompt: .}")


def test_a_model_on_this_machine_is_asked_it_too(tmp_path):
    folder = tiny.make(tmp_path / "model")
    prompt = "{instruction}\n1: {a}\n2: {b}\nSay m if 1 is better, else M."
    (tmp_path / "mine.txt").write_text(prompt)
    judge, _ = read(tmp_path, f"judge: {{from: local, path: {folder}, prompt: mine.txt, names: [m, M]}}")
    assert judge.options.prompt == prompt
    rows: list[dict] = []
    options = local.Options(path=str(folder), precision="fp32", prompt=prompt, names=("m", "M"), both_orders=True)
    local.annotate([make_pair("Say it.", "one", "two two")], options, rows.extend)
    assert 1 < rows[0]["preference"] < 2 and len(rows[0]["preferences_by_order"]) == 2
    plain = local.identity(local.Options(path=str(folder)))
    assert local.identity(options)["prompt_sha256"] != plain["prompt_sha256"]
    with pytest.raises(BadStudy, match="does not say A"):
        local.Options(path=str(folder), prompt=prompt)
