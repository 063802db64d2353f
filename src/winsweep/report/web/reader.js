// The reader of answers: a view over the page, opened by #cell=NAME&row=NUMBER.

const NO_FILTERS = { category: "", verdict: "", length: "", answer: "", judge: "", versus: "", vote: "", q: "" };
const READ = { entry: null, rows: [], beside: null, besideRows: null, place: 0, ask: { ...NO_FILTERS }, sort: "place", shown: [], diff: false, blind: false, words: true, more: false, whole: new Set(), drawn: null, turn: 0, later: 0 };
const KEYS = [
  ["j, k", "next, previous instruction"], ["→, ←", "next, previous cell"], ["/", "search"], ["d", "mark differences"], ["1, 2, 3", "vote: left, tie, right"], ["0", "take a vote back"],
  ["h", "blind: names and verdicts hidden, sides shuffled"], ["?", "these keys"], ["Esc", "back to the report"],
];

/** The address of a row, or of a cell. */
function readerLink(cell, row = 0) {
  return `#${new URLSearchParams({ cell, row })}`;
}

/** The report's section that leads here; null where the page has no texts. */
function reading() {
  if (!TEXTS || !TEXTS.cells.length) return null;
  return [
    el("p", {}, `${plural(TEXTS.num, "instruction")} with the answers of ${plural(TEXTS.cells.length, "cell")} side by side: `,
      el("a", { id: "open-reader", class: "button", href: readerLink(TEXTS.cells[0].cell) }, "Read the answers")),
    el("details", { open: TEXTS.cells.length <= 12 }, el("summary", {}, "By cell"),
      el("p", { class: "cells" }, TEXTS.cells.map((entry) => [el("a", { href: readerLink(entry.cell) }, entry.cell), " "]))),
    TEXTS.missing.length ? el("details", {}, el("summary", {}, `${plural(TEXTS.missing.length, "cell")} cannot be read yet`), el("ul", {}, TEXTS.missing.map((m) => el("li", {}, `${m.cell}: ${m.why}`)))) : null,
    el("p", { class: "caption" }, `The texts lie in the folder ${TEXTS.folder} beside this page (${fixed(TEXTS.bytes / 1e6, 1)} MB); keep the two together. Texts are as models wrote them.`),
  ];
}

function startReader() {
  if (!TEXTS || !TEXTS.cells.length) return;
  document.body.append(el("div", { id: "reader", hidden: true },
    el("div", { id: "reader-bar" }), el("aside", { id: "reader-panel" }, el("div", { id: "reader-filters" }), el("div", { id: "reader-list" })),
    el("div", { id: "reader-main", tabindex: "-1" }, el("div", { id: "reader-row" })), el("div", { id: "reader-vote" })),
  el("dialog", { id: "reader-keys" }, el("h2", {}, "Keys"), el("dl", {}, KEYS.map(([keys, does]) => [el("dt", {}, keys.split(", ").map((k) => [el("kbd", {}, k), " "])), el("dd", {}, does)])),
    el("form", { method: "dialog" }, el("button", {}, "Close"))));
  addEventListener("hashchange", follow);
  addEventListener("keydown", onKey);
  follow();
}

/** Show what the address asks for. */
async function follow() {
  const asked = new URLSearchParams(location.hash.slice(1)), entry = cellEntry(asked.get("cell"));
  if (!entry) return leave();
  const turn = ++READ.turn, beside = cellEntry(asked.get("other")) || null, root = document.getElementById("reader");
  document.body.classList.add("reading");
  root.hidden = false;
  if (entry !== READ.entry || beside !== READ.beside || !READ.rows.length) {
    root.setAttribute("aria-busy", "true");
    try {
      const [rows, besideRows] = await Promise.all([openCell(entry), beside ? openCell(beside) : null]);
      if (turn !== READ.turn) return null;
      Object.assign(READ, { entry, rows, beside, besideRows });
    } catch (error) {
      if (turn === READ.turn) showFailure(entry, error);
      return null;
    } finally {
      if (turn === READ.turn) root.removeAttribute("aria-busy");
    }
  }
  takeFilters(asked);
  showPanel();
  showBar();
  moveTo(Number(asked.get("row")));
  return null;
}

function moveTo(place) {
  const target = Number.isInteger(place) && READ.rows[place] ? place : 0;
  if (target !== READ.place) READ.whole.clear();
  READ.place = target;
  showRow();
}

function leave() {
  READ.turn++;
  clearTimeout(READ.later);
  document.body.classList.remove("reading");
  document.getElementById("reader").hidden = true;
  const section = location.hash.length > 1 && !location.hash.includes("=") && document.getElementById(location.hash.slice(1));
  if (section) section.scrollIntoView();
}

function showFailure(entry, error) {
  READ.entry = entry;
  READ.rows = [];
  showBar();
  document.getElementById("reader-filters").replaceChildren();
  document.getElementById("reader-list").replaceChildren();
  document.getElementById("reader-vote").replaceChildren();
  document.getElementById("reader-row").replaceChildren(el("p", { class: "failure" }, error.message));
}

