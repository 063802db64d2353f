// The table: a row for each arm (or each seed), as in the CSV.

const TABLE_COLUMNS = [
  ["win rate, %", "paired_win_rate_pct", (v) => fixed(v, 2)],
  ["95 % interval", null, (_, row) => interval(row, 2)],
  ["LC, %", "lc_win_rate_pct", (v) => fixed(v, 2)],
  ["plain, %", "win_rate_pct", (v) => fixed(v, 2)],
  ["published, %", "published_pct", (v) => fixed(v, 2)],
  ["seeds", "num_seeds", (v) => v],
  ["n", "n", whole],
  ["chars", "mean_chars", whole],
  ["reference's", "mean_chars_reference", whole],
  ["cut, %", "share_truncated", (v) => percent(v, 1)],
  ["empty, %", "share_empty", (v) => percent(v, 1)],
  ["ties, %", "share_ties", (v) => percent(v, 1)],
  ["same text, %", "share_identical", (v) => percent(v, 1)],
  ["order bias", "position_bias_pct", (v) => fixed(v, 1)],
];

function interval(row, decimals = 1) {
  return row.paired_low_pct === "" ? "" : `${fixed(row.paired_low_pct, decimals)} to ${fixed(row.paired_high_pct, decimals)}`;
}

function table() {
  let seeds = false;
  const box = el("input", { type: "checkbox", id: "seeds", on: { change: () => { seeds = box.checked; node.redraw(); } } });
  const node = drawn(() => {
    const rows = shownArms(true).flatMap((arm) => [[arm, arm.row], ...(seeds && arm.cells.length > 1 ? arm.cells.map((i) => [arm, i]) : [])]);
    const columns = TABLE_COLUMNS.filter(([, name]) => name === null || rows.some(([, i]) => CONTENTS.rows[i][name]));
    return el("div", { class: "scroll" }, el("table", { class: "figures", id: "results" },
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "arm"), ...(models().length > 1 ? [el("th", { scope: "col" }, "model")] : []),
        ...columns.map(([head, name]) => el("th", { scope: "col", class: "number", title: name && visible(CONTENTS.columns[name] || "") }, head)))),
      el("tbody", {}, rows.map(([arm, i]) => tableRow(arm, CONTENTS.rows[i], columns, i)))));
  });
  node.redraw = () => redraw();
  return [el("p", { class: "controls" }, el("label", { for: "seeds" }, box, " a row for each seed, too")), node];
}

function tableRow(arm, row, columns, i) {
  const single = arm.cells.length > 1 && row.seed !== "mean";
  return el("tr", { "data-row": i, class: single ? "seed" : null },
    el("th", { scope: "row" }, single ? `seed ${row.seed}` : arm.name, arm.is_reference && !single ? el("span", { class: "tag" }, "reference") : null),
    models().length > 1 ? el("td", {}, single ? "" : arm.model) : null,
    columns.map(([, name, shown]) => el("td", { class: "number", "data-column": name }, shown(name ? row[name] : "", row))));
}
