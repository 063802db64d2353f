// Which arms differ: each against half and against the others of its model, p by Holm.

const MOST_SIDE = 40;

function differences() {
  if (!CONTENTS.differences.length) return null;
  const known = new Map();
  for (const row of CONTENTS.differences) {
    known.set(`${row.model}\n${row.arm}\n${row.against}`, { ...row, sign: 1 });
    known.set(`${row.model}\n${row.against}\n${row.arm}`, { ...row, sign: -1 });
  }
  const node = drawn(() => MODELS.map((model) => matrix(model, known)));
  const many = MODELS.some((model) => CONTENTS.arms.filter((arm) => arm.model === model).length > MOST_SIDE);
  return [node, el("p", { class: "caption" }, el("b", {}, "Row less column, in points"), `${CONTENTS.control.where && " "}${CONTENTS.control.where}, over the same instructions and seeds. `,
    el("span", { class: "chip more-than" }, "+"), el("span", { class: "chip less-than" }, "−"), ` told apart at ${LEVEL} after Holm's correction for the number of tests; others are plain. `,
    many ? `Between arms, the ${MOST_SIDE} highest of each model; all are in ${CONTENTS.study.name}.differences.csv. ` : "", "Arms that were counted on other instructions are not compared with each other.")];
}

function matrix(model, known) {
  const arms = comparedArms().filter((arm) => arm.model === model && known.has(`${model}\n${arm.name}\nparity`)).slice(0, MOST_SIDE);
  if (!arms.length) return null;
  const columns = ["parity", ...(arms.length > 1 ? arms.map((arm) => arm.name) : [])].filter(
    (name) => name === "parity" || arms.some((arm) => known.has(`${model}\n${arm.name}\n${name}`)));
  return el("div", { class: "scroll" }, el("table", { class: "matrix", "data-model": model },
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, MODELS.length > 1 ? model : ""),
      columns.map((name) => el("th", { scope: "col" }, el("span", {}, name === "parity" ? "half" : name))))),
    el("tbody", {}, arms.map((arm) => el("tr", {}, el("th", { scope: "row" }, arm.name),
      columns.map((name) => difference(known.get(`${model}\n${arm.name}\n${name}`), arm, name)))))));
}

function difference(row, arm, name) {
  if (arm.name === name) return el("td", { class: "self" });
  if (!row) return el("td", { class: "none" }, "·");
  const value = row.sign * Number(row.difference_pct), p = Number(row.p_holm);
  const [low, high] = row.sign > 0 ? [row.low_pct, row.high_pct] : [-row.high_pct, -row.low_pct];
  const apart = p < LEVEL ? (value > 0 ? "more-than" : "less-than") : "";
  return el("td", { class: `number ${apart}`, "data-p": row.p_holm,
    title: visible(`${arm.name} less ${name}: ${fixed(value, 2)} (${fixed(low, 2)} to ${fixed(high, 2)}), Holm's p ${shortP(p)}`) },
  `${value > 0 ? "+" : ""}${fixed(value)}`);
}

function shortP(p) {
  return p < 0.001 ? "< 0.001" : `= ${p.toFixed(3)}`;
}
