"""The containment of a study: what it is made from, and what is refused of it."""

import pytest

from tests.core.small_study import STUDY, artifacts, keys, read
from winsweep.artifact import closure
from winsweep.errors import BadStudy
from winsweep.study.analyses import STYLED
from winsweep.study.cell import CharNgrams

CONTAINED = """\
analyses:
  containment: {arms: [sum, res], models: [a], seed: 2, templates: {sum: '.*\\d+\\.'}, quantile: 0.1, embedder: ngrams}
"""
WITH_RES = STUDY.replace("  sum: {", "  res: {from: toy, empty_instructions: true}\n  sum: {")


def test_containment_is_made_from_judged_outputs_and_training_rows(tmp_path):
    study = read(tmp_path, WITH_RES + CONTAINED)
    asked, own = study.analyses["containment.a.sum.s2"].ask, artifacts(study)
    assert asked.comparison == study.analyses["containment.a.sum.s2"].cell.comparison and (
        asked.template,
        asked.quantile,
    ) == (r".*\d+\.", 0.1)
    # its instructions are all empty
    assert asked.embedder == CharNgrams() and study.analyses["containment.a.res.s2"].ask.embedder is None
    assert {n: a.stage for n, a in own["containment.a.sum.s2"].inputs.items()} == {"judged": "judge", "task": "prepare"}
    table = set().union(*keys(study).values())
    assert {a.stage for a in closure(own.values()) if a.key not in table} == {"containment"}
    paid = read(
        tmp_path,
        WITH_RES.replace("sum: {from: toy, kinds: [sum]", "sum: {from: gsm, leave_out: [sum]")
        + CONTAINED.replace("templates: {sum: '.*\\d+\\.'}, ", ""),
    )
    asked = paid.analyses["containment.a.sum.s2"].ask
    assert (asked.style, asked.template, asked.in_domain) == ("gsm", None, ("sum",)) and STYLED[0] == "gsm"


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        (
            "sum, res",
            "sum, ins",
            r"analyses\.containment\.arms: ins is compared with itself; .*instruction-tuned sibling",
        ),
        ("sum, res", "summ", r"no task or adapter 'summ' in this study; legal: base, ins, res, sum"),
        (
            "{sum: ",
            "{summ: ",
            r"containment\.templates\.summ: no arm 'summ' in this study; legal: res, sum; did you mean sum\?",
        ),
        (
            r"'.*\d+\.'",
            r"'(\d+'",
            r"containment\.templates\.sum: found '\(\\\\d\+', missing \), .*; a regular expression of Python is legal",
        ),
        ("quantile: 0.1", "quantile: 1.5", r"containment\.quantile: found 1\.5; 0 to less than 1 is legal"),
        ("quantile: 0.1", "threshold: 0.1", r"unknown key 'threshold'; legal: templates, quantile"),
        ("ngrams", "ngram", r"containment\.embedder: found the text 'ngram'"),
    ],
)
def test_what_is_refused_of_a_containment(tmp_path, old, new, match):
    assert old in CONTAINED
    with pytest.raises(BadStudy, match=match):
        read(tmp_path, WITH_RES + CONTAINED.replace(old, new, 1))


def test_a_containment_wants_a_sibling(tmp_path):
    (tmp_path / "others.json").write_text("[]")
    with pytest.raises(
        BadStudy,
        match=r"res is compared with a file; an arm that is compared with its instruction-tuned sibling is legal",
    ):
        read(tmp_path, WITH_RES.replace("{task: ins}", "{outputs: others.json}") + CONTAINED)
