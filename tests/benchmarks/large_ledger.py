"""A ledger of very many judgements, and a look into it: python tests/benchmarks/large_ledger.py ledger FOLDER NUM"""

import sys
import time
from pathlib import Path


def _judgement(n: int):
    from winsweep.judge.questions import Judgement, Question

    said = {
        "choices": [{"text": f"verdict {n}", "logprobs": {"m": -0.1 - n % 7, "M": -2.5 - n % 5}}],
        "model": "judge-1",
    }
    return Question(f"instruction {n}", "one", "other"), Judgement(
        1 + n % 11 / 10, said, "judge-1-2026", "2026-11-01T00:00:00Z", (900 + n % 100, 1)
    )


def _ledger(at: str):
    from winsweep.judge.ledger import Ledger, place

    return Ledger(*place(Path(at), "large", 1, {"model": "judge-1"}))


def write_ledger(at: Path, num: int, files: int = 50) -> None:
    """Judgements as so many writers leave them."""
    from winsweep.judge.ledger import _line

    ledger = _ledger(str(at))
    ledger.make_folder()
    for part in range(files):
        with open(ledger.folder / f"host-{part}-0.jsonl", "wb") as f:
            for n in range(part, num, files):
                question, judgement = _judgement(n)
                f.write(_line(question.key(ledger.judge), judgement, judgement.tokens) + b"\n")


def ledger(at: str, num: str) -> None:
    """Find 805 judgements of a ledger, look for news, and add one."""
    begun, step = time.perf_counter(), int(num) // 805
    opened = _ledger(at)
    found = opened.find([_judgement(n * step)[0] for n in range(805)])
    finding = time.perf_counter()
    opened.news()
    looked = time.perf_counter()
    question, judgement = _judgement(-1)
    opened.add(question, judgement)
    added = time.perf_counter()
    opened.close()
    opened._own and (opened.folder / opened._own).unlink()
    times = f"{finding - begun:.2f}, {looked - finding:.4f}, {added - looked:.4f}"
    print(f"{len(found)} found; s to find, for news, to add: {times}; {sum(opened.tokens):,} tokens")


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
