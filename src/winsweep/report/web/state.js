// What is shown: the order of the arms, and which are hidden. Figures are drawn again when it changes.

const CONTENTS = read("contents");
const STATE = { sort: "rate", hidden: new Set(), drawers: [], width: null };
const SORTS = {
  rate: ["win rate", (a, b) => (b.headline_pct ?? -1) - (a.headline_pct ?? -1) || a.id - b.id],
  study: ["the study's order", (a, b) => a.id - b.id],
  name: ["name", (a, b) => a.name.localeCompare(b.name) || a.id - b.id],
  length: ["length of answers", (a, b) => (b.mean_chars ?? -1) - (a.mean_chars ?? -1) || a.id - b.id],
};
const MODELS = [...new Set(CONTENTS.arms.map((arm) => arm.model))];

/** The arms that are shown, those of a model together, in the order that is chosen. */
function shownArms() {
  const shown = CONTENTS.arms.filter((arm) => !STATE.hidden.has(arm.id)).sort(SORTS[STATE.sort][1]);
  return MODELS.flatMap((model) => shown.filter((arm) => arm.model === model));
}

/** The same without arms that were compared with themselves, unless there are no others. */
function comparedArms() {
  const others = shownArms().filter((arm) => !arm.is_reference);
  return others.length ? others : shownArms();
}

/** How many small figures stand beside each other, and how many are shown at first. */
function grid(width) {
  const columns = width < 520 ? 1 : width < 820 ? 2 : 3;
  return { columns, each: (width - 28 * (columns - 1)) / columns, most: columns === 1 ? 4 : 12 };
}

/** A box in which `draw(width)` draws, again whenever what is shown, or the width, changes. */
function drawn(draw) {
  const node = el("div", { class: "drawn" });
  const again = () => {
    const width = STATE.width || node.clientWidth;
    if (width) node.replaceChildren(...[draw(width)].flat(Infinity).filter(Boolean));
  };
  STATE.drawers.push(again);
  return node;
}

function redraw() {
  for (const draw of STATE.drawers) draw();
}

/** The first `most` of a list, and a button that shows all of it. */
function firstOf(list, most, all, show, what) {
  if (all() || list.length <= most) return [list, null];
  const button = el("button", { type: "button", on: { click: show } }, `show all ${plural(list.length, what)}`);
  return [list.slice(0, most), el("p", { class: "more" }, button)];
}

/** An arm with its model, where there are several. */
function armName(arm) {
  return MODELS.length > 1 ? `${arm.name} (${arm.model})` : arm.name;
}

/** The place of a model among the colours and marks. */
function look(model) {
  return MODELS.indexOf(model) % 6;
}

/** The choice of order and of arms. */
function controls() {
  const sort = el("select", { id: "sort", on: { change: () => { STATE.sort = sort.value; redraw(); } } },
    Object.entries(SORTS).map(([name, [title]]) => el("option", { value: name, selected: name === STATE.sort }, title)));
  const count = el("span", { id: "count" });
  const box = (arm) => {
    const input = el("input", { type: "checkbox", checked: true, "data-arm": arm.id, on: { change: () => {
      input.checked ? STATE.hidden.delete(arm.id) : STATE.hidden.add(arm.id);
      redraw();
    } } });
    return el("label", {}, input, ` ${arm.name}`);
  };
  const all = (value) => () => {
    STATE.hidden = new Set(value ? [] : CONTENTS.arms.map((arm) => arm.id));
    for (const input of choice.querySelectorAll("input")) input.checked = value;
    redraw();
  };
  const choice = el("details", { id: "arms" }, el("summary", {}, count),
    el("p", {}, el("button", { type: "button", on: { click: all(true) } }, "all"), " ",
      el("button", { type: "button", on: { click: all(false) } }, "none")),
    MODELS.map((model) => el("fieldset", {}, MODELS.length > 1 ? el("legend", {}, model) : null,
      CONTENTS.arms.filter((arm) => arm.model === model).map(box))));
  STATE.drawers.push(() => count.replaceChildren(
    `${CONTENTS.arms.length - STATE.hidden.size} of ${plural(CONTENTS.arms.length, "arm")} shown`));
  return el("div", { id: "controls" }, el("label", { for: "sort" }, "Sorted by ", sort), choice);
}
