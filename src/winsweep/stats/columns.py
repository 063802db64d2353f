"""The contract of the results table: every column, in its order, and what stands in it. New columns may come; these
keep name and meaning.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

# what Krippendorff (2004, "Content Analysis", section 11.4.2) asks of data that tentative conclusions are drawn from
LEAST_ALPHA = 0.667
LITTLE = f"the judges of the jury agree little: Krippendorff's alpha is below {LEAST_ALPHA}"  # one text for all cells
NAMES: Mapping[str, str] = MappingProxyType(
    {
        "model": "base model, as the study names it",
        "task": "arm: a task, or an adapter without training",
        "seed": "seed of the finetune; `mean` in the row of an arm with several seeds",
    }
)
COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "n": "judged instructions",
        "lc_win_rate_pct": "length-controlled win rate against the cell's reference, by lc_formula; the figure that "
        "others publish",
        "lc_standard_error_pct": "its standard error over instructions (influence function)",
        "lc_formula": "official: AlpacaEval's, on its 805 instructions; paired: head to head, on other sets; raw: "
        "plain, where no fit is possible",
        "lc_c": "official: inverse strength of its L1 penalty, chosen over 5 folds that are the same everywhere",
        "paired_win_rate_pct": "win rate at equal length by this comparison alone; the plain one where paired_formula "
        "is raw; 100 less it if the sides are swapped",
        "paired_standard_error_pct": "its standard error over instructions; in a mean row over seeds and instructions",
        "paired_low_pct": "lower end of its 95 % interval; in a mean row over seeds and instructions",
        "paired_high_pct": "upper end",
        "paired_formula": "paired, or raw: the plain win rate, for the reason in note",
        "style_win_rate_pct": "win rate at equal length and Markdown (headers, lists, bold, code) by this comparison "
        "alone; 100 less it if the sides are swapped",
        "style_standard_error_pct": "its standard error over instructions; in a mean row over seeds and instructions",
        "style_low_pct": "lower end of its 95 % interval; in a mean row over seeds and instructions",
        "style_high_pct": "upper end",
        "style_formula": "style; paired: there is no Markdown to control for, or it cannot be told from merit; or raw",
        "win_rate_pct": "mean preference for the candidate; a tie is half",
        "standard_error_pct": "its standard error over instructions, as AlpacaEval has it: sample deviation / sqrt(n); "
        "in a mean row over seeds and instructions",
        "low_pct": "lower end of its 95 % interval; in a mean row over seeds and instructions",
        "high_pct": "upper end",
        "share_ties": "fraction of rows with a preference of exactly half",
        "share_identical": "fraction of rows whose two outputs are the same text: ties, for which no judge is asked",
        "position_bias_pct": "where both orders were judged: what the candidate wins shown first, less what it wins "
        "shown second, in points",
        "share_disagree": "where both orders were judged: fraction of those rows in which the orders name different "
        "winners; a verdict without weights then is a tie that no judge meant, and is in share_ties, too",
        "jury_alpha": "where a jury judged: Krippendorff's alpha of its judges' preferences, 1 at best, 0 by chance",
        "jury_agreement": "where a jury judged: fraction of pairs of judges and rows with the same verdict",
        "jury_win_rates_pct": "where a jury judged: win rate by each judge alone, in the order of judge_model",
        "mean_chars": "mean length of the candidate's outputs in characters",
        "mean_chars_reference": "mean length of the reference's outputs in characters",
        "share_truncated": "fraction of the candidate's outputs that hit the limit of new tokens",
        "share_empty": "fraction of the candidate's outputs that are blank",
        "chrf": "toy judge: mean likeness to the known answer",
        "exact": "toy judge: fraction of outputs that are the known answer",
        "starts": "toy judge: fraction of outputs that start with the known answer",
        "judge": "annotator",
        "judge_model": "model that judged",
    }
)
CALIBRATED: Mapping[str, str] = MappingProxyType(
    {
        "calibrated_win_rate_pct": "only where the judge's card has people's votes: win_rate_pct corrected for the "
        "judge's errors, as people's majorities would have it",
        "calibrated_low_pct": "lower end of its 95 % interval, which holds the uncertainty of the card, too",
        "calibrated_high_pct": "upper end",
    }
)
MEAN_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "num_seeds": "mean row: seeds in it",
        "lc_std_pct": "mean row: sample deviation of lc_win_rate_pct over seeds (ddof 1)",
        "paired_std_pct": "mean row: sample deviation of paired_win_rate_pct over seeds (ddof 1)",
        "style_std_pct": "mean row: sample deviation of style_win_rate_pct over seeds (ddof 1)",
        "std_pct": "mean row: sample deviation of win_rate_pct over seeds (ddof 1)",
        "published_pct": "mean row: what others published for this arm, from the study",
        "published_std_pct": "mean row: its deviation as published",
        "difference_pct": "mean row: lc_win_rate_pct less published_pct",
        "note": "what a reader must know of the row",
    }
)
PROVENANCE: Mapping[str, str] = MappingProxyType(
    {
        "control": "the win rate that differences.csv tests and the report shows first: length (paired_win_rate_pct), "
        "style (style_win_rate_pct) or none (win_rate_pct)",
        "starts_from": "cell whose model this one starts from, and what that one does; empty for a base model",
        "finetune_key": "key of the finetune; empty without training",
        "generate_key": "key of the candidate's outputs",
        "judge_key": "key of the judged comparison",
        "commit": "commit of winsweep that judged it; +changes if files differed",
    }
)
BOOTSTRAP: Mapping[str, str] = MappingProxyType(
    {
        "bootstrap_error_pct": "only with compare: {bootstrap: …}: standard error of paired_win_rate_pct, or of the "
        "difference, over drawn instructions and, of several, seeds",
        "bootstrap_low_pct": "2.5 % of the draws are below it",
        "bootstrap_high_pct": "2.5 % of the draws are above it",
    }
)
DIFFERENCES: Mapping[str, str] = MappingProxyType(
    {
        "model": "base model",
        "arm": "an arm, with the recipe fields that vary",
        "against": "another arm of the model on the same instructions, or `parity`: a win rate of 50",
        "control": "the win rate that is tested: length (paired_win_rate_pct), style (style_win_rate_pct) or none "
        "(win_rate_pct)",
        "difference_pct": "that win rate of arm less that of against, in points, mean over seeds",
        "standard_error_pct": "its standard error over seeds and instructions, paired by both where both arms have the "
        "same seeds",
        "low_pct": "lower end of its 95 % interval",
        "high_pct": "upper end",
        "p": "two-sided p of no difference (Student's t)",
        "p_holm": "the same, corrected for all rows of this file against parity, or all between arms (Holm 1979)",
        "instructions_needed": "where p_holm is 0.05 or more: instructions that would find a difference of this size 4 "
        "times in 5 with these seeds; empty where only more seeds would, and where it is found already",
        "num_seeds": "seeds of arm",
        "num_seeds_against": "seeds of against",
    }
)
STYLE: Mapping[str, str] = MappingProxyType(
    {
        "covariate": "length, headers, lists, bold or code",
        "log_odds": "what one deviation more of it adds to the log odds of the candidate's win; above 0 answers "
        "with more won more often, other things equal; in a mean row the mean over seeds; empty for the reason in why",
        "standard_error": "its standard error over instructions; in a mean row over seeds and instructions",
        "low": "lower end of its 95 % interval",
        "high": "upper end",
        "odds": "the same as a factor on the odds: exp of log_odds",
        "deviation": "sample deviation of the candidate's less the reference's, in unit",
        "mean": "mean of the candidate's answers, in unit",
        "mean_reference": "mean of the reference's answers, in unit",
        "unit": "characters of an answer, or elements for each 1,000 characters of it",
        "why": "why there is no log_odds",
    }
)

RANKING: Mapping[str, str] = MappingProxyType(
    {
        "model": "base model",
        "arm": "an arm, with the recipe fields that vary",
        "rank": "its place by strength, of the arms that were compared with each other; 1 is the strongest",
        "rank_low": "first place that the tests of all pairs of arms leave to it (Holm, 0.05)",
        "rank_high": "last place",
        "strength": "logit of Bradley and Terry's model, ties being half; the mean is 0, over the arms that did not "
        "win or lose everything",
        "standard_error": "its standard error over seeds and instructions",
        "low": "lower end of its 95 % interval",
        "high": "upper end",
        "win_rate_pct": "what it wins of an arm of average strength, expected; not corrected for length",
        "win_rate_low_pct": "lower end of its 95 % interval",
        "win_rate_high_pct": "upper end",
        "note": "what a reader must know of the arm (one that won or lost everything has only a bound) or the ranking",
        "num_arms": "arms in the ranking",
        "num_seeds": "seeds in it",
        "n": "instructions that count for the arm",
        "ranking_key": "digest of the comparisons that it is made from",
    }
)


def header(varying: Iterable[str], is_calibrated: bool = False) -> list[str]:
    """The columns of results.csv; recipe fields that vary stand after the seed, by name."""
    return [*NAMES, *sorted(varying), *COLUMNS, *(CALIBRATED if is_calibrated else ()), *MEAN_COLUMNS, *PROVENANCE]


def varying(names: Iterable[str]) -> list[str]:
    """Of the columns of a results.csv the recipe fields that vary: what stands between the seed and n."""
    names = list(names)
    return names[names.index("seed") + 1 : names.index("n")] if "n" in names else []


def text() -> str:
    """The contract for a person to read."""
    files = (
        (
            "results/STUDY.csv",
            {
                **NAMES,
                "…": "the recipe fields that vary",
                **COLUMNS,
                **CALIBRATED,
                **MEAN_COLUMNS,
                **PROVENANCE,
                **BOOTSTRAP,
            },
        ),
        ("results/STUDY.differences.csv", {**DIFFERENCES, **BOOTSTRAP}),
        ("results/STUDY.style.csv", {**NAMES, "…": "the recipe fields that vary", **STYLE}),
        ("results/STUDY.ranking.csv", RANKING),
    )
    return "\n".join(
        line for file, columns in files for line in (file, *(f"  {name:26s} {what}" for name, what in columns.items()))
    )
