"use strict";
// Elements, text and numbers. Text goes onto the page as text alone.

// What cannot be seen or turns the direction of text: controls, format characters, separators, lone surrogates.
const HIDDEN = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/gu;

/** The text with hidden characters as ⟨U+XXXX⟩. */
function visible(text) {
  return String(text).replace(HIDDEN, (c) => `⟨U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

/** An HTML element; attributes by name, `on` for listeners; children are elements or text. */
function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same of SVG. */
function svg(tag, attributes, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "on") for (const [event, run] of Object.entries(value)) node.addEventListener(event, run);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : visible(child));
  }
  return node;
}

/** A number with so many decimals, as the terminal rounds it; nothing for none. */
function fixed(value, decimals = 1) {
  if (value === null || value === undefined || value === "") return "";
  const text = halfToEven(Number(value), decimals).toFixed(decimals);
  return (/^-0\.?0*$/.test(text) ? text.slice(1) : text).replace("-", "−");
}

/** A number that lies in the middle of two such decimals, such as 81.25, becomes the even one; others stay. */
function halfToEven(value, decimals) {
  if (Math.abs(value * 2 ** (decimals + 1)) % 2 !== 1) return value;
  const low = Math.floor(value * 10 ** decimals);
  return (low % 2 ? low + 1 : low) / 10 ** decimals;
}

function percent(share, decimals = 0) {
  return share === null || share === undefined || share === "" ? "" : `${fixed(100 * share, decimals)}`;
}

function whole(value) {
  return value === null || value === undefined || value === "" ? "" : Math.round(Number(value)).toLocaleString("en-US");
}

function plural(num, one, many) {
  return `${whole(num)} ${num === 1 ? one : many || `${one}s`}`;
}

function read(id) {
  return JSON.parse(document.getElementById(id).textContent);
}
