// Plain win rates by group of instructions: a small figure for each arm.

function categories() {
  const { names, rates, left_out: left } = CONTENTS.categories;
  return groupFigures(names, rates, `${left ? `The ${names.length} largest categories; ${left} smaller ones are left out. ` : ""}`);
}

function instructionLengths() {
  const { ranges, rates } = CONTENTS.lengths;
  return groupFigures(ranges.map(([a, b]) => (a === b ? `${a} characters` : `${whole(a)} to ${whole(b)}`)), rates, "Length of the instruction in characters. ");
}

function groupFigures(names, rates, about) {
  if (names.length < 2) return null;
  let all = false;
  const of = new Map();
  for (const rate of rates) of.set(rate.arm, [...(of.get(rate.arm) || []), rate]);
  const node = drawn((width) => {
    const { columns, each, most } = grid(width);
    const [arms, more] = firstOf(comparedArms(), most, () => all, () => { all = true; redraw(); }, "arm");
    return [el("div", { class: `panels columns-${columns}` }, arms.map((arm) => groupPanel(arm, names, of.get(arm.id) || [], each))), more];
  });
  return [node, el("p", { class: "caption" }, about, el("b", {}, "Plain win rate, %"), " with its 95 % interval over seeds and instructions; a group has too few rows to correct for length. On hover: the number of instructions.")];
}

function groupPanel(arm, names, rates, width) {
  const side = widthOf(names, width * 0.4, 12) + 10, row = 19, height = 8 + names.length * row;
  const x = linear(-1, 101, side, width - 8);
  const rows = rates.map((rate) => {
    const y = 8 + rate.group * row + row / 2;
    return svg("g", { class: `arm m${look(arm.model)}`, "data-group": rate.group },
      svg("title", {}, `${names[rate.group]}: ${fixed(rate.win_rate_pct)} % (${fixed(rate.low_pct)} to ${fixed(rate.high_pct)}), ${plural(rate.n, "instruction")}`),
      svg("rect", { x: 0, y: y - row / 2, width, height: row, class: "hit" }),
      svg("line", { x1: x(rate.low_pct), x2: x(rate.high_pct), y1: y, y2: y, class: "interval thin" }),
      mark(look(arm.model), x(rate.win_rate_pct), y, 3.4, { class: "solid" }));
  });
  return el("figure", {}, el("figcaption", {}, arm.name, MODELS.length > 1 ? el("span", { class: "quiet" }, ` ${arm.model}`) : null),
    figure(width, height + 20, `Win rates of ${arm.name} by group`, xAxis(x, 8, height, 4), rows,
    names.map((name, i) => fitted(name, side - 10, { x: side - 10, y: 12 + i * row + row / 2, "text-anchor": "end", class: "small" }, 12))));
}
