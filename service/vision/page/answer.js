/** Draws an answer. Whatever a model says becomes text in elements of this list: no HTML, no address that could be
 * followed, no picture that could be fetched. A link shows where it would lead, for people to judge. */

import { blocks } from "./blocks.js";
import { element } from "./element.js";
import { spans } from "./spans.js";

const SPANS = { strong: "strong", emphasis: "em", deleted: "s" };
const drawn = new WeakMap(); // Place to the sources of the blocks in it.

/** Bring `place` up to date with the text; what came before the last change stays as it is, selection included. */
export function draw(place, text) {
  const now = blocks(text);
  const before = drawn.get(place) ?? [];
  let same = 0;
  while (same < now.length && same < before.length && now[same].source === before[same]) same += 1;
  while (place.children.length > same) place.lastElementChild.remove();
  place.append(...now.slice(same).map(block));
  drawn.set(place, now.map(({ source }) => source));
}

function block(one) {
  switch (one.kind) {
    case "heading":
      // The page's own headings end at the third level.
      return element(`h${Math.min(one.level + 3, 6)}`, {}, ...inline(one.text));
    case "rule":
      return element("hr");
    case "code":
      return element("pre", { tabindex: "0" }, element("code", {}, one.text));
    case "quote":
      return element("blockquote", {}, ...one.blocks.map(block));
    case "list":
      return element(one.ordered ? "ol" : "ul", one.ordered ? { start: one.start } : {}, ...one.items.map(item));
    case "table":
      return table(one);
    default:
      return element("p", {}, ...inline(one.text));
  }
}

/** One paragraph alone needs no element of its own. */
const item = (inside) =>
  element("li", {}, ...inside.flatMap((one, index) => (index || one.kind !== "paragraph" ? [block(one)] : inline(one.text))));

function table({ head, rows, align }) {
  const cell = (tag) => (text, index) =>
    element(tag, { class: align[index] || false }, ...inline(text.replaceAll("\\|", "|")));
  const row = (tag) => (texts) => element("tr", {}, ...texts.map(cell(tag)));
  const parts = [element("thead", {}, row("th")(head)), element("tbody", {}, ...rows.map(row("td")))];
  return element("div", { class: "table", tabindex: "0" }, element("table", {}, ...parts));
}

const inline = (text) => spans(text).map(span);

function span(one) {
  switch (one.kind) {
    case "text":
      return one.text;
    case "break":
      return element("br");
    case "code":
      return element("code", {}, one.text);
    case "link":
      return element("span", { class: "link" }, one.text, " ", element("code", {}, one.address));
    default:
      return element(SPANS[one.kind], {}, ...one.spans.map(span));
  }
}
