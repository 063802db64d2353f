// The table: a row for each arm, or for each seed, too, with the figures of the CSV.

const HEADLINE = CONTENTS.control;
const OTHER_RATES = [["equal length, %", "paired_win_rate_pct"], ["equal style, %", "style_win_rate_pct"], ["LC, %", "lc_win_rate_pct"], ["plain, %", "win_rate_pct"]];
const TABLE_COLUMNS = [
  ["win rate, %", HEADLINE.column, (v) => fixed(v, 2)],
  ["95 % interval", HEADLINE.low, (_, row) => (row[HEADLINE.low] === "" ? "" : `${fixed(row[HEADLINE.low], 2)} to ${fixed(row[HEADLINE.high], 2)}`)],
  ...OTHER_RATES.filter(([, name]) => name !== HEADLINE.column && isOwn(name))
    .map(([head, name]) => [head, name, (v) => fixed(v, 2)]),
  ["published, %", "published_pct", (v) => fixed(v, 2)],
  ["less published", "difference_pct", (v) => fixed(v, 2)],
  ["seeds", "num_seeds", (v) => v],
  ["n", "n", whole],
];
/** Whether a win rate says something that no other column does. */
function isOwn(name) {
  return name === "style_win_rate_pct" ? CONTENTS.style.rows.length > 0 : name !== "paired_win_rate_pct" || hasOfficial();
}

let withSeeds = false, allTable = false;

function table() {
  if (!CONTENTS.rows.length) return null;
  const box = el("input", { type: "checkbox", id: "seeds", on: { change: () => { withSeeds = box.checked; redraw(); } } });
  const node = drawn(() => {
    const [arms, more] = firstOf(shownArms(), MOST_ROWS, () => allTable, () => { allTable = true; redraw(); }, "arm");
    const rows = arms.flatMap((arm) => [[arm, arm.row], ...(withSeeds && arm.cells.length > 1 ? arm.cells.map((i) => [arm, i]) : [])]);
    const columns = TABLE_COLUMNS.filter(([, name]) => CONTENTS.rows.some((row) => row[name]));
    return [el("div", { class: "scroll", tabindex: 0 }, el("table", { class: "figures", id: "results" },
      el("thead", {}, el("tr", {}, armHeads(),
        columns.map(([head, name]) => el("th", { scope: "col", class: "number", title: visible(CONTENTS.columns[name] || "") }, head)))),
      el("tbody", {}, rows.map(([arm, i]) => tableRow(arm, CONTENTS.rows[i], columns, i))))), more];
  });
  const many = CONTENTS.arms.some((arm) => arm.cells.length > 1);
  return [many ? el("p", { class: "inline" }, el("label", { for: "seeds" }, box, " each seed, too")) : null, node,
    el("p", { class: "caption" }, `${CONTENTS.state.table_key ? `All columns are in ${CONTENTS.study.name}.csv. ` : ""}On hover: what a column is.`,
      el("span", { class: "sideways" }, " The table scrolls sideways."))];
}

function tableRow(arm, row, columns, i) {
  const single = arm.cells.length > 1 && i !== arm.row;
  return el("tr", { "data-row": i, class: single ? "seed-row" : null },
    single ? [el("th", { scope: "row" }, `seed ${row.seed}`), MODELS.length > 1 ? el("td") : null] : armCells(arm),
    columns.map(([, name, shown]) => el("td", { class: "number", "data-column": name }, shown(row[name], row))));
}

function armHeads() {
  return [el("th", { scope: "col" }, "arm"), MODELS.length > 1 ? el("th", { scope: "col" }, "model") : null];
}

function armCells(arm) {
  const plain = arm.is_plain && !arm.is_reference;
  return [el("th", { scope: "row" }, arm.name, arm.is_reference ? el("span", { class: "tag" }, "reference") : null,
    plain ? el("span", { class: "tag", title: "not corrected for length, for a reason in the notes" }, "plain") : null,
    madeTags(arm).map(([text, title]) => el("span", { class: "tag", title }, text))),
    MODELS.length > 1 ? el("td", { class: "quiet" }, arm.model) : null];
}

/** How the answers of an arm are made, where that is not by a finetune of all weights and free decoding. */
function madeTags(arm) {
  return [
    arm.lora_rank ? [`LoRA ${arm.lora_rank}`, `low-rank adapters of rank ${arm.lora_rank} were trained, not all weights`] : null,
    arm.has_grammar ? ["grammar", "answers are written under a grammar: no other text is possible"] : null,
  ].filter(Boolean);
}

/** A plain table: heads with a class each, and rows of texts. */
function plainTable(id, heads, rows) {
  return el("div", { class: "scroll" }, el("table", { class: "figures", id },
    el("thead", {}, el("tr", {}, heads.map(([head, kind]) => el("th", { scope: "col", class: kind }, head)))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map((value, i) => el(i ? "td" : "th", { class: heads[i][1], scope: i ? null : "row" }, value)))))));
}
