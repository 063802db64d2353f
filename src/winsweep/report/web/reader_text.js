// Texts that others wrote, on the page as text alone, with what cannot be seen made visible.

// Controls, format characters, fillers, tags, lone surrogates and more marks on a letter than any language has. Joiners
// belong to emoji and to scripts that join.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufdd0-\ufdef\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\u{e0000}-\u{e0fff}]|\p{Cs}|(?<![\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f\p{Script=Arabic}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Malayalam}\p{Script=Tamil}\p{Script=Telugu}\p{Script=Kannada}\p{Script=Sinhala}\p{Script=Gujarati}\p{Script=Gurmukhi}])[\u200c\u200d]|(?<=\p{M}{6})\p{M}+/gu;
const SHORTENED = 6000; // characters of a text that are shown at first

/** Nodes of a text. */
function textNodes(text) {
  const nodes = [], plain = text.replace(/\r\n/g, "\n");
  let at = 0;
  for (const found of plain.matchAll(UNSEEN)) {
    if (found.index > at) nodes.push(document.createTextNode(plain.slice(at, found.index)));
    nodes.push(unseenNode(found[0]));
    at = found.index + found[0].length;
  }
  if (at < plain.length) nodes.push(document.createTextNode(plain.slice(at)));
  return nodes;
}

function unseenNode(found) {
  const code = `U+${found.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`, num = [...found].length;
  return el("span", { class: "unseen", title: "a character that is not seen" }, num > 1 ? `${code} and ${num - 1} more` : code);
}

/** A block of a text, shortened if it is long; `parts` as of diffTexts, which mark what is not shared. */
function textBlock(text, parts, isWhole) {
  if (!text) return el("p", { class: "no-text" }, "no text");
  const kept = isWhole ? text : shortened(text);
  const nodes = parts ? parts.map(([part, isShared]) => (isShared ? textNodes(part) : el("mark", {}, textNodes(part)))) : textNodes(kept);
  return el("div", { class: "text", dir: "auto" }, nodes);
}

function isLong(text) {
  return text.length > SHORTENED * 1.2;
}

/** The beginning of a long text, not cut within a character. */
function shortened(text) {
  if (!isLong(text)) return text;
  const end = (text.charCodeAt(SHORTENED - 1) & 0xfc00) === 0xd800 ? SHORTENED - 1 : SHORTENED;
  return text.slice(0, end);
}

/** One line of a text, for a list. */
function oneLine(text, most) {
  const line = text.slice(0, 4 * most).replace(/\s+/g, " ").trim();
  return textNodes(line.length > most ? `${[...line].slice(0, most).join("")}…` : line);
}

/** Marks every place of `query` below a node; browsers without the API show none. */
function highlight(node, query) {
  if (!globalThis.CSS?.highlights) return;
  CSS.highlights.delete("found");
  if (!query) return;
  const ranges = [], walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT), low = query.toLowerCase();
  for (let at = walker.nextNode(); at; at = walker.nextNode()) {
    if (!at.parentElement.closest(".text")) continue;
    const text = at.data.toLowerCase();
    if (text.length !== at.data.length) continue; // a letter that is longer in lower case
    for (let i = text.indexOf(low); i >= 0 && ranges.length < 2000; i = text.indexOf(low, i + low.length)) {
      const range = new Range();
      range.setStart(at, i);
      range.setEnd(at, i + low.length);
      ranges.push(range);
    }
  }
  CSS.highlights.set("found", new Highlight(...ranges));
}
