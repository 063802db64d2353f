// Which rows are shown, and in which order: functions of rows alone.

const VERDICTS = { won: "cell better", lost: "reference better", tied: "tie", unjudged: "not judged" };

function verdictOf(preference) {
  if (typeof preference !== "number") return "unjudged";
  return preference > 1.5 ? "won" : preference < 1.5 ? "lost" : "tied";
}

/** Characters of the cell's answer to those of the reference's. */
function lengthRatioOf(row) {
  if (!row.own || !row.reference) return null;
  return row.reference.chars ? row.own.chars / row.reference.chars : row.own.chars ? Infinity : 1;
}

/** Whether a judge that was asked in both orders changed its mind with the order. */
function ordersDisagree(row) {
  return Array.isArray(row.by_order) && (row.by_order[0] - 1.5) * (row.by_order[1] - 1.5) < 0;
}

const LENGTHS = {
  double: ["at least twice as long", (ratio) => ratio >= 2],
  longer: ["longer", (ratio) => ratio > 1],
  similar: ["within a tenth", (ratio) => ratio >= 0.9 && ratio <= 1.1],
  shorter: ["shorter", (ratio) => ratio < 1],
  half: ["at most half as long", (ratio) => ratio <= 0.5],
};
const ANSWERS = {
  cut: ["cut at the limit", (row) => Boolean(row.own?.cut)],
  uncut: ["not cut", (row) => !row.own?.cut],
  empty: ["empty", (row) => Boolean(row.own?.empty)],
  same: ["same as the reference's", (row) => Boolean(row.own && row.reference) && row.own.text === row.reference.text],
};
const JUDGED = {
  orders: ["changed its mind with the order", ordersDisagree],
  close: ["was unsure (40 to 60 %)", (row) => typeof row.preference === "number" && row.preference >= 1.4 && row.preference <= 1.6],
  sure: ["was sure (over 95 %)", (row) => typeof row.preference === "number" && Math.abs(row.preference - 1.5) > 0.45],
};
const VERSUS = {
  won_lost: ["won here, lost there", "won", "lost"],
  lost_won: ["lost here, won there", "lost", "won"],
  differ: ["verdicts differ", null, null],
};
const VOTED = {
  voted: ["voted", (row, vote) => Boolean(vote)],
  open: ["not voted", (row, vote) => !vote],
  against: ["against the judge", (row, vote) => Boolean(vote) && ["won", "lost", "tied"].includes(verdictOf(row.preference)) && VOTE_AS[vote.vote] !== verdictOf(row.preference)],
};
const VOTE_AS = { cell: "won", reference: "lost", tie: "tied" };

/** The rows that pass every filter of `ask`; `beside` are the rows of the other cell, `voteOf` gives a row's vote. */
function filteredRows(rows, ask, beside, voteOf) {
  const query = ask.q.toLowerCase();
  return rows.filter((row) =>
    (!ask.category || row.dataset === ask.category)
    && (!ask.verdict || verdictOf(row.preference) === ask.verdict)
    && (!ask.length || (lengthRatioOf(row) !== null && LENGTHS[ask.length][1](lengthRatioOf(row))))
    && (!ask.answer || ANSWERS[ask.answer][1](row))
    && (!ask.judge || JUDGED[ask.judge][1](row))
    && (!ask.versus || !beside || passesVersus(ask.versus, row, beside[row.place]))
    && (!ask.vote || VOTED[ask.vote][1](row, voteOf(row)))
    && (!query || haystack(row).includes(query)));
}

function passesVersus(versus, row, other) {
  const [, here, there] = VERSUS[versus], own = verdictOf(row.preference), theirs = verdictOf(other.preference);
  return here ? own === here && theirs === there : own !== theirs;
}

function haystack(row) {
  row.haystack ??= [row.instruction, ...row.turns.map((turn) => turn[1]), row.own?.text, row.reference?.text, ...row.said.map((s) => s.text)].join("\n").toLowerCase();
  return row.haystack;
}

const ROW_SORTS = {
  place: ["the set's order", (a, b) => a.place - b.place],
  influence: ["moves the win rate most", (a, b) => Math.abs(b.influence ?? 0) - Math.abs(a.influence ?? 0)],
  for: ["most for the cell", (a, b) => (b.influence ?? 0) - (a.influence ?? 0)],
  against: ["most against the cell", (a, b) => (a.influence ?? 0) - (b.influence ?? 0)],
  longest: ["longest answer first", (a, b) => (b.own?.chars ?? 0) - (a.own?.chars ?? 0)],
  ratio: ["length to the reference's", (a, b) => (lengthRatioOf(b) ?? 0) - (lengthRatioOf(a) ?? 0)],
};

function sortedRows(rows, by) {
  const compare = (ROW_SORTS[by] || ROW_SORTS.place)[1];
  return rows.slice().sort((a, b) => compare(a, b) || a.place - b.place);
}

/** How many of the rows were won, tied, lost and not judged. */
function countVerdicts(rows) {
  const counts = { won: 0, tied: 0, lost: 0, unjudged: 0 };
  for (const row of rows) counts[verdictOf(row.preference)]++;
  return counts;
}
