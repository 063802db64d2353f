// The bar over the reader: cell, differences, blind mode, votes out and in.

function showBar() {
  const toggle = (name, text, key) => el("button", { type: "button", "data-toggle": name, "aria-pressed": READ[name] ? "true" : "false", title: `key ${key}`, on: { click: () => toggleMode(name) } }, text);
  const cells = TEXTS.cells.map((entry) => el("option", { value: entry.cell, selected: entry === READ.entry }, entry.cell));
  const files = el("input", { type: "file", accept: ".json", hidden: true, on: { change: takeVotes } });
  document.getElementById("reader-bar").replaceChildren(
    el("a", { id: "close-reader", href: "#reading" }, "← Report"),
    el("button", { type: "button", id: "reader-open-panel", on: { click: () => document.getElementById("reader").classList.toggle("with-panel") } }, "List"),
    READ.blind ? el("span", { class: "quiet", id: "reader-seed" }, `names hidden, sides by seed ${VOTES.seed}`)
      : el("label", {}, el("span", { class: "quiet" }, "Cell "), el("select", { id: "reader-cell", on: { change: (event) => go({ cell: event.target.value }) } }, cells)),
    el("span", { class: "grow" }),
    toggle("diff", "Differences", "d"), toggle("blind", "Blind", "h"),
    el("button", { type: "button", id: "save-votes", disabled: !numVotes(), on: { click: saveVotes } }, `Save ${plural(numVotes(), "vote")}`),
    el("button", { type: "button", id: "add-votes", title: "take in a file of votes", on: { click: () => files.click() } }, "Add votes"), files,
    el("button", { type: "button", id: "reader-help", "aria-label": "keys", on: { click: () => document.getElementById("reader-keys").showModal() } }, "?"));
}

async function takeVotes(event) {
  const file = event.target.files[0];
  if (!file) return;
  let told = "";
  try { told = `${plural(addVotes(await file.text()), "vote")} added`; } catch (error) { told = error instanceof SyntaxError ? "This is no JSON file." : error.message; }
  showBar();
  showList();
  showRow();
  document.querySelector("#reader-vote .tally")?.replaceChildren(told);
}

/** Differences or blind mode on or off. */
function toggleMode(name) {
  READ[name] = !READ[name];
  if (name === "blind") {
    hideTelling();
    showPanel();
  }
  showBar();
  go();
}

/** Vote, or take a vote back; in blind mode the next row follows. */
function giveVote(row, vote) {
  const kept = castVote(READ.entry.cell, row, vote, READ.blind, sidesOf(row)[0].kind);
  showBar();
  document.querySelector(`#reader-rows [data-place="${row.place}"]`)?.parentElement.replaceWith(listItem(row));
  if (!READ.blind || !vote || !step(1)) showRow();
  if (!kept) document.querySelector("#reader-vote .tally")?.replaceChildren("This browser keeps no votes: save them before you leave.");
}
