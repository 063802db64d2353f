// The panel beside a row: filters, how the rows that pass were judged, and the list of them.

const MOST_LISTED = 3000; // rows in the list at a time

function filterPanel() {
  const { ask, rows, blind } = READ;
  const categories = [...new Set(rows.map((row) => row.dataset).filter(Boolean))].sort();
  const others = TEXTS.cells.filter((entry) => entry !== READ.entry);
  const pick = (name, all, options) => choice(name, ask[name], all, options, (value) => { ask[name] = value; changed(); });
  return [
    el("input", { type: "search", id: "reader-search", placeholder: "Search all texts  ( / )", "aria-label": "search the texts", value: ask.q, on: { input: (event) => { ask.q = event.target.value; changed(); } } }),
    el("div", { class: "picks" },
      categories.length > 1 ? pick("category", "all categories", categories.map((name) => [name, name])) : null,
      blind ? null : pick("verdict", "any verdict", Object.entries(VERDICTS).filter(([key]) => key !== "unjudged" || rows.some((row) => row.preference === null))),
      pick("length", "any length", named(LENGTHS, blind ? ["similar"] : Object.keys(LENGTHS))),
      blind ? null : pick("answer", "any answer", named(ANSWERS)),
      blind || !rows.some((row) => typeof row.preference === "number") ? null : pick("judge", "judge: any", named(JUDGED, rows.some((row) => row.by_order) ? Object.keys(JUDGED) : ["close", "sure"])),
      pick("vote", "any vote", named(VOTED, blind ? ["voted", "open"] : Object.keys(VOTED))),
      blind || !others.length ? null : choice("other", READ.beside?.cell || "", "no cell beside", others.map((entry) => [entry.cell, `beside: ${entry.cell}`]), (value) => go({ other: value })),
      blind || !READ.besideRows ? null : pick("versus", "any outcome beside", named(VERSUS)),
      blind ? null : choice("sort", READ.sort === "place" ? "" : READ.sort, `order: ${ROW_SORTS.place[0]}`, Object.entries(ROW_SORTS).filter(([key]) => key !== "place").map(([key, [name]]) => [key, `order: ${name}`]), (value) => { READ.sort = value || "place"; changed(); })),
    el("p", { id: "reader-counts" }),
  ];
}

function named(of, keys = Object.keys(of)) {
  return keys.map((key) => [key, of[key][0]]);
}

/** A select with the names in it as text; "" stands for all. */
function choice(name, value, all, options, change) {
  return el("select", { name, "aria-label": name, class: value ? "set" : null, on: { change: (event) => change(event.target.value) } },
    el("option", { value: "" }, all), options.map(([key, text]) => el("option", { value: key, selected: key === value }, text)));
}

function countsText() {
  const { shown, rows, blind } = READ, counts = countVerdicts(shown);
  const of = shown.length === rows.length ? plural(rows.length, "instruction") : `${whole(shown.length)} of ${plural(rows.length, "instruction")}`;
  if (blind || counts.unjudged === shown.length) return of;
  return [`${of}: cell better `, el("b", { class: "won" }, counts.won), ", tie ", el("b", { class: "tied" }, counts.tied), ", reference better ", el("b", { class: "lost" }, counts.lost),
    winRateText(shown)];
}

/** The plain win rate of the rows that count, as the table has it when all rows are shown. */
function winRateText(rows) {
  const judged = rows.filter((row) => typeof row.preference === "number" && row.counted);
  if (!judged.length) return null;
  const mean = judged.reduce((sum, row) => sum + row.preference - 1, 0) / judged.length;
  return ` · win rate ${fixed(100 * mean, 1)} %${judged.length < rows.length ? ` of the ${whole(judged.length)} that count` : ""}`;
}

function rowList() {
  const { shown } = READ;
  if (!shown.length) return el("p", { class: "nothing" }, "No row passes these filters. ", el("button", { type: "button", on: { click: clearFilters } }, "Clear them"));
  const rest = shown.length > MOST_LISTED ? el("p", { class: "nothing" }, `and ${whole(shown.length - MOST_LISTED)} more; filter to see them`) : null;
  return [el("ol", { id: "reader-rows" }, shown.slice(0, MOST_LISTED).map(listItem)), rest];
}

const GLYPHS = { won: "▲", lost: "▽", tied: "=", unjudged: "·" };

function listItem(row) {
  const verdict = READ.blind ? "unjudged" : verdictOf(row.preference), vote = voteOn(READ.entry.cell, row.place);
  const flags = READ.blind ? [] : [row.own?.cut ? "cut" : "", row.own?.empty ? "empty" : ""].filter(Boolean);
  return el("li", {}, el("button", { type: "button", "data-place": row.place, "aria-current": row.place === READ.place ? "true" : null, on: { click: () => { go({ row: row.place }); closePanel(); } } },
    el("span", { class: `glyph ${verdict}`, title: READ.blind ? null : VERDICTS[verdict] }, GLYPHS[verdict]),
    el("span", { class: "line" }, oneLine(lastAsked(row), 90)),
    flags.length ? el("span", { class: "flags" }, flags.join(" ")) : null,
    vote ? el("span", { class: "voted", title: "you voted" }, "✓") : null));
}

/** What is answered: of a conversation the user's last turn. */
function lastAsked(row) {
  return row.turns.filter(([role]) => role === "user").at(-1)?.[1] ?? row.instruction;
}

function markCurrent() {
  for (const old of document.querySelectorAll("#reader-rows [aria-current]")) old.removeAttribute("aria-current");
  const now = document.querySelector(`#reader-rows [data-place="${READ.place}"]`);
  now?.setAttribute("aria-current", "true");
  now?.scrollIntoView({ block: "nearest" });
}
