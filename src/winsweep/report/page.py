"""The report as one HTML page that opens offline: data, styles and scripts in it, and nothing else may be loaded.

The scripts are plain files of report/web/, joined in one script element: their functions are known to each other. They
put text on the page as text alone, never as HTML. No script or style but these runs, as the page's own policy names
their digests.
"""

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

WEB = Path(__file__).with_name("web")
SCRIPTS = (  # in this order, main.js last
    "dom.js",
    "scale.js",
    "state.js",
    "forest.js",
    "table.js",
    "matrix.js",
    "ratio.js",
    "style.js",
    "groups.js",
    "answers.js",
    "curves.js",
    "analyses.js",
    "about.js",
    "judge.js",
    "reader_data.js",
    "reader_rows.js",
    "reader_diff.js",
    "reader_text.js",
    "reader_votes.js",
    "reader_view.js",
    "reader_list.js",
    "reader_bar.js",
    "reader.js",
    "main.js",
)
STYLES = ("page.css", "reader.css")
POLICY = (
    "default-src 'none'; script-src {scripts}; style-src {styles}; img-src data:; frame-src 'self' file:; "
    "base-uri 'none'; form-action 'none'"
)


def page(found: Mapping[str, Any], texts: Mapping[str, Any] | None = None, key: str = "") -> str:
    """The page of `contents`; `texts` is what the reader of answers needs, None for a page without texts.

    `key` names what it was made from, and stands in it as <meta name="winsweep-key">.
    """
    script, style = _joined(SCRIPTS), _joined(STYLES)
    policy = POLICY.format(scripts=_digest(script), styles=_digest(style))
    parts = {
        "policy": html.escape(policy),
        "key": html.escape(key),
        "title": html.escape(printable(f"{found['study']['name']}: {found['question']}")),
        "style": style,
        "question": _sentence(found["question"]),
        "answer": _sentence(found["answer"]),
        "contents": data(found),
        "texts": data(texts),
        "script": script,
    }
    left = (WEB / "page.html").read_text(encoding="utf-8")
    done = []
    while "{{" in left:  # what was put in is not looked at again
        before, _, left = left.partition("{{")
        name, _, left = left.partition("}}")
        done += [before, parts[name]]
    return "".join([*done, left])


def _sentence(text: str) -> str:
    """Text for a page, in which no number stands alone before its percent sign."""
    return html.escape(printable(text)).replace(" %", "&nbsp;%")


def data(value: object) -> str:
    """JSON for a script element of type application/json: nothing in it ends the element or begins a comment."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for c in "<>&\u2028\u2029":
        text = text.replace(c, f"\\u{ord(c):04x}")
    return text.encode("utf-8", "replace").decode()  # half a pair of surrogates is no text


def printable(text: str) -> str:
    """The same without characters that a page cannot hold or that turn the direction of what follows."""
    return "".join(c if c.isprintable() or c == "\u00a0" else "\ufffd" for c in text)


def _joined(names: Sequence[str]) -> str:
    return "\n".join((WEB / name).read_text(encoding="utf-8") for name in names)


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
