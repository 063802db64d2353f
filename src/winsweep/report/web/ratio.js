// Win rate against the length of the answers.

function lengthRatio() {
  const ratio = (arm) => arm.mean_chars / arm.mean_chars_reference;
  const usable = (arm) => Number.isFinite(ratio(arm)) && arm.mean_chars_reference > 0 && arm.headline_pct !== null;
  if (CONTENTS.arms.filter(usable).length < 2) return null;
  const node = drawn((width) => {
    const arms = shownArms().filter(usable);
    if (!arms.length) return null;
    const height = Math.min(380, Math.max(240, width * 0.5)), left = 40, bottom = height - 40;
    const [least, most] = extent([...arms.map(ratio), 1]), room = (most - least) * 0.08 || 0.1;
    const x = linear(Math.max(0, least - room), most + room, left, width - 12);
    const y = linear(...percentRange(arms.map((a) => a.headline_pct)), bottom, 12);
    return figure(width, height, "Win rate against length ratio", yAxis(y, left, width - 12, 6, tickText, true),
      xAxis(x, 12, bottom, width < 500 ? 4 : 8, tickText, false),
      svg("line", { x1: x(1), x2: x(1), y1: 12, y2: bottom, class: "half" }),
      svg("text", { x: width - 12, y: height - 6, "text-anchor": "end", class: "quiet" }, "mean length of answers / of the reference's"),
      arms.map((arm) => svg("g", { class: `arm ${arm.is_reference ? "reference" : `m${look(arm.model)}`}` },
        svg("title", {}, `${armName(arm)}: length ratio ${fixed(ratio(arm), 2)}, win rate ${fixed(arm.headline_pct)} %`),
        mark(look(arm.model), x(ratio(arm)), y(arm.headline_pct), 4.6, { class: "solid" }))),
      labels(arms.map((arm) => ({ x: x(ratio(arm)), y: y(arm.headline_pct), text: arm.name })), width));
  });
  return [node, modelKey(), el("p", { class: "caption" }, el("b", {}, headlineLabel()), " against how long the answers are. ", ratioNotes(CONTENTS.arms.filter((arm) => !usable(arm))))];
}

/** What the figure corrects for, and which arms it lacks. */
function ratioNotes(left) {
  const others = CONTENTS.arms.filter((arm) => !arm.is_reference), plain = others.filter((arm) => arm.is_plain).length;
  const which = CONTENTS.control.name === "none" || plain === others.length ? "such" : `corrected for length${plain ? `, but for ${plain} of ${plural(others.length, "arm")}` : ""}`;
  const names = left.slice(0, 4).map(armName).join(", ") + (left.length > 4 ? ` and ${left.length - 4} more` : "");
  return `A judge that likes long answers pulls plain win rates up to the right; these are ${which}.${left.length ? ` Not shown, as the reference's answers are empty or there is no win rate: ${names}.` : ""}`;
}

/** Names beside their points, those left out that would lie over another. */
function labels(points, width) {
  const taken = [];
  return points.map(({ x, y, text }) => {
    const w = [...visible(text)].length * 6.6 + 4;
    const spots = [[x + 9, y + 4, "start"], [x - 9, y + 4, "end"], [x + 5, y - 8, "start"], [x + 5, y + 16, "start"]];
    for (const [tx, ty, anchor] of spots) {
      const box = anchor === "start" ? [tx, ty - 10, tx + w, ty + 3] : [tx - w, ty - 10, tx, ty + 3];
      const free = box[0] > 40 && box[2] < width && !taken.some((b) => b[0] < box[2] && box[0] < b[2] && b[1] < box[3] && box[1] < b[3]);
      const clear = !points.some((p) => p.x > box[0] - 4 && p.x < box[2] + 4 && p.y > box[1] - 4 && p.y < box[3] + 4);
      if (free && clear) {
        taken.push(box);
        return svg("text", { x: tx, y: ty, "text-anchor": anchor, class: "label" }, text);
      }
    }
    return null;
  });
}

/** Which mark is which model; nothing for one model. */
function modelKey() {
  if (MODELS.length < 2) return null;
  return el("p", { class: "key" }, MODELS.map((model) => el("span", { class: `m${look(model)}` },
    svg("svg", { viewBox: "0 0 12 12", width: 12, height: 12 }, mark(look(model), 6, 6, 4.4, { class: "solid" })), ` ${model}`)));
}
