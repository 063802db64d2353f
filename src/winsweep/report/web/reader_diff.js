// What two texts have in common, word by word: Myers 1986, "An O(ND) difference algorithm", greedy, from both texts' start.

// A word, a number, white space, one character of a script without spaces, or one other character.
const PIECES = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}]|[\p{L}\p{M}\p{N}]+(?:['’_-][\p{L}\p{M}\p{N}]+)*|\s+|./gsu;
const MOST_EDITS = 4000; // words that differ; beyond it two texts have nothing in common that a mark could show

function piecesOf(text) {
  return text.match(PIECES) || [];
}

/** For both texts, parts [text, isShared] in order; null where they differ too much. */
function diffTexts(a, b) {
  const left = piecesOf(a), right = piecesOf(b);
  const shared = sharedPieces(left, right);
  return shared && [partsOf(left, shared.map(([i]) => i)), partsOf(right, shared.map(([, j]) => j))];
}

/** Pairs of places of equal pieces, a longest such list; null if more than MOST_EDITS pieces differ. */
function sharedPieces(a, b) {
  let start = 0, endA = a.length, endB = b.length;
  while (start < endA && start < endB && a[start] === b[start]) start++;
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) endA--, endB--;
  const middle = myers(a.slice(start, endA), b.slice(start, endB));
  if (!middle) return null;
  const before = Array.from({ length: start }, (_, i) => [i, i]);
  const after = Array.from({ length: a.length - endA }, (_, i) => [endA + i, endB + i]);
  return [...before, ...middle.map(([i, j]) => [i + start, j + start]), ...after];
}

function myers(a, b) {
  const most = Math.min(a.length + b.length, MOST_EDITS), reach = new Int32Array(2 * most + 3), trace = [];
  for (let edits = 0; edits <= most; edits++) {
    for (let k = -edits; k <= edits; k += 2) {
      let x = k === -edits || (k !== edits && reach[most + k] < reach[most + k + 2]) ? reach[most + k + 2] : reach[most + k] + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      reach[most + k + 1] = x;
      if (x >= a.length && x - k >= b.length) return backwards(trace, a.length, b.length, edits, most);
    }
    trace.push(reach.slice(most - edits, most + edits + 3)); // of diagonal k at [k + edits + 1]
  }
  return null;
}

/** The equal places on the way that `trace` tells of. */
function backwards(trace, x, y, edits) {
  const found = [];
  for (let d = edits; d > 0; d--) {
    const reach = trace[d - 1], at = (k) => reach[k + d], k = x - y;
    const before = k === -d || (k !== d && at(k - 1) < at(k + 1)) ? k + 1 : k - 1;
    const beforeX = at(before), beforeY = beforeX - before, startX = before > k ? beforeX : beforeX + 1;
    while (x > startX) found.push([--x, --y]);
    x = beforeX;
    y = beforeY;
  }
  while (x > 0 && y > 0) found.push([--x, --y]);
  return found.reverse();
}

/** Pieces joined while they are shared or not; white space between two that are not shared counts as they do. */
function partsOf(pieces, shared) {
  const isShared = new Uint8Array(pieces.length);
  for (const i of shared) isShared[i] = 1;
  for (let i = 1; i < pieces.length - 1; i++) if (isShared[i] && !isShared[i - 1] && !isShared[i + 1] && !pieces[i].trim()) isShared[i] = 0;
  const parts = [];
  pieces.forEach((piece, i) => {
    if (parts.length && parts.at(-1)[1] === Boolean(isShared[i])) parts.at(-1)[0] += piece;
    else parts.push([piece, Boolean(isShared[i])]);
  });
  return parts;
}
