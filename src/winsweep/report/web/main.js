// The page from top to bottom.

const SECTIONS = [
  ["win-rates", "Win rates", forest],
  ["table", "Table", table],
  ["differences", "Which arms differ", differences],
  ["arm-ranking", "Arms against each other", armRanking],
  ["length", "Win rate and length", lengthRatio],
  ["style", "Length and style", style],
  ["categories", "By category", categories],
  ["instruction-length", "By length of the instruction", instructionLengths],
  ["answers", "Answers and judge", answers],
  ["judge-card", "How good the judge is", judgeCard],
  ["reading", "Read the answers", reading],
  ["ranking", "Response ranking", ranking],
  ["drift", "Drift", drift],
  ["containment-section", "Containment", containment],
  ["training", "Training", training],
  ["cost", "Cost", cost],
  ["picks-section", "Validation picks", picks],
  ["notes", "Notes", notes],
  ["provenance", "Provenance", provenance],
];

function start() {
  const { study, state, made } = CONTENTS;
  document.getElementById("kicker").append(el("b", {}, study.name), ` ${state.judged} of ${plural(state.cells, "cell")} judged · ${made.slice(0, 10)}`);
  const told = warnings(), line = judgeLine();
  if (line) document.getElementById("top").append(line);
  if (told) document.getElementById("top").append(told);
  const links = document.getElementById("sections"), main = document.getElementById("main");
  for (const [id, title, make] of SECTIONS) {
    const made = [make()].flat(Infinity).filter(Boolean);
    if (!made.length) continue;
    if (id === "win-rates" && CONTENTS.arms.length > 1) made.unshift(controls());
    main.append(el("section", { id }, el("h2", {}, title), ...made));
    links.append(el("a", { href: `#${id}` }, title));
  }
  redraw();
  watchWidth(main);
  startReader();
}

/** Draw again for another width, and for paper. */
function watchWidth(main) {
  let width = main.clientWidth, timer = 0;
  new ResizeObserver(() => {
    if (main.clientWidth === width) return;
    width = main.clientWidth;
    clearTimeout(timer);
    timer = setTimeout(redraw, 80);
  }).observe(main);
  addEventListener("beforeprint", () => { STATE.width = 880; redraw(); });
  addEventListener("afterprint", () => { STATE.width = null; redraw(); });
}

start();
