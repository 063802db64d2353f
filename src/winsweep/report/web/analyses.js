// Response ranking, drift and containment, where a study asks for them.

function ranking() {
  const rows = CONTENTS.analyses.rank;
  if (!rows.length) return null;
  return [plainTable("rank", [["model"], ["arm"], ["seed", "number"], ["per token, %", "number"], ["95 % interval", "number"], ["whole response, %", "number"], ["95 % interval", "number"], ["comparisons", "number"]],
    rows.map((r) => [r.model, r.task, String(r.seed), fixed(r.per_token_pct), `${fixed(r.per_token_low_pct)} to ${fixed(r.per_token_high_pct)}`,
      fixed(r.sequence_pct), `${fixed(r.sequence_low_pct)} to ${fixed(r.sequence_high_pct)}`, whole(r.num_comparisons)])),
  el("p", { class: "caption" }, "How often a model gives the true response of an instruction a higher likelihood than another row's response. 50: chance.")];
}

function armRanking() {
  const rows = CONTENTS.ranking;
  if (!rows.length) return null;
  const notes = [...new Set(rows.map((r) => (/^(won|lost) everything/.test(r.note) ? `${r.model} ${r.arm} ${r.note}.` : r.note)).filter(Boolean))];
  return [plainTable("arm-ranks", [["rank", "number"], ["may be", "number"], ["model"], ["arm"], ["wins, %", "number"], ["95 % interval", "number"], ["strength", "number"]],
    rows.map((r) => [String(r.rank), r.rank_low === r.rank_high ? String(r.rank_low) : `${r.rank_low} to ${r.rank_high}`, r.model, r.arm, fixed(r.win_rate_pct),
      `${fixed(r.win_rate_low_pct)} to ${fixed(r.win_rate_high_pct)}`, fixed(r.strength, 2)])),
  el("p", { class: "caption" }, "Every arm was compared with every other one (Bradley and Terry's model; ties are half). Wins: expected against an arm of average strength, not corrected for length. ",
    "May be: ranks that the tests of all pairs leave open (Holm, 0.05). ", notes.join(" "))];
}

function containment() {
  const rows = CONTENTS.analyses.containment;
  if (!rows.length) return null;
  return [plainTable("containment", [["cell"], ["guard"], ["answered off its domain, %", "number"], ["like a generalist, %", "number"], ["win rate, %", "number"], ["refused in its domain, %", "number"]],
    rows.map((r) => [r.cell, r.guard, share(r, "answered"), share(r, "generalist"), fixed(r.win_rate_pct), share(r, "refused")])),
  el("p", { class: "caption" }, "What a model still does off its domain, without a guard and behind each. In brackets: 95 % intervals.")];
}

function share(row, name) {
  if (!row[`${name}_pct`]) return "–";
  return `${fixed(row[`${name}_pct`], 0)} (${fixed(row[`${name}_low_pct`], 0)} to ${fixed(row[`${name}_high_pct`], 0)})`;
}

function drift() {
  const found = CONTENTS.analyses.drift;
  if (!found.length) return null;
  const node = drawn((width) => {
    const { columns, each } = grid(width);
    return el("div", { class: `panels columns-${columns}` }, found.map((one) => driftPanel(one, each)));
  });
  return [node, el("p", { class: "caption" }, "A point for each test prompt: across, how like the task's prompts it is; up, how much more the answer is like the task's responses than like general ones.")];
}

function driftPanel({ cell: name, points }, width) {
  const left = 40, bottom = 190, right = width - 8;
  const x = linear(...extent(points.map((p) => p[0])), left + 6, right - 6), y = linear(...extent([...points.map((p) => p[1]), 0]), bottom - 6, 14);
  return el("figure", {}, el("figcaption", {}, name), figure(width, bottom + 22, `Drift of ${name}`, yAxis(y, left, right, 4, shortNumber), xAxis(x, 8, bottom, 4, shortNumber, false),
    points.map(([a, b]) => svg("circle", { cx: x(a), cy: y(b), r: 2.2, class: "point" }))));
}

function picks() {
  const rows = CONTENTS.choices;
  if (!rows.length) return null;
  const fields = Object.keys(rows[0]).filter((name) => !["family", "n", "lc_win_rate_pct", "lc_standard_error_pct", "lc_formula", "win_rate_pct", "standard_error_pct", "behind_pct", "behind_standard_error_pct", "is_picked", "is_tied"].includes(name));
  const heads = [["for"], ...fields.map((name) => [name, "number"]), ["at equal length, %", "number"], ["plain, %", "number"], ["behind the best", "number"], [""]];
  const shown = (r) => [r.family, ...fields.map((name) => r[name]), fixed(r.lc_win_rate_pct, 2), fixed(r.win_rate_pct, 2), fixed(r.behind_pct, 2),
    r.is_picked === "True" ? "picked" : r.is_tied === "True" ? "within one standard error" : ""];
  const ties = (r) => rows.filter((other) => other.family === r.family && other.is_tied === "True").length;
  const picked = rows.filter((r) => r.is_picked === "True");
  return [plainTable("picks", [...heads.slice(0, -2), ["as good, within one standard error", "number"]], picked.map((r) => [...shown(r).slice(0, -2), ties(r) ? plural(ties(r), "other") : "none"])),
    el("details", {}, el("summary", {}, `all ${plural(rows.length, "validation run")}`), plainTable("runs", heads, rows.map(shown))),
    el("p", { class: "caption" }, "What validation runs decided, and the test runs were trained with.")];
}
