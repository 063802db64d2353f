// What is shown: the order of the arms, and which are hidden. Sections draw themselves again when it changes.

const CONTENTS = read("contents");
const STATE = { sort: "study", hidden: new Set(), drawers: [] };
const SORTS = {
  study: ["study's order", (a, b) => a.id - b.id],
  rate: ["win rate", (a, b) => (b.paired_win_rate_pct ?? -1) - (a.paired_win_rate_pct ?? -1) || a.id - b.id],
  name: ["name", (a, b) => a.name.localeCompare(b.name) || a.id - b.id],
  length: ["length of answers", (a, b) => (b.mean_chars ?? -1) - (a.mean_chars ?? -1) || a.id - b.id],
};

function models() {
  return [...new Set(CONTENTS.arms.map((arm) => arm.model))];
}

/** The arms that are shown, in their order; of each model together where `byModel`. */
function shownArms(byModel = false) {
  const order = SORTS[STATE.sort][1];
  const shown = CONTENTS.arms.filter((arm) => !STATE.hidden.has(arm.id)).sort(order);
  return byModel ? models().flatMap((model) => shown.filter((arm) => arm.model === model)) : shown;
}

/** Draw now, and again whenever what is shown changes. */
function drawn(draw) {
  const node = el("div", { class: "drawn" });
  const again = () => node.replaceChildren(...[draw(node)].flat(Infinity).filter(Boolean));
  STATE.drawers.push(again);
  again();
  return node;
}

function redraw() {
  for (const draw of STATE.drawers) draw();
}

/** An arm's full name; short where there is one model. */
function armName(arm) {
  return models().length > 1 ? `${arm.name} · ${arm.model}` : arm.name;
}

/** The class of a model's colour, and its mark. */
function look(model) {
  return models().indexOf(model) % 6;
}
