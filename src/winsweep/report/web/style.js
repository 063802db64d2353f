// What the judge makes of length and Markdown.

const COVARIATES = { length: "length", headers: "headers", lists: "lists", bold: "bold", code: "code blocks" };
let allStyle = false;

function style() {
  if (!CONTENTS.style.rows.length) return null;
  const of = new Map(CONTENTS.style.rows.map((row) => [`${row.arm} ${row.covariate}`, row]));
  const node = drawn(() => {
    const [arms, more] = firstOf(comparedArms(), MOST_ROWS, () => allStyle, () => { allStyle = true; redraw(); }, "arm");
    return [el("div", { class: "scroll", tabindex: 0 }, el("table", { class: "figures", id: "tastes" },
      el("thead", {}, el("tr", {}, armHeads(), Object.values(COVARIATES).map((name) => el("th", { scope: "col", class: "number" }, name)))),
      el("tbody", {}, arms.map((arm) => el("tr", { "data-arm": arm.id }, armCells(arm),
        Object.keys(COVARIATES).map((name) => taste(of.get(`${arm.id} ${name}`)))))))), more];
  });
  return [el("p", { id: "says" }, CONTENTS.style.says.join(" ")), node,
    el("p", { class: "caption" }, el("b", {}, "Factor on the odds of winning"), " for one sample deviation more of it than the reference's answer has, with its 95 % interval; ",
      el("span", { class: "chip more-than" }, "×"), " answers with more of it won more often, other things equal, ", el("span", { class: "chip less-than" }, "×"),
      ` less often, others cannot be told. On hover: how much answers have. ${CONTENTS.control.name === "style" ? "The win rates above are what is left when none of it differs." : "The win rate at equal style is what is left when none of it differs; compare: {control: style} shows that one first."}`)];
}

function taste(row) {
  if (!row || row.log_odds === null) return el("td", { class: "number quiet", title: row ? visible(row.why) : "" }, "·");
  const told = row.low > 0 ? "more-than" : row.high < 0 ? "less-than" : "";
  const amounts = [row.mean, row.mean_reference, row.deviation].map((v) => shortNumber(v));
  return el("td", { class: `number ${told}`, "data-covariate": row.covariate,
    title: visible(`answers ${amounts[0]}, reference ${amounts[1]}, deviation of the difference ${amounts[2]} ${row.unit}`) },
  `× ${fixed(row.odds, 2)} (${fixed(Math.exp(row.low), 2)} to ${fixed(Math.exp(row.high), 2)})`);
}
