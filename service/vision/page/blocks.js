/** Markdown's blocks, as plain objects; as much of it as models write: headings, lists, tables, code, quotes, rules. */

const DEEPEST = 6; // Below, a list or a quote is text: nobody nests deeper in earnest.
const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^`\s]*)/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/;
const RULE = /^ {0,3}([-*_])(?: *\1){2,} *$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+•]|\d{1,9}[.)])(\s+|$)/;
const COLUMN = /^:?-+:?$/;

/** Each with `source`, its own lines, so that what has not changed need not be drawn again. */
export function blocks(text, depth = 0) {
  const lines = text.split("\n");
  const found = [];
  for (let at = 0; at < lines.length; ) {
    if (!lines[at].trim()) {
      at += 1;
      continue;
    }
    const [block, next] = blockAt(lines, at, depth);
    found.push({ ...block, source: lines.slice(at, next).join("\n") });
    at = next;
  }
  return found;
}

function blockAt(lines, at, depth) {
  const line = lines[at];
  const fence = FENCE.exec(line);
  if (fence) return code(lines, at, fence);
  const heading = HEADING.exec(line);
  if (heading) return [{ kind: "heading", level: heading[1].length, text: heading[2] }, at + 1];
  if (RULE.test(line)) return [{ kind: "rule" }, at + 1];
  if (depth < DEEPEST && QUOTE.test(line)) return quote(lines, at, depth);
  if (depth < DEEPEST && ITEM.test(line)) return list(lines, at, depth);
  if (isTable(lines, at)) return table(lines, at);
  let end = at + 1;
  while (end < lines.length && lines[end].trim() && !begins(lines, end)) end += 1;
  return [{ kind: "paragraph", text: lines.slice(at, end).map((one) => one.trim()).join("\n") }, end];
}

/** Whether a line ends the paragraph above it. */
const begins = (lines, at) =>
  [FENCE, HEADING, RULE, QUOTE].some((form) => form.test(lines[at])) || ITEM.test(lines[at]) || isTable(lines, at);

function code(lines, at, [, mark, language]) {
  let end = at + 1;
  while (end < lines.length && !closes(lines[end], mark)) end += 1;
  return [{ kind: "code", language, text: lines.slice(at + 1, end).join("\n") }, Math.min(end + 1, lines.length)];
}

function closes(line, mark) {
  const trimmed = line.trim();
  return trimmed.length >= mark.length && trimmed === mark[0].repeat(trimmed.length);
}

function quote(lines, at, depth) {
  let end = at;
  while (end < lines.length && QUOTE.test(lines[end])) end += 1;
  const inside = lines.slice(at, end).map((line) => line.replace(QUOTE, ""));
  return [{ kind: "quote", blocks: blocks(inside.join("\n"), depth + 1) }, end];
}

function list(lines, at, depth) {
  const [, , mark] = ITEM.exec(lines[at]);
  const ordered = /\d/.test(mark);
  const items = [];
  let end = at;
  while (end < lines.length) {
    const item = ITEM.exec(lines[end]);
    if (!item || /\d/.test(item[2]) !== ordered || RULE.test(lines[end])) break;
    const first = end;
    const indent = item[3].length > 4 ? item[1].length + item[2].length + 1 : item[0].length;
    end += 1;
    while (end < lines.length && belongs(lines, end, Math.min(indent, 2))) end += 1;
    const inside = lines.slice(first + 1, end).map((line) => line.replace(new RegExp(`^ {0,${indent}}`), ""));
    items.push(blocks([lines[first].slice(item[0].length), ...inside].join("\n"), depth + 1));
  }
  return [{ kind: "list", ordered, start: ordered ? Number.parseInt(mark, 10) : 1, items }, end];
}

/** To the item above: what is indented, a blank line before such, and a line that simply goes on. */
function belongs(lines, at, indent) {
  if (!lines[at].trim()) {
    const next = lines[at + 1];
    return next !== undefined && next.trim() !== "" && (next.startsWith(" ".repeat(indent)) || ITEM.test(next));
  }
  return lines[at].startsWith(" ".repeat(indent)) || !(begins(lines, at) || !lines[at - 1].trim());
}

function cells(line) {
  const inside = line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "");
  return inside.split(/(?<!\\)\|/).map((cell) => cell.trim());
}

function isTable(lines, at) {
  if (!lines[at].includes("|") || !lines[at + 1]?.includes("-")) return false;
  const columns = cells(lines[at + 1]);
  return columns.every((cell) => COLUMN.test(cell)) && columns.length === cells(lines[at]).length;
}

function table(lines, at) {
  const head = cells(lines[at]);
  let end = at + 2;
  while (end < lines.length && lines[end].includes("|")) end += 1;
  const rows = lines.slice(at + 2, end).map((line) => cells(line).slice(0, head.length));
  const align = cells(lines[at + 1]).map((cell) => (!cell.endsWith(":") ? "" : cell.startsWith(":") ? "center" : "right"));
  return [{ kind: "table", head, rows, align }, end];
}