/** The filters and the order that an address has; one without any has none. */
function takeFilters(asked) {
  for (const name of Object.keys(NO_FILTERS)) READ.ask[name] = asked.get(name) || "";
  const legal = { verdict: VERDICTS, length: LENGTHS, answer: ANSWERS, judge: JUDGED, versus: READ.besideRows ? VERSUS : {}, vote: VOTED };
  for (const [name, options] of Object.entries(legal)) if (!Object.hasOwn(options, READ.ask[name])) READ.ask[name] = "";
  if (READ.blind) hideTelling();
  if (!READ.rows.some((row) => row.dataset === READ.ask.category)) READ.ask.category = "";
  READ.sort = Object.hasOwn(ROW_SORTS, asked.get("sort") || "") ? asked.get("sort") : "place";
}

/** Filters that would tell in blind mode which answer is whose. */
function hideTelling() {
  const { q, category, vote } = READ.ask;
  Object.assign(READ.ask, NO_FILTERS, { q, category, vote: vote === "against" ? "" : vote });
}

/** What this view is called, with some of it changed. */
function addressOf(change = {}) {
  const now = { cell: READ.entry.cell, row: READ.place, other: READ.beside?.cell || "", ...READ.ask, sort: READ.sort === "place" ? "" : READ.sort, ...change };
  return `#${new URLSearchParams(Object.entries(now).filter(([, value]) => value !== ""))}`;
}

/** Show another row, or another cell. The address follows a moment later: browsers allow few changes of it in a second. */
function go(change = {}) {
  clearTimeout(READ.later);
  if ("cell" in change || "other" in change) {
    location.hash = addressOf(change);
    return;
  }
  moveTo("row" in change ? change.row : READ.place);
  READ.later = setTimeout(() => {
    const now = new URLSearchParams(location.hash.slice(1)); // another cell may be on its way
    if (now.get("cell") === READ.entry.cell && (now.get("other") || "") === (READ.beside?.cell || "")) history.replaceState(null, "", addressOf());
  }, 200);
}

/** Filters or order changed: the list is made anew, and the row stays if it passes. */
function changed() {
  showList();
  for (const select of document.querySelectorAll("#reader-filters select")) select.classList.toggle("set", Boolean(select.value));
  const stays = READ.shown.some((row) => row.place === READ.place);
  go(stays || !READ.shown.length ? {} : { row: READ.shown[0].place });
}

function clearFilters() {
  Object.assign(READ.ask, NO_FILTERS);
  showPanel();
  go();
}

function showPanel() {
  document.getElementById("reader-filters").replaceChildren(...[filterPanel()].flat(9).filter(Boolean));
  showList();
}

function showList() {
  const passed = filteredRows(READ.rows, READ.ask, READ.besideRows, (row) => voteOn(READ.entry.cell, row.place));
  READ.shown = sortedRows(passed, READ.blind ? "place" : READ.sort);
  document.getElementById("reader-counts").replaceChildren(...[countsText()].flat().filter((part) => part !== null));
  document.getElementById("reader-list").replaceChildren(...[rowList()].flat().filter(Boolean));
}

function showRow() {
  const row = READ.rows[READ.place];
  if (!row) return;
  document.getElementById("reader-row").replaceChildren(...rowView(row).flat().filter(Boolean));
  document.getElementById("reader-vote").replaceChildren(...[voteView(row)].flat());
  if (READ.drawn !== row) document.getElementById("reader-main").scrollTop = 0;
  READ.drawn = row;
  if (!document.activeElement.closest("input, select, dialog, #reader-bar, #reader-vote")) document.getElementById("reader-main").focus({ preventScroll: true }); // Space and ↓ scroll it
  markCurrent();
  highlight(document.getElementById("reader-row"), READ.ask.q);
}

function closePanel() {
  document.getElementById("reader").classList.remove("with-panel");
}

/** Go to the row that stands `by` places from this one in the list, or to the first; whether there is one. */
function step(by) {
  const at = READ.shown.findIndex((row) => row.place === READ.place);
  const next = READ.shown[at < 0 ? 0 : at + by];
  if (next) go({ row: next.place });
  return Boolean(next);
}

function stepCell(by) {
  const next = TEXTS.cells[TEXTS.cells.indexOf(READ.entry) + by];
  if (next && !READ.blind) go({ cell: next.cell });
}

function onKey(event) {
  if (!document.body.classList.contains("reading") || event.ctrlKey || event.metaKey || event.altKey || document.getElementById("reader-keys").open) return;
  const typing = event.target.closest?.("input, select, textarea");
  if (typing && event.key !== "Escape") return;
  if (typing) return void typing.blur();
  const row = READ.rows[READ.place];
  const does = {
    j: () => step(1), k: () => step(-1), ArrowRight: () => stepCell(1), ArrowLeft: () => stepCell(-1),
    "/": () => document.getElementById("reader-search")?.focus(), d: () => toggleMode("diff"), h: () => toggleMode("blind"),
    "?": () => document.getElementById("reader-keys").showModal(), Escape: () => { clearTimeout(READ.later); location.hash = "#reading"; },
    0: () => row && giveVote(row, null),
  };
  if (row?.own && row.reference && "123".includes(event.key)) does[event.key] = () => giveVote(row, voteChoices(row)[event.key - 1][0]);
  if (!Object.hasOwn(does, event.key)) return;
  event.preventDefault();
  does[event.key]();
}
