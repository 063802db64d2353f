"""Rows over seeds: means, sample deviations, and what is said beside them."""

import statistics

from winsweep.report.means import mean_rows


def row(seed: int, lc: float, task: str = "gsm", outputs: str = "", epochs: int = 7) -> dict:
    return {"model": "llama", "task": task, "seed": seed, "epochs": epochs, "lc_win_rate_pct": lc, "win_rate_pct": lc + seed, "mean_chars": 10.0 * seed,
            "mean_chars_reference": 5.0, "share_truncated": 0.0, "share_empty": 0.0, "chrf": None, "exact": None, "starts": None, "n": 805,
            "lc_formula": "official", "judge": "j", "judge_model": "m", "commit": "c", "generate_key": outputs or f"{task}{seed}"}


def test_seeds_become_a_mean_and_a_sample_deviation():
    rows = [row(1, 20.0), row(2, 23.0), row(3, 29.0), row(1, 3.0, "base")]
    (mean,) = mean_rows(rows, ["epochs"], {"llama.gsm": (23.7, 0.74), "olmo.gsm": (1.0, 1.0)})
    assert (mean["model"], mean["task"], mean["seed"], mean["epochs"], mean["num_seeds"]) == ("llama", "gsm", "mean", 7, 3)
    assert mean["lc_win_rate_pct"] == 24.0 and mean["lc_std_pct"] == statistics.stdev([20.0, 23.0, 29.0])
    assert mean["std_pct"] == statistics.stdev([21.0, 25.0, 32.0]) and mean["mean_chars"] == 20.0 and mean["chrf"] is None
    assert (mean["published_pct"], mean["published_std_pct"]) == (23.7, 0.74) and abs(mean["difference_pct"] - 0.3) < 1e-9
    assert mean["n"] == 805 and mean["note"] == "" and "standard_error_pct" not in mean


def test_points_of_a_grid_are_arms_of_their_own():
    assert len(mean_rows([row(s, 1.0, epochs=e) for s in (1, 2) for e in (5, 7)], ["epochs"], {})) == 2


def test_the_spread_of_one_set_of_outputs_is_said_to_be_the_references():
    (mean,) = mean_rows([row(s, 2.0 + s, "base", outputs="same") for s in (1, 2)], [], {})
    assert mean["note"] == "one set of outputs against 2 references: the spread is theirs"
