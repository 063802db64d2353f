"""The judge client against alpaca_eval's own, on one loopback server of a fixed latency: python
tests/benchmarks/bench_judge.py [LATENCY_S]

Preferences are compared first. Ideal is calls × latency / calls at once; ours asks three questions alone before the
rest, and keeps a ledger.
"""

import multiprocessing
import os
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]
ROUNDS = 3


def serve(latency_s: float, port: object) -> None:
    from tests.judge.server import JudgeServer

    with JudgeServer(latency_s) as server:
        server.take = lambda body: "ok"  # nothing is kept: the server should cost little beside its clients
        port.value = server.port
        time.sleep(3600)


def ours(pairs: list[dict], num_at_once: int) -> list[float]:
    from winsweep.judge.ledger import Ledger, place
    from winsweep.judge.limits import Limits
    from winsweep.judges import alpaca

    asked, rows = alpaca.Options(model="m", limits=Limits(in_flight=num_at_once)), []
    with tempfile.TemporaryDirectory() as store:
        alpaca.annotate(pairs, asked, rows.extend, Ledger(*place(Path(store), "alpaca", 1, alpaca.identity(asked))))
    found = {row["instruction"]: row["preference"] for row in rows}
    return [found[p["instruction"]] for p in pairs]


def theirs(pairs: list[dict], num_at_once: int) -> list[float]:
    from alpaca_eval.annotators import PairwiseAnnotator

    stock = PairwiseAnnotator(
        annotators_config="weighted_alpaca_eval_gpt4_turbo", caching_path=None, is_avoid_reannotations=False
    )
    for single in stock.annotators.values():
        single.completions_kwargs |= {"model_name": "m", "num_procs": num_at_once}
    return [row["preference"] for row in stock(pairs)]


def measure(name: str, num: int, num_at_once: int, latency_s: float) -> tuple[float, float, float, list[float]]:
    """Seconds, share of the ideal, the client's CPU milliseconds a call, and the preferences; in a process of its own,
    warmed by a few calls.
    """
    from tests.judge.pairs import make_pairs

    warnings.simplefilter("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # alpaca_eval logs every call
    client = {"winsweep": ours, "alpaca_eval": theirs}[name]
    client(make_pairs(8), num_at_once)
    pairs, begun, cpu = make_pairs(num), time.perf_counter(), time.process_time()
    found = client(pairs, num_at_once)
    seconds = time.perf_counter() - begun
    return seconds, num * latency_s / num_at_once / seconds, (time.process_time() - cpu) / num * 1e3, found


def main() -> None:
    latency_s = float(sys.argv[1]) if len(sys.argv) > 1 else 0.3
    port = multiprocessing.Value("i", 0)
    server = multiprocessing.Process(target=serve, args=(latency_s, port), daemon=True)
    server.start()
    while not port.value:
        time.sleep(0.01)
    os.environ |= {"OPENAI_BASE_URL": f"http://127.0.0.1:{port.value}/v1", "OPENAI_API_KEY": "none"}
    plans = [
        ("winsweep", 5000, 64),
        ("winsweep", 805, 64),
        ("winsweep", 5000, 256),
        ("alpaca_eval", 805, 64),
        ("alpaca_eval", 100, 5),
    ]
    found = {plan: [] for plan in plans}
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as fresh:
        said = [fresh.apply(measure, (name, 64, 64, latency_s))[-1] for name in ("winsweep", "alpaca_eval")]
        assert max(abs(a - b) for a, b in zip(*said, strict=True)) < 1e-12, "the clients disagree"
        for _ in range(ROUNDS):
            for plan in plans:
                found[plan].append(fresh.apply(measure, (*plan, latency_s))[:-1])
    print(
        f"{latency_s} s a call; medians of {ROUNDS} interleaved rounds; load {os.getloadavg()[0]:.1f} on "
        f"{os.cpu_count()} cores"
    )
    for (name, num, at_once), rounds in found.items():
        seconds, share, cpu_ms = (statistics.median(x) for x in zip(*rounds))
        print(
            f"{name:12s} {num:5d} calls, {at_once:3d} at once: {seconds:7.2f} s, {100 * share:5.1f} % of ideal, "
            f"{cpu_ms:5.2f} ms of CPU a call"
        )
    server.kill()


if __name__ == "__main__":
    main()
