// Win rates of the arms with their intervals: the figure that one looks at first.

const MOST_ROWS = 60;
const LEVEL = 0.05; // of p after Holm's correction
let allRows = false;

function forest() {
  const node = drawn((width) => {
    const [arms, more] = firstOf(shownArms(), MOST_ROWS, () => allRows, () => { allRows = true; redraw(); }, "arm");
    return arms.length ? [forestFigure(arms, width), more] : el("p", { class: "quiet" }, "No arm is shown.");
  });
  return [node, el("p", { class: "caption" }, forestKey())];
}

function forestKey() {
  const arms = CONTENTS.arms, open = svg("svg", { viewBox: "0 0 12 12", width: 12, height: 12 }, mark(0, 6, 6, 4, { class: "open" }));
  const parts = [el("b", {}, headlineLabel()), ` against ${CONTENTS.reference}; line: 95 % interval of each arm by itself. `,
    el("span", { class: "sign" }, open), " cannot be told from half (Holm, over all arms)."];
  const plain = arms.filter((a) => a.is_plain && !a.is_reference).length;
  if (plain) parts.push(` ${plain} of ${plural(arms.length, "arm")} ${plain === 1 ? "has" : "have"} plain win rates, as too few rows, or their lengths, allow no correction (marked in the table).`);
  if (arms.some((a) => a.seeds.length > 1)) parts.push(" ", sign("seed"), " one seed.");
  if (arms.some(hasOtherLC)) parts.push(" ", sign("lc"), hasOfficial() ? " AlpacaEval's length-controlled win rate (LC)." : " win rate at equal length (LC).");
  if (arms.some((a) => a.published)) parts.push(" ", sign("published"), " as published.");
  if (CONTENTS.control.changes.length) parts.push(el("br"), el("span", { id: "changes" }, CONTENTS.control.changes.join(" ")));
  return parts;
}

function sign(what) {
  return el("span", { class: "sign" }, svg("svg", { viewBox: "0 0 12 12", width: 12, height: 12 }, signOf(what, 6, 6)));
}

function signOf(what, x, y) {
  if (what === "seed") return svg("circle", { cx: x, cy: y, r: 2.4, class: "seed" });
  if (what === "lc") return mark(2, x, y, 3.6, { class: "lc" });
  return mark(4, x, y, 4, { class: "published" });
}

/** What the headline win rate is, for a caption. */
function headlineLabel() {
  return `${CONTENTS.control.label[0].toUpperCase()}${CONTENTS.control.label.slice(1)}, %`;
}

/** Whether an arm's win rate is told from half, corrected for the number of arms. */
function isTold(arm) {
  const row = CONTENTS.differences.find((r) => r.against === "parity" && r.model === arm.model && r.arm === arm.name);
  return Boolean(row) && Number(row.p_holm) < LEVEL;
}

function hasOtherLC(arm) {
  return arm.lc_win_rate_pct !== null && Math.abs(arm.lc_win_rate_pct - arm.headline_pct) >= 0.05;
}

function hasOfficial() {
  return CONTENTS.rows.some((row) => row.lc_formula === "official");
}

function forestFigure(arms, width) {
  const narrow = width < 620, several = MODELS.length > 1;
  const names = narrow ? 0 : widthOf(arms.map((a) => a.name), width * 0.3) + 14;
  const numbers = narrow ? 0 : 216;
  const row = narrow ? 42 : 27, headRow = several ? 34 : 0;
  const num = narrow ? 5 : 8;
  const [from, to] = roundRange(...percentRange(arms.flatMap((a) => [a.headline_low_pct, a.headline_high_pct, a.lc_win_rate_pct, a.published && a.published[0]])), num);
  const x = linear(from, to, names + 8, width - numbers - 10);
  let y = narrow ? 6 : 24;
  const top = y, drawnRows = [];
  let model = null;
  for (const arm of arms) {
    if (several && arm.model !== model) {
      y += model === null ? -8 : 6;
      model = arm.model;
      drawnRows.push(mark(look(model), 5, y + 18.5, 4.4, { class: `m${look(model)} solid` }), fitted(model, width - 30, { x: 16, y: y + 23, class: "group" }));
      y += headRow;
    }
    drawnRows.push(forestRow(arm, x, y, { narrow, names, width, numbers, row }));
    y += row;
  }
  const heads = narrow ? null : svg("g", { class: "heads" },
    svg("text", { x: width - 150, y: 14, "text-anchor": "end" }, "win %"), svg("text", { x: width - 52, y: 14, "text-anchor": "end" }, "95 % interval"),
    svg("text", { x: width, y: 14, "text-anchor": "end" }, "LC"));
  return figure(width, y + 22, `Win rates of ${arms.length} arms`, heads, xAxis(x, narrow ? y : top, y, num), drawnRows);
}

function forestRow(arm, x, y, { narrow, names, width, numbers, row }) {
  const middle = narrow ? y + 28 : y + row / 2, tone = arm.is_reference ? "reference" : `m${look(arm.model)}`;
  const told = arm.is_reference ? "reference" : `${fixed(arm.headline_low_pct)} to ${fixed(arm.headline_high_pct)}`;
  const text = narrow
    ? [fitted(arm.name, width - 150, { x: 0, y: y + 14, class: "name" }),
       svg("text", { x: width, y: y + 14, "text-anchor": "end", class: "value" }, fixed(arm.headline_pct), svg("tspan", { class: "quiet", dx: 8 }, told))]
    : [fitted(arm.name, names - 14, { x: 0, y: middle + 4, class: "name" }),
       svg("text", { x: width - 150, y: middle + 4, "text-anchor": "end", class: "value" }, fixed(arm.headline_pct)),
       svg("text", { x: width - 52, y: middle + 4, "text-anchor": "end", class: "quiet" }, told),
       svg("text", { x: width, y: middle + 4, "text-anchor": "end", class: "quiet" }, fixed(arm.lc_win_rate_pct))];
  return svg("g", { class: `arm ${tone}`, "data-arm": arm.id },
    svg("title", {}, `${armName(arm)}: ${fixed(arm.headline_pct, 2)} % (${told}), LC ${fixed(arm.lc_win_rate_pct, 2)}, n ${whole(arm.n)}${madeTags(arm).map(([tag]) => `, ${tag}`).join("")}`),
    svg("rect", { x: 0, y, width, height: row, class: "hit" }), narrow ? xLines(x, y + 19, y + row - 3, 5) : null, text,
    svg("line", { x1: x(arm.headline_low_pct), x2: x(arm.headline_high_pct), y1: middle, y2: middle, class: "interval" }),
    arm.seeds.length > 1 ? arm.seeds.map((s) => svg("circle", { cx: x(s.headline_pct), cy: middle + 7, r: 2, class: "seed" })) : null,
    hasOtherLC(arm) ? mark(2, x(arm.lc_win_rate_pct), middle, 3.6, { class: "lc" }) : null,
    arm.published ? mark(4, x(arm.published[0]), middle - 7, 3.6, { class: "published" }) : null,
    mark(look(arm.model), x(arm.headline_pct), middle, 4.6, { class: isTold(arm) ? "solid" : "open" }));
}
