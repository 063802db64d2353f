"""Whether every answer of a real model is a text of its grammar, by another library: python
tests/benchmarks/show_grammar.py MODEL INSTRUCTIONS.jsonl WORK [KIND …]

Rows that WORK holds already are not made again.
"""

import json
import re
import sys
import time
from pathlib import Path

import jsonschema
from lark import Lark, LarkError

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from winsweep.generate.greedy import answer_all
from winsweep.study.cell import Decoding
from winsweep.study.frame import Frame
from winsweep.study.rules import Grammar

SCHEMA = {
    "type": "object",
    "properties": {
        "kind": {"enum": ["question", "request", "other"]},
        "answer": {"type": "string", "maxLength": 60},
        "sure": {"type": "boolean"},
    },
    "required": ["kind", "answer", "sure"],
    "additionalProperties": False,
}
MOVE = r"([KQRBN][a-h]?x?[a-h][1-8]|[a-h](x[a-h])?[1-8]|O-O(-O)?)[+#]?"
GRAMMARS = {
    "regex": Grammar("regex", r"(Yes|No|It depends), because( [A-Za-z',-]{1,14}){3,9}\."),
    "json_schema": Grammar("json_schema", json.dumps(SCHEMA)),
    "lark": Grammar(
        "lark", f'start: turn (" " turn)~0..2\nturn: NUMBER ". " MOVE " " MOVE\nNUMBER: /[1-9]/\nMOVE: /{MOVE}/\n'
    ),
}


def belongs(grammar: Grammar, text: str) -> bool:
    try:
        if grammar.kind == "json_schema":
            jsonschema.validate(json.loads(text), SCHEMA)
        elif grammar.kind == "lark":
            Lark(grammar.text).parse(text)
        else:
            return re.fullmatch(grammar.text, text) is not None
    except (ValueError, jsonschema.ValidationError, LarkError):
        return False
    return True


def main(model: str, instructions: str, work: str, *kinds: str) -> None:
    asked = [json.loads(line)["instruction"] for line in Path(instructions).read_text().splitlines()]
    for kind in kinds or GRAMMARS:
        folder, grammar, begun = Path(work) / kind, GRAMMARS[kind], time.perf_counter()
        folder.mkdir(parents=True, exist_ok=True)
        frame, decoding = Frame(template="chat"), Decoding(max_new_tokens=64, batch=32)
        none = lambda *_: None
        found = answer_all(asked, model, None, decoding, frame, None, folder, none, none, grammar=grammar)
        match = [belongs(grammar, a.text) for a in found]
        same = sum((a.grammar == "whole") == b for a, b in zip(found, match))
        print(
            f"{kind}: {sum(match)} of {len(found)} match, {same} told as the other library tells them, "
            f"{sum(a.truncated for a in found)} at the limit, {sum(a.num_tokens for a in found):,} tokens, "
            f"{time.perf_counter() - begun:.0f} s; such as {found[0].text!r}",
            flush=True,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
