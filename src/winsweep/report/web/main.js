// The page from top to bottom.

const SECTIONS = [
  ["table", "Table", table],
];

function start() {
  const { study, state } = CONTENTS;
  document.getElementById("kicker").append(visible(study.name), el("span", { class: "quiet" }, ` · ${state.judged} of ${plural(state.cells, "cell")} judged · ${CONTENTS.made.slice(0, 10)}`));
  for (const [id, title, make] of SECTIONS) {
    const made = [make()].flat(Infinity).filter(Boolean);
    if (!made.length) continue;
    document.getElementById("main").append(el("section", { id }, el("h2", {}, title), ...made));
    document.getElementById("sections").append(el("a", { href: `#${id}` }, title));
  }
}

start();
