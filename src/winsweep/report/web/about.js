// Notes, cost, and where everything comes from.

function warnings() {
  const found = CONTENTS.notes.filter((note) => note.kind === "warning");
  if (!found.length) return null;
  return el("ul", { id: "warnings" }, found.slice(0, 6).map((note) => el("li", {}, note.text, cellsOf(note))),
    found.length > 6 ? el("li", {}, el("a", { href: "#notes" }, `${found.length - 6} more`)) : null);
}

function cellsOf(note) {
  if (!note.of.length) return null;
  const some = note.of.slice(0, 3).join(", ");
  return el("span", { class: "quiet" }, `: ${some}${note.of.length > 3 ? ` and ${note.of.length - 3} more` : ""}`);
}

function notes() {
  const said = CONTENTS.study.notes, missing = CONTENTS.state.missing;
  if (!CONTENTS.notes.length && !said && !missing.length) return null;
  return [
    said ? el("div", { class: "said" }, el("h3", {}, `From ${CONTENTS.study.file}`), said.split(/\n\s*\n/).map((part) => el("p", {}, part.replace(/\s*\n\s*/g, " ")))) : null,
    CONTENTS.notes.length ? el("ul", { class: "notes" }, CONTENTS.notes.map((note) => el("li", { class: note.kind }, el("span", { class: "tag" }, note.kind), ` ${note.text}`,
      note.of.length ? el("details", {}, el("summary", {}, plural(note.of.length, "cell or arm", "cells or arms")), note.of.join(", ")) : null))) : null,
    missing.length ? el("details", { open: missing.length <= 12 }, el("summary", {}, `${plural(missing.length, "cell")} not judged yet`),
      plainTable("missing", [["cell"], ["stands at"], ["state"], ["why"]], missing.map((m) => [m.cell, m.stage, m.state, m.why]))) : null,
  ];
}

function cost() {
  const { stages, judges, devices } = CONTENTS.cost;
  if (!stages.length) return null;
  const gpus = stages.some((s) => s.gpu_hours || s.failed_gpu_hours), failed = stages.some((s) => s.failed);
  const heads = [["stage"], ["results", "number"], ["time", "number"], ...(gpus ? [["GPU-hours", "number"]] : []), ...(failed ? [["attempts without a result", "number"]] : []), ...(failed && gpus ? [["their GPU-hours", "number"]] : [])];
  const row = (name, of) => [name, whole(of("num")), duration(of("hours")), ...(gpus ? [amount(of("gpu_hours"))] : []), ...(failed ? [whole(of("failed"))] : []), ...(failed && gpus ? [amount(of("failed_gpu_hours"))] : [])];
  const total = (name) => stages.reduce((sum, s) => sum + s[name], 0);
  return [plainTable("cost-table", heads, [...stages.map((s) => row(s.stage, (name) => s[name])), row("all", total)]),
    judges.map((j) => el("p", { class: "judge" }, el("b", {}, j.dollars === null ? "price not known" : `$${j.dollars.toFixed(2)}`), ` for ${plural(j.judgements, "judgement")} by ${j.judge} (${j.model}): `,
      `${whole(j.tokens_in)} tokens of prompts, ${whole(j.tokens_out)} of replies, at the prices of ${j.prices_of}. ${plural(j.comparisons, "comparison")} asked ${plural(j.asked, "question")}; ${whole(j.asked - j.judgements)} were answered by a judgement that was there.`)),
    el("p", { class: "caption" }, `Made on ${Object.keys(devices).join(", ") || "unknown devices"}. Times are of the attempts that made what is there now, whichever study asked first.`,
      judges.length ? "" : " No judge was paid by the token.")];
}

function amount(hours) {
  return fixed(hours, hours >= 100 || !hours ? 0 : hours >= 1 ? 1 : 3);
}

function duration(hours) {
  if (hours >= 2) return `${amount(hours)} h`;
  return hours >= 1 / 30 ? `${fixed(60 * hours, 0)} min` : `${fixed(3600 * hours, 3600 * hours < 10 ? 1 : 0)} s`;
}

function provenance() {
  const p = CONTENTS.provenance;
  const several = (counts) => Object.entries(counts).map(([value, num], _, all) => (all.length > 1 ? `${value} (${plural(num, "result")})` : value)).join("; ");
  const rows = [
    ["report", `winsweep ${p.version}, commit ${p.commit}, ${CONTENTS.made.replace("T", " ").slice(0, 16)} UTC`],
    ["results by commit", several(p.commits)],
    ["table", CONTENTS.state.table_key || "worked out for this report"],
    ["judge", p.judge.map((j) => `${j.name}, version ${j.version}${optionsOf(j.options)}`).join("; ")],
    ["models", p.models.map((m) => `${m.name}: ${m.what}`)],
    ["data", p.data.map((d) => `${d.name}: ${d.what}`)],
    ["device", several(p.devices)], ["system", several(p.system)], ["Python", several(p.python)],
    ["packages", Object.entries(p.packages).map(([name, counts]) => `${name} ${several(counts)}`).join(", ")],
  ].filter(([, text]) => text && text.length);
  return [el("dl", {}, rows.map(([name, text]) => [el("dt", {}, name), el("dd", {}, Array.isArray(text) ? text.map((line) => el("div", {}, line)) : text)])),
    el("details", {}, el("summary", {}, "the study, as it was read"), el("pre", { id: "study-text" }, p.study_text)),
    el("h3", {}, "How to cite"), CONTENTS.cite.map((text) => el("p", { class: "cite" }, text))];
}

function optionsOf(options) {
  const said = Object.entries(options || {}).filter(([, v]) => v !== null && v !== "").map(([k, v]) => `${k} ${typeof v === "object" ? JSON.stringify(v) : v}`);
  return said.length ? ` (${said.join(", ")})` : "";
}
