// What is known of the judge: its card.

/** The line beside the headline. */
function judgeLine() {
  const judge = CONTENTS.judge_card;
  if (!judge) return null;
  return el("p", { id: "judge-line", class: judge.has_card && !judge.against.length ? "quiet" : "against" },
    [judge.line, ...judge.against].join(" "), judge.has_card ? [" ", el("a", { href: "#judge-card" }, "More")] : null);
}

function judgeCard() {
  const judge = CONTENTS.judge_card;
  if (!judge || !judge.has_card) return null;
  return [judge.against.length ? el("ul", { class: "notes" }, judge.against.map((text) => el("li", { class: "warning" }, el("span", { class: "tag" }, "against"), ` ${text}`))) : null,
    plainTable("judge-figures", [["of the judge"], ["found"]], judge.figures),
    judge.calibrates ? calibrated() : null,
    el("p", { class: "caption" }, `${judge.name}, validated ${judge.made.replace("T", " ").slice(0, 16)} UTC`,
      judge.sources.length ? ` against ${judge.sources.join(", ")}` : "", ". In brackets: 95 % intervals.")];
}

/** What people would say, where the card's votes can tell. */
function calibrated() {
  const rows = CONTENTS.arms.map((arm) => [arm, CONTENTS.rows[arm.row]]).filter(([, row]) => row.calibrated_win_rate_pct);
  if (!rows.length) return null;
  return [plainTable("calibrated", [["model"], ["arm"], ["plain win rate, %", "number"], ["calibrated, %", "number"], ["95 % interval", "number"]],
    rows.map(([arm, row]) => [arm.model, arm.name, fixed(row.win_rate_pct), fixed(row.calibrated_win_rate_pct),
      `${fixed(row.calibrated_low_pct)} to ${fixed(row.calibrated_high_pct)}`])),
  el("p", { class: "caption" }, "Calibrated: the plain win rate as majorities of people would have it, if the judge errs here as often as on the pairs that they voted on. The interval holds the uncertainty of both.")];
}
