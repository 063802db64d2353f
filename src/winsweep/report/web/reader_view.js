// One instruction: the answers side by side, what the judge made of them, and a person's vote.

/** The sides of a row from left to right; in blind mode the seed decides, and a third answer is not shown. */
function sidesOf(row) {
  const { entry, beside, besideRows, blind } = READ;
  const sides = [
    { kind: "cell", name: entry.cell, side: row.own },
    { kind: "reference", name: entry.reference_name, side: row.reference },
  ];
  if (blind) return isSwapped(entry.cell, row.digest) ? sides.reverse() : sides;
  if (besideRows) sides.push({ kind: "beside", name: beside.cell, side: besideRows[row.place].own });
  return sides;
}

function rowView(row) {
  const sides = sidesOf(row);
  const parts = READ.diff ? differing(row, sides) : {};
  return [
    el("div", { class: "place" }, el("b", {}, `#${row.place}`), row.dataset ? el("span", { class: "category" }, oneLine(row.dataset, 80)) : null,
      row.counted ? null : el("span", { class: "tag" }, "does not count in this cell's win rate"),
      el("span", { class: "of" }, `${READ.shown.indexOf(row) + 1 || "–"} of ${whole(READ.shown.length)}`)),
    el("div", { class: "instruction" }, row.turns.length ? row.turns.map(turnView) : expandable(row.instruction, null, "instruction")),
    READ.blind ? null : judgeView(row),
    READ.diff && parts.none ? el("p", { class: "caption" }, "The two answers differ too much for marks to show anything.") : null,
    el("div", { class: `answers columns-${sides.length}` }, sides.map((s, i) => answerView(s, i, parts[s.kind]))),
    READ.blind ? null : repliesView(row),
    READ.blind ? null : moreView(row),
  ];
}

function turnView([speaker, text], i) {
  return el("div", { class: "turn" }, el("span", { class: "role" }, oneLine(speaker, 20)), expandable(text, null, `turn ${i}`));
}

/** Parts of each side that its neighbour lacks: the cell's and the reference's against each other, a third against the
 * reference's. Of long texts what is shown. */
function differing(row, sides) {
  const text = (kind) => {
    const found = sides.find((s) => s.kind === kind)?.side?.text;
    return found === undefined ? null : READ.whole.has(kind) ? found : shortened(found);
  };
  const own = text("cell"), reference = text("reference"), third = text("beside");
  if (own === null || reference === null) return {};
  const first = diffTexts(own, reference);
  const other = third === null ? null : diffTexts(third, reference);
  return { cell: first?.[0], reference: first?.[1], beside: other?.[0], none: !first };
}

function answerView(s, i, parts) {
  const blindName = "AB"[i];
  const name = READ.blind ? `Answer ${blindName}` : s.name;
  const heading = el("header", {}, el("h3", { title: visible(name) }, name), READ.blind ? null : el("span", { class: "role" }, ROLES[s.kind]), s.side ? factsOf(s.side) : null);
  const body = s.side ? expandable(s.side.text, parts, s.kind) : el("p", { class: "no-text" }, "not answered yet");
  return el("article", { class: `answer ${READ.blind ? "blind" : s.kind}` }, heading, body);
}

const ROLES = { cell: "this cell", reference: "the reference", beside: "beside" };

/** In blind mode characters alone: references that came as a file have no tokens. */
function factsOf(side) {
  if (READ.blind) return el("p", { class: "facts" }, plural(side.chars, "character"));
  return el("p", { class: "facts" }, plural(side.chars, "character"), side.tokens === null ? null : ` · ${plural(side.tokens, "token")}`,
    side.cut ? el("span", { class: "tag cut" }, "cut at the limit") : null, side.empty ? el("span", { class: "tag cut" }, "empty") : null);
}

/** A text with a button that shows the rest of a long one. */
function expandable(text, parts, kind) {
  const isWhole = READ.whole.has(kind);
  if (!isLong(text)) return textBlock(text, parts, true);
  const change = () => {
    if (isWhole) READ.whole.delete(kind);
    else READ.whole.add(kind);
    showRow();
  };
  return [textBlock(text, parts, isWhole), el("button", { type: "button", class: "rest", on: { click: change } }, isWhole ? "Show the beginning only" : `Show all ${whole(charsOf(text))} characters`)];
}

/** The preference on a line from the cell to the reference, in words, and what the judge wrote. */
function judgeView(row) {
  if (typeof row.preference !== "number") return el("p", { class: "caption" }, "Not judged yet.");
  const verdict = verdictOf(row.preference), cell = row.preference - 1;
  const facts = [
    row.first ? FIRST_SHOWN[row.first] : null,
    Array.isArray(row.by_order) ? `with the reference first ${percent(row.by_order[0] - 1, 1)} %, with the cell first ${percent(row.by_order[1] - 1, 1)} % for the cell${ordersDisagree(row) ? ": it changed its mind with the order" : ""}` : null,
    row.influence === null ? null : `moves the win rate by ${signed(row.influence, 3)} points`,
    row.own?.text === row.reference?.text ? "the two answers are the same text" : null,
  ].filter(Boolean);
  return el("div", { class: `verdict ${verdict}` },
    el("p", { class: "said" }, el("b", {}, verdict === "tied" ? "Tie" : verdict === "won" ? "The cell’s is better" : "The reference’s is better"),
      verdict === "tied" ? "" : `, ${percent(verdict === "won" ? cell : 1 - cell, 1)} %`, el("span", { class: "quiet" }, ` · ${READ.entry.judge}`)),
    scaleView(cell),
    facts.length ? el("p", { class: "facts" }, sentenceOf(facts)) : null);
}

