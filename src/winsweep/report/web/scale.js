// Scales, ticks, axes and marks of the figures.

/** A function from [from, to] to [start, end]. */
function linear(from, to, start, end) {
  const factor = to === from ? 0 : (end - start) / (to - from);
  return Object.assign((value) => start + (value - from) * factor, { from, to, start, end });
}

/** About `num` round numbers in [from, to]. */
function ticks(from, to, num) {
  if (!(to > from)) return [from];
  const rough = (to - from) / Math.max(1, num);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((s) => s >= rough * 0.999);
  const found = [];
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to + step * 1e-9; i++) found.push(Number((i * step).toPrecision(12)));
  return found;
}

/** The least and the largest of the numbers in a list; [0, 1] of none. */
function extent(values) {
  const known = values.filter((v) => typeof v === "number" && Number.isFinite(v));
  return known.length ? known.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [Infinity, -Infinity]) : [0, 1];
}

/** The range of percentages that holds `values` and 50, with some room, within 0 and 100. */
function percentRange(values) {
  const [low, high] = extent([...values, 50]);
  const room = Math.max((high - low) * 0.06, 1);
  return [Math.max(low - room, low >= 0 ? -1.2 : low), Math.min(high + room, 101.2)];
}

/** The range widened to its ticks, so that both ends have a number; within the room of 0 and 100. */
function roundRange(from, to, num) {
  for (let i = 0; i < 3; i++) { // a wider range may have wider steps
    const [first, second] = ticks(from, to, num), step = second - first;
    if (!(step > 0)) break;
    [from, to] = [Math.max(Math.floor(from / step + 1e-9) * step, -1.2), Math.min(Math.ceil(to / step - 1e-9) * step, 101.2)];
  }
  return [from, to];
}

function figure(width, height, label, ...children) {
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": visible(label) }, ...children);
}

/** A tick's number with all its decimals: rounded, neighbours would read alike. */
const tickText = (v) => String(v).replace("-", "−");

/** Vertical lines at the ticks of x between two heights; a stronger one at 50. */
function xLines(x, top, bottom, num, half = true) {
  const at = ticks(x.from, x.to, num);
  return [...new Set(half ? [...at, 50] : at)].map((v) =>
    svg("line", { x1: x(v), x2: x(v), y1: top, y2: bottom, class: half && v === 50 ? "half" : "grid" }));
}

/** The same with numbers under them. */
function xAxis(x, top, bottom, num, show = tickText, half = true) {
  return svg("g", { class: "axis" }, xLines(x, top, bottom, num, half),
    ticks(x.from, x.to, num).map((v) => svg("text", { x: x(v), y: bottom + 14, "text-anchor": "middle" }, show(v))));
}

function yAxis(y, left, right, num, show, half = false) {
  const at = ticks(y.from, y.to, num);
  return svg("g", { class: "axis" },
    at.map((v) => svg("line", { x1: left, x2: right, y1: y(v), y2: y(v), class: half && v === 50 ? "half" : "grid" })),
    at.map((v) => svg("text", { x: left - 6, y: y(v) + 4, "text-anchor": "end" }, show(v))));
}

/** The mark of a model: a disc, a square, a diamond, triangles, a bar. */
function mark(n, x, y, r, attributes) {
  const s = r * 0.9, d = r * 1.25;
  const shapes = [
    null,
    `M${x - s} ${y - s}h${2 * s}v${2 * s}h${-2 * s}z`,
    `M${x} ${y - d}L${x + d} ${y}L${x} ${y + d}L${x - d} ${y}z`,
    `M${x} ${y - d}L${x + d} ${y + r}L${x - d} ${y + r}z`,
    `M${x} ${y + d}L${x + d} ${y - r}L${x - d} ${y - r}z`,
    `M${x - r * 1.2} ${y - r * 0.6}h${r * 2.4}v${r * 1.2}h${-r * 2.4}z`,
  ];
  return shapes[n] ? svg("path", { d: shapes[n], ...attributes }) : svg("circle", { cx: x, cy: y, r, ...attributes });
}

/** A text cut to about so many pixels, the whole of it on hover. */
function fitted(text, pixels, attributes, size = 13) {
  const most = Math.max(3, Math.floor(pixels / (size * 0.56)));
  const whole = visible(text);
  const letters = [...whole];
  return svg("text", attributes, letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : whole,
    letters.length > most ? svg("title", {}, whole) : null);
}

/** How wide the longest of the texts is, in pixels, about; at most `most`. */
function widthOf(texts, most, size = 13) {
  return Math.min(most, Math.max(0, ...texts.map((t) => [...visible(t)].length)) * size * 0.56 + 4);
}
