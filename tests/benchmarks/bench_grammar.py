"""What the mask of a grammar takes each step, by library: python tests/benchmarks/bench_grammar.py
[ROWS …] [-- TOKENIZER …]

llguidance, and beside it xgrammar and outlines-core where they are installed; toy tokenizer, and each TOKENIZER (a
folder, or a SentencePiece file). Rows write texts of the grammar, each begun at another place. Milliseconds on one
thread: a library's start on a grammar with the first mask, then medians and 99th percentiles of a step of all rows, its
tokens taken in. Coverage: whether texts with accents, emoji and white space can be written token by token, and which
special tokens would be legal in the middle of one.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from winsweep.text.model import load_tokenizer
from winsweep.train.tokenizer import load

ROOT = Path(__file__).resolve().parents[2]
STEPS = 200
PLAIN = "Sure. The naïve café has 12 £ – 🙂 終 in it.\n\t1. Yes"
SCHEMA = {
    "type": "object",
    "properties": {
        "answer": {"type": "string", "maxLength": 400},
        "steps": {"type": "array", "items": {"type": "string"}, "maxItems": 9},
        "confidence": {"type": "integer"},
    },
    "required": ["answer", "steps", "confidence"],
    "additionalProperties": False,
}
MOVE = r"([KQRBN]?[a-h]?[1-8]?x?[a-h][1-8](=[QRBN])?|O-O(-O)?)[+#]?"
GRAMMARS = {
    "chess game": ("regex", rf"(\d+\. {MOVE} {MOVE} )*\d+\. {MOVE}", "1. e4 e5 2. Nf3 Nc6 3. Bb5 a6 4. O-O Nf6 5. Qe2"),
    "any text": ("regex", r"(.|\n)*", f"{PLAIN} " * 6),
    "JSON": (
        "json_schema",
        json.dumps(SCHEMA),
        json.dumps({"answer": "two words " * 12, "steps": ["add", "take 3"] * 2, "confidence": 7}),
    ),
}
Row = tuple[Callable[[np.ndarray, int], None], Callable[[int], bool]]  # fills its line of a bit mask; takes a token in


def llguidance(tokenizer: PreTrainedTokenizerBase, kind: str, text: str, num: int) -> Iterator[list[Row]]:
    from llguidance import LLMatcher
    from llguidance.hf import from_tokenizer

    from winsweep.generate.grammar import _source
    from winsweep.study.rules import Grammar

    tokens = from_tokenizer(tokenizer, len(tokenizer))
    yield []
    begun = LLMatcher(tokens, _source(Grammar(kind, text)), log_level=0)  # type: ignore[arg-type]
    states = [begun.deep_copy() for _ in range(num)]
    yield [
        (lambda bits, i, m=m: m.unsafe_compute_mask_ptr(bits[i].ctypes.data, bits[i].nbytes), m.consume_token)
        for m in states
    ]


def xgrammar(tokenizer: PreTrainedTokenizerBase, kind: str, text: str, num: int) -> Iterator[list[Row]]:
    import xgrammar as x

    info = x.TokenizerInfo.from_huggingface(tokenizer, vocab_size=len(tokenizer))
    yield []
    compiler = x.GrammarCompiler(info, max_threads=1, cache_enabled=False)
    compiled = (
        compiler.compile_regex(text) if kind == "regex" else compiler.compile_json_schema(text, any_whitespace=False)
    )
    states = [x.GrammarMatcher(compiled) for _ in range(num)]
    yield [(lambda bits, i, m=m: m.fill_next_token_bitmask(torch.from_numpy(bits), i), m.accept_token) for m in states]


def outlines_core(tokenizer: PreTrainedTokenizerBase, kind: str, text: str, num: int) -> Iterator[list[Row]]:
    import outlines_core as o
    from outlines_core.json_schema import build_regex_from_schema

    from winsweep.generate.grammar import _vocabulary

    known = _vocabulary(tokenizer, len(tokenizer), [tokenizer.eos_token_id])  # it wants to be told what tokens write
    spelled: dict[bytes, list[int]] = {}
    for i in range(len(tokenizer)):
        if not known.is_special_token(i):
            spelled.setdefault(known.decode_bytes([i]), []).append(i)
    spelled.pop(b"", None)
    vocabulary = o.Vocabulary(tokenizer.eos_token_id, spelled)
    yield []
    index = o.Index(text if kind == "regex" else build_regex_from_schema(text), vocabulary)
    states = [o.Guide(index) for _ in range(num)]

    def take(m: Any) -> Callable[[int], bool]:
        def advance(token: int) -> bool:
            m.advance(token, False)
            return True

        return advance

    yield [(lambda bits, i, m=m: m.write_mask_into(bits[i].ctypes.data, bits[i].size, 4), take(m)) for m in states]


LIBRARIES = {"llguidance": llguidance, "xgrammar": xgrammar, "outlines-core": outlines_core}


def figures(name: str, tokenizer: PreTrainedTokenizerBase, what: str, num: int) -> dict[str, Any]:
    """Milliseconds of one library under one grammar; or what it says where it cannot."""
    kind, text, example = GRAMMARS[what]
    try:
        making = LIBRARIES[name](tokenizer, kind, text, num)
        next(making)
        begun = time.perf_counter()
        rows = next(making)
        bits = np.zeros((num, -(-len(tokenizer) // 32)), dtype=np.int32)
        rows[0][0](bits, 0)
        start_ms = (time.perf_counter() - begun) * 1e3
        return {"start": start_ms} | _steps(rows, bits, ids_of(example, tokenizer))
    except ModuleNotFoundError:
        return {}
    except Exception as e:  # of a library that is tried
        return {"fails": f"{type(e).__name__}: {e}"[:90]}


def _steps(rows: Sequence[Row], bits: np.ndarray, ids: Sequence[int]) -> dict[str, float]:
    """Rows write `ids`, row n being n tokens ahead; one that is through stays where it is."""
    for n, (fill, take) in enumerate(rows):
        for token in ids[: n % (len(ids) // 2)]:
            fill(bits, n)
            take(token)
    at, taken_ms, fits = [n % (len(ids) // 2) for n in range(len(rows))], [], True
    for _ in range(min(STEPS, len(ids) // 2)):
        begun = time.perf_counter()
        for n, (fill, _take) in enumerate(rows):
            fill(bits, n)
        wanted = [ids[i] for i in at]
        fits &= all(bits[n, token // 32] >> (token % 32) & 1 for n, token in enumerate(wanted))
        for (_fill, take), token in zip(rows, wanted):
            take(token)
        taken_ms.append((time.perf_counter() - begun) * 1e3)
        at = [i + 1 for i in at]
    return {"step": float(np.median(taken_ms)), "p99": float(np.percentile(taken_ms, 99)), "fits": float(fits)}


def ids_of(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """As an answer is written: behind a line of a prompt."""
    before, whole = (tokenizer("\n" + more, add_special_tokens=False)["input_ids"] for more in ("", text))
    return whole[len(before) :]


def coverage(name: str, tokenizer: PreTrainedTokenizerBase) -> str:
    """Of a text with accents, emoji and white space the share of tokens that are legal under any text, and the special
    tokens that are legal there.
    """
    ids = ids_of(PLAIN, tokenizer)
    try:
        making = LIBRARIES[name](tokenizer, "regex", r"(.|\n)*", 1)
        next(making)
        ((fill, take),) = next(making)
        bits, legal, special = np.zeros((1, -(-len(tokenizer) // 32)), dtype=np.int32), 0, set()
        for token in ids:
            fill(bits, 0)
            here = np.unpackbits(bits.view(np.uint8), bitorder="little")[: len(tokenizer)]
            legal += bool(here[token])
            special |= {i for i in tokenizer.all_special_ids if here[i]} - {tokenizer.eos_token_id}
            if not here[token] or not take(token):
                break
        return f"{legal} of {len(ids)} tokens, {len(special)} special tokens"
    except ModuleNotFoundError:
        return "not installed"
    except Exception as e:  # of a library that is tried
        return f"{type(e).__name__}: {e}"[:90]


def main(rows: Sequence[int], tokenizers: Sequence[str]) -> None:
    torch.set_num_threads(1)
    named = {"toy": load_tokenizer(str(ROOT / "src/winsweep/shipped/6028d298f1b6"), None)}
    named |= {Path(t).stem: load(Path(t)) if Path(t).is_file() else load_tokenizer(t, None) for t in tokenizers}
    for which, tokenizer in named.items():
        for name in LIBRARIES:
            print(f"| {which} ({len(tokenizer):,}) | {name} | coverage | {coverage(name, tokenizer)} |")
            for what in GRAMMARS:
                for num in rows:
                    said = figures(name, tokenizer, what, num)
                    told = " | ".join(f"{k} {v if isinstance(v, str) else f'{v:.3f}'}" for k, v in said.items())
                    print(f"| {which} ({len(tokenizer):,}) | {name} | {what} | {num} rows | {told} |", flush=True)


if __name__ == "__main__":
    at = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    main([int(n) for n in sys.argv[1:at]] or [16, 64], sys.argv[at + 1 :])