const FIRST_SHOWN = { reference: "the judge saw the reference’s first", candidate: "the judge saw the cell’s first", both: "the judge was asked in both orders" };

function sentenceOf(facts) {
  const text = facts.join("; ");
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}

function signed(value, decimals) {
  return `${value > 0 ? "+" : ""}${fixed(value, decimals)}`;
}

/** From all for the cell (left, as its answer) to all for the reference. */
function scaleView(cell) {
  return svg("svg", { class: "scale", viewBox: "0 0 400 10", preserveAspectRatio: "none", role: "img", "aria-label": `${percent(cell, 1)} % for the cell` },
    svg("rect", { x: 0, y: 3, width: 400 * cell, height: 4, class: "for-cell" }),
    svg("rect", { x: 400 * cell, y: 3, width: 400 * (1 - cell), height: 4, class: "for-reference" }),
    svg("rect", { x: 199.5, y: 0, width: 1, height: 10, class: "middle" }));
}

/** What the judge wrote, and the likeliest beginnings of its reply. */
function repliesView(row) {
  if (!row.said.length) return null;
  return el("details", { class: "replies", open: READ.words, on: { toggle: (event) => { READ.words = event.target.open; } } },
    el("summary", {}, row.said.length > 1 ? "What the judge wrote, in both orders" : "What the judge wrote"),
    el("div", { class: `columns-${row.said.length}` }, row.said.map((reply, i) => replyView(reply, row, i))));
}

function replyView(reply, row, i) {
  const first = Array.isArray(row.by_order) ? ["reference", "candidate"][i] : row.first;
  const order = first === "candidate" ? "shown first: the cell’s; second: the reference’s" : first === "reference" ? "shown first: the reference’s; second: the cell’s" : "";
  const tokens = reply.tokens ? el("p", { class: "tokens" }, reply.tokens.map(([token, p]) => el("span", {}, el("code", {}, textNodes(token)), ` ${percent(p, p < 0.001 ? 3 : 1)} %`))) : null;
  return el("div", { class: "reply" }, order ? el("p", { class: "facts" }, order) : null, tokens, tokens && reply.text.length < 12 ? null : textBlock(reply.text, null, true));
}

/** What else the judgement's file holds of a row. */
function moreView(row) {
  const found = Object.entries(row.more).filter(([, value]) => value !== null && value !== "");
  if (!found.length) return null;
  return el("details", { class: "more", open: READ.more, on: { toggle: (event) => { READ.more = event.target.open; } } },
    el("summary", {}, "What else is known of this row"),
    el("dl", {}, found.map(([name, value]) => [el("dt", {}, name), el("dd", {}, textNodes(typeof value === "number" ? String(Number(value.toPrecision(6))) : String(value)))])));
}

const CHOICES = { cell: "cell better", reference: "reference better" };

/** The three votes, by what stands where; the keys 1, 2, 3 are these. */
function voteChoices(row) {
  const [left, right] = sidesOf(row);
  return [[left.kind, READ.blind ? "A is better" : CHOICES[left.kind]], ["tie", "tie"], [right.kind, READ.blind ? "B is better" : CHOICES[right.kind]]];
}

function voteView(row) {
  if (!row.own || !row.reference) return el("span", { class: "quiet" }, "There is nothing to vote on yet.");
  const now = voteOn(READ.entry.cell, row.place);
  return [
    el("span", { class: "choices", role: "group", "aria-label": "your vote" }, voteChoices(row).map(([vote, name], i) =>
      el("button", { type: "button", "data-vote": vote === "tie" ? "tie" : "AB"[i / 2], "aria-pressed": now?.vote === vote ? "true" : "false", on: { click: () => giveVote(row, vote) } }, el("kbd", {}, i + 1), ` ${name}`))),
    el("span", { class: "quiet tally" }, tallyOf()),
  ];
}

/** How many votes there are on this cell, and how often they agree with the judge. */
function tallyOf() {
  const voted = READ.rows.map((row) => [row, voteOn(READ.entry.cell, row.place)]).filter(([, vote]) => vote);
  if (!voted.length) return "Your vote is kept in this browser.";
  const judged = voted.filter(([row]) => typeof row.preference === "number");
  const same = judged.filter(([row, vote]) => VOTE_AS[vote.vote] === verdictOf(row.preference)).length;
  return `${plural(voted.length, "vote")} on this cell${judged.length && !READ.blind ? `, ${percent(same / judged.length)} % as the judge` : ""}`;
}
