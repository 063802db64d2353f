// Training: loss and learning rate by step, the seeds of an arm together.

function training() {
  if (!CONTENTS.curves.length) return null;
  let all = false;
  const families = new Map();
  for (const curve of CONTENTS.curves) {
    const key = [curve.model, curve.task, curve.varying].join("\n");
    families.set(key, [...(families.get(key) || []), curve]);
  }
  const node = drawn((width) => {
    const hidden = new Set(CONTENTS.arms.filter((arm) => STATE.hidden.has(arm.id)).map((arm) => `${arm.model}\n${arm.name}`));
    const shown = [...families.values()].filter(([c]) => !hidden.has(`${c.model}\n${[c.task, c.varying].filter(Boolean).join(" ")}`));
    const { columns, each, most } = grid(width);
    const [some, more] = firstOf(shown, most, () => all, () => { all = true; redraw(); }, "arm");
    return [el("div", { class: `panels columns-${columns}` }, some.map((curves) => curvePanel(curves, each))), more];
  });
  const every = Math.max(...CONTENTS.curves.map((c) => c.every));
  return [node, el("p", { class: "caption" }, el("b", {}, "Loss"), " by optimizer step, a line for each seed; under it the learning rate. ",
    every > 1 ? `Long runs are thinned: each point is the mean of up to ${every} steps.` : "")];
}

function curvePanel(curves, width) {
  const left = 38, right = width - 6, top = 8, bottom = 112, foot = 150;
  const x = linear(...extent(curves.flatMap((c) => c.step)), left, right);
  const [low, high] = extent(curves.flatMap((c) => c.loss));
  const y = linear(Math.min(low, high * 0.6), high + (high - low) * 0.04 || 1, bottom, top);
  const rate = linear(0, extent(curves.flatMap((c) => c.lr))[1] || 1, foot, bottom + 12);
  const { model, task, varying } = curves[0];
  return el("figure", { "data-curves": curves.length },
    el("figcaption", {}, task, varying ? ` ${varying}` : "", MODELS.length > 1 ? el("span", { class: "quiet" }, ` ${model}`) : null),
    figure(width, foot + 18, `Training of ${task}`, yAxis(y, left, right, 4, shortNumber), xAxis(x, top, foot, 4, (v) => (Number.isInteger(v) ? whole(v) : ""), false),
      curves.map((c) => svg("path", { d: area(c.step, c.lr, x, rate), class: "rate" })),
      svg("text", { x: left - 6, y: foot, "text-anchor": "end", class: "tiny" }, "lr"),
      curves.map((c) => svg("g", { class: `m${Math.max(0, look(model))}` },
        svg("title", {}, `seed ${c.seed}: ${plural(c.steps, "step")}, loss ${shortNumber(c.first_loss)} to ${shortNumber(c.last_loss)}`),
        c.step.length > 1 ? svg("path", { d: line(c.step, c.loss, x, y), class: "curve" }) : dot(c, x, y)))));
}

/** A run of one step. */
function dot(curve, x, y) {
  return curve.loss[0] === null ? null : svg("circle", { cx: x(curve.step[0]), cy: y(curve.loss[0]), r: 2.4, class: "solid" });
}

/** A path through the points that are numbers. */
function line(xs, ys, x, y) {
  let pen = "M";
  return xs.map((v, i) => {
    if (ys[i] === null) { pen = "M"; return ""; }
    const step = `${pen}${x(v).toFixed(1)} ${y(ys[i]).toFixed(1)}`;
    pen = "L";
    return step;
  }).join("");
}

function area(xs, ys, x, y) {
  const known = xs.map((v, i) => [v, ys[i]]).filter(([, v]) => v !== null);
  return known.length ? `M${x(known[0][0])} ${y(0)}${known.map(([a, b]) => `L${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("")}L${x(known[known.length - 1][0])} ${y(0)}z` : "";
}

function shortNumber(value) {
  return value === null || value === undefined ? "–" : String(Number(Number(value).toPrecision(3)));
}
