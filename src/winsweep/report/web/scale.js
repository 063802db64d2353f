// Scales and ticks of the plots.

/** A function from [from, to] to [start, end]. */
function linear(from, to, start, end) {
  const factor = to === from ? 0 : (end - start) / (to - from);
  const place = (value) => start + (value - from) * factor;
  return Object.assign(place, { from, to, start, end });
}

/** At most about `num` round numbers in [from, to]. */
function ticks(from, to, num) {
  if (!(to > from)) return [from];
  const rough = (to - from) / Math.max(1, num);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((s) => s >= rough);
  const found = [];
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to + step * 1e-9; i++) found.push(Number((i * step).toPrecision(12)));
  return found;
}

/** The range of values, and a share of it on either side. */
function extent(values, margin = 0) {
  const known = values.filter((v) => Number.isFinite(v));
  if (!known.length) return [0, 1];
  let low = known[0], high = known[0];
  for (const v of known) { if (v < low) low = v; if (v > high) high = v; }
  const beside = (high - low) * margin || (margin ? Math.abs(high) * margin || 1 : 0);
  return [low - beside, high + beside];
}
