// What the answers and the judge look like: cut, empty, ties, lengths, position bias.

const ANSWER_COLUMNS = [
  ["cut", "share_truncated", 100], ["empty", "share_empty", 100], ["same text", "share_identical", 100], ["ties", "share_ties", 100],
];

function answers() {
  if (!CONTENTS.arms.length) return null;
  const bias = CONTENTS.arms.some((arm) => arm.position_bias_pct !== null);
  const jury = CONTENTS.arms.some((arm) => arm.jury_agreement !== null);
  const toy = ["chrf", "exact", "starts"].filter((name) => CONTENTS.arms.some((arm) => CONTENTS.rows[arm.row][name]));
  let all = false;
  const some = () => firstOf(shownArms(), MOST_ROWS, () => all, () => { all = true; redraw(); }, "arm");
  const node = drawn(() => [el("div", { class: "scroll" }, el("table", { class: "figures", id: "answer-table" },
    el("thead", {}, el("tr", {}, armHeads(), ANSWER_COLUMNS.map(([head]) => el("th", { scope: "col", class: "number" }, `${head}, %`)),
      ["characters", "reference's"].map((head) => el("th", { scope: "col", class: "number" }, head)),
      bias ? el("th", { scope: "col", class: "number" }, "position bias") : null,
      jury ? ["judges agree, %", "alpha"].map((head) => el("th", { scope: "col", class: "number" }, head)) : null,
      toy.map((name) => el("th", { scope: "col", class: "number", title: CONTENTS.columns[name] }, name)))),
    el("tbody", {}, some()[0].map((arm) => el("tr", { "data-row": arm.row }, armCells(arm),
      ANSWER_COLUMNS.map(([, name]) => bar(arm[name], name)), ["mean_chars", "mean_chars_reference"].map((name) => cell(name, whole(arm[name]))),
      bias ? cell("position_bias_pct", fixed(arm.position_bias_pct)) : null,
      jury ? [cell("jury_agreement", percent(arm.jury_agreement, 1)), cell("jury_alpha", fixed(arm.jury_alpha, 2))] : null,
      toy.map((name) => cell(name, fixed(CONTENTS.rows[arm.row][name], 2)))))))), some()[1]]);
  return [node, el("p", { class: "caption" }, "Cut: at the limit of new tokens. Same text: as the reference's, for which no judge is asked. ",
    bias ? "Position bias: what an answer wins shown first, less what it wins shown second, in points." : "Position bias is not known: no pair was judged in both orders.",
    jury ? " Judges agree: two of the jury give the same verdict; alpha is Krippendorff's, 1 at best and 0 by chance." : "")];
}

function cell(name, text) {
  return el("td", { class: "number", "data-column": name }, text);
}

function bar(share, name) {
  if (share === null) return cell(name, "");
  return el("td", { class: "number bar", "data-column": name },
    svg("svg", { viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" }, svg("rect", { width: 100, height: 4, class: "track" }), svg("rect", { width: 100 * share, height: 4, class: "fill" })),
    percent(share, 1));
}
