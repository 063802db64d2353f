// The reader's texts: files beside the page, each opened in a frame that can do nothing but hand over its text.

const TEXTS = read("texts");
const MOST_KEPT = 40; // files that stay unpacked
const PATIENCE = { frame: 4000 }; // ms for a frame that has loaded; one of a missing file never answers
const CHUNKS = new Map(); // file name to the promise of its value, the latest used last

function chunk(name) {
  const known = CHUNKS.get(name) || loadChunk(name).then(unpackChunk).catch(() => { throw new Error(failureOf(name)); });
  CHUNKS.delete(name);
  CHUNKS.set(name, known);
  known.catch(() => CHUNKS.delete(name));
  if (CHUNKS.size > MOST_KEPT) CHUNKS.delete(CHUNKS.keys().next().value);
  return known;
}

/** The compressed text of a file beside the page. Over file:// nothing may be fetched, but frames may be shown. */
function loadChunk(name) {
  return new Promise((done, failed) => {
    const frame = el("iframe", { sandbox: "allow-scripts", hidden: true, "aria-hidden": "true", src: `${encodeURIComponent(TEXTS.folder)}/${name}` });
    let timer = 0;
    const end = (then, value) => {
      clearTimeout(timer);
      removeEventListener("message", heard);
      frame.remove();
      then(value);
    };
    const heard = (event) => {
      if (event.source === frame.contentWindow && typeof event.data?.winsweep === "string") end(done, event.data.winsweep);
    };
    addEventListener("message", heard);
    frame.addEventListener("load", () => {
      frame.contentWindow.postMessage("texts", "*");
      timer = setTimeout(() => end(failed), PATIENCE.frame);
    });
    document.body.append(frame);
  });
}

function failureOf(name) {
  return `${TEXTS.folder}/${name} is not beside this page, or is not what it was when the page was made. Keep the folder and the page together, or make the report again: winsweep report.`;
}

async function unpackChunk(packed) {
  const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
  return JSON.parse(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text());
}

function cellEntry(name) {
  return TEXTS.cells.find((entry) => entry.cell === name);
}

/** The rows of a cell, in the order of the instructions. A side is null where it has no answers. */
async function openCell(entry) {
  const [asked, own, theirs, judged] = await Promise.all([entry.instructions || TEXTS.instructions, entry.answers, entry.reference, entry.judged].map((name) => (name ? chunk(name) : null)));
  return asked.text.map((instruction, place) => ({
    place,
    instruction,
    turns: asked.turns?.[place] ?? [],
    dataset: asked.dataset[place],
    digest: asked.digest[place],
    counted: !entry.leave_out.includes(asked.dataset[place]),
    own: side(own, place),
    reference: side(theirs, place),
    ...judgementOf(judged, place),
  }));
}

function side(answers, place) {
  if (!answers) return null;
  const text = answers.text[place];
  return { text, chars: charsOf(text), empty: !text.trim(), tokens: answers.tokens?.[place] ?? null, cut: answers.cut?.[place] ?? null, digest: answers.digest[place] };
}

/** Code points, as Python counts them. */
function charsOf(text) {
  let num = text.length;
  for (let i = 0; i < text.length - 1; i++) {
    const c = text.charCodeAt(i);
    if (c >= 0xd800 && c < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) num--;
  }
  return num;
}

/** preference: 1 (the reference's is better) to 2 (the cell's); by_order: with the reference shown first, then with the
 * cell shown first; influence: points that the row moves the win rate; first: whose answer the judge saw first; said: its
 * replies; more: whatever else its file holds. */
function judgementOf(judged, place) {
  if (!judged) return { preference: null, by_order: null, influence: null, first: "", said: [], more: {} };
  const more = Object.fromEntries(Object.entries(judged.more).map(([name, values]) => [name, values[place]]));
  return { preference: judged.preference[place], by_order: judged.by_order[place], influence: judged.influence[place] ?? null, first: judged.first[place], said: judged.said[place], more };
}
