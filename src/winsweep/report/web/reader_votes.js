// A person's votes: kept by the browser where it allows that, given out and taken in as a file.

const VOTES_FORMAT = "winsweep votes";
const PREFERENCES = { cell: 2, tie: 1.5, reference: 1 }; // on AlpacaEval's scale

/** Votes of this study and instruction set: cell to place to vote; `seed` shuffles the sides in blind mode. */
const VOTES = keptVotes();

function votesKey() {
  return `winsweep votes: ${TEXTS ? `${TEXTS.study} ${TEXTS.digest}` : ""}`;
}

function keptVotes() {
  try {
    const kept = JSON.parse(localStorage.getItem(votesKey()));
    if (kept && typeof kept.seed === "number" && kept.cells) return kept;
  } catch { /* a browser that keeps nothing for files */ }
  return { seed: Math.floor(Math.random() * 1e6), cells: {} };
}

function keepVotes() {
  try {
    localStorage.setItem(votesKey(), JSON.stringify(VOTES));
    return true;
  } catch {
    return false;
  }
}

function voteOn(cell, place) {
  return Object.hasOwn(VOTES.cells, cell) ? VOTES.cells[cell][place] || null : null;
}

/** Put a vote (`cell`, `tie`, `reference`), or take it away with null; whether the browser keeps it. */
function castVote(cell, row, vote, blind, left) {
  const of = Object.hasOwn(VOTES.cells, cell) ? VOTES.cells[cell] : (VOTES.cells[cell] = {});
  if (!vote) delete of[row.place];
  else of[row.place] = { vote, blind, left, instruction: row.digest, output_1: row.reference.digest, output_2: row.own.digest, at: new Date().toISOString() };
  return keepVotes();
}

/** Whether the cell's answer stands on the right in blind mode: by the seed, the cell and the instruction alone. */
function isSwapped(cell, digest) {
  let hash = 2166136261 ^ VOTES.seed; // FNV-1a
  for (const c of `${cell} ${digest}`) hash = Math.imul(hash ^ c.codePointAt(0), 16777619);
  hash = Math.imul(hash ^ (hash >>> 15), 2246822507);
  return ((hash ^ (hash >>> 13)) & 1) === 1;
}

function numVotes() {
  return Object.values(VOTES.cells).reduce((sum, of) => sum + Object.keys(of).length, 0);
}

/** The file of all votes; docs/how_to/read_answers.md says what is in it. */
function votesFile() {
  const votes = Object.entries(VOTES.cells).flatMap(([cell, of]) => Object.entries(of).map(([place, v]) => ({
    cell, reference: cellEntry(cell)?.reference_name ?? "", row: Number(place), instruction: v.instruction, output_1: v.output_1, output_2: v.output_2,
    vote: v.vote, preference: PREFERENCES[v.vote], blind: v.blind, left: v.left, at: v.at,
  })));
  return { format: VOTES_FORMAT, version: 1, study: TEXTS.study, instructions: TEXTS.digest, seed: VOTES.seed, votes };
}

function saveVotes() {
  const url = URL.createObjectURL(new Blob([`${JSON.stringify(votesFile(), null, 1)}\n`], { type: "application/json" }));
  el("a", { href: url, download: `${TEXTS.study.replace(/[^\w.-]+/g, "_")}.votes.json` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

/** Take in a file of votes; how many were new. Error for one that is not of this study. */
function addVotes(text) {
  const found = JSON.parse(text);
  if (found?.format !== VOTES_FORMAT || found.version !== 1) throw new Error("This is no file of votes.");
  if (found.instructions !== TEXTS.digest) throw new Error("These votes are on other instructions.");
  let num = 0;
  for (const v of found.votes) {
    if (!cellEntry(v.cell) || !Object.hasOwn(PREFERENCES, v.vote) || !Number.isInteger(v.row) || voteOn(v.cell, v.row)) continue;
    const of = Object.hasOwn(VOTES.cells, v.cell) ? VOTES.cells[v.cell] : (VOTES.cells[v.cell] = {});
    of[v.row] = { vote: v.vote, blind: Boolean(v.blind), left: String(v.left), instruction: String(v.instruction), output_1: String(v.output_1), output_2: String(v.output_2), at: String(v.at) };
    num++;
  }
  keepVotes();
  return num;
}
