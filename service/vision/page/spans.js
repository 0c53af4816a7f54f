/** The inside of a paragraph in Markdown, as plain objects: {kind, text} or {kind, spans}.
 *
 * One pass, each mark looked at once. Unlike CommonMark, **bold** may touch Chinese text and punctuation on either side.
 */

const MARKS = { "**": "strong", __: "strong", "*": "emphasis", _: "emphasis", "~~": "deleted" };
const LINK = /!?\[([^[\]\n]{0,500})\]\(\s*([^()\s]{1,2000})(?:\s+"[^"\n]{0,500}")?\s*\)/y;
const MARK = /\*\*|__|~~|\*|_/y;
const WORD = /[\p{L}\p{N}]/u;
const PUNCTUATION = /[!-/:-@[-`{-~]/;

export function spans(text) {
  const frames = [{ mark: "", spans: [] }];
  const unclosed = new Set(); // Lengths of runs of ` that have no second one ahead.
  let plain = "";
  let at = 0;

  const top = () => frames[frames.length - 1].spans;
  const flush = () => {
    if (plain) top().push({ kind: "text", text: plain });
    plain = "";
  };

  while (at < text.length) {
    const letter = text[at];
    if (letter === "\\" && PUNCTUATION.test(text[at + 1] ?? "")) {
      plain += text[at + 1];
      at += 2;
    } else if (letter === "\n") {
      flush();
      top().push({ kind: "break" });
      at += 1;
    } else if (letter === "`") {
      const run = /`+/y;
      run.lastIndex = at;
      const ticks = run.exec(text)[0];
      const end = unclosed.has(ticks.length) ? -1 : closing(text, at + ticks.length, ticks.length);
      if (end < 0) {
        unclosed.add(ticks.length);
        plain += ticks;
        at += ticks.length;
      } else {
        flush();
        top().push({ kind: "code", text: unpadded(text.slice(at + ticks.length, end)) });
        at = end + ticks.length;
      }
    } else if (letter === "[" || letter === "!") {
      LINK.lastIndex = at;
      const link = LINK.exec(text);
      if (link) {
        flush();
        top().push({ kind: "link", text: link[1], address: link[2] });
        at += link[0].length;
      } else {
        plain += letter;
        at += 1;
      }
    } else {
      MARK.lastIndex = at;
      let mark = MARK.exec(text)?.[0];
      // In *** the mark that was opened last is closed first.
      if (mark?.length === 2 && text[at + 2] === mark[0] && frames.at(-1).mark === mark[0]) mark = mark[0];
      if (mark) {
        place(mark);
        at += mark.length;
      } else {
        plain += letter;
        at += 1;
      }
    }
  }
  flush();
  while (frames.length > 1) unopened();
  return frames[0].spans;

  function place(mark) {
    const before = text[at - 1] ?? " ";
    const after = text[at + mark.length] ?? " ";
    const inside = mark[0] === "_" && WORD.test(before) && WORD.test(after);
    const opened = frames.findLastIndex((frame) => frame.mark === mark);
    if (opened > 0 && before.trim() && !inside) {
      flush();
      while (frames.length - 1 > opened) unopened();
      const { spans: within } = frames.pop();
      top().push({ kind: MARKS[mark], spans: within });
    } else if (opened < 0 && after.trim() && !inside) {
      flush();
      frames.push({ mark, spans: [] });
    } else {
      plain += mark;
    }
  }

  /** A mark that opened nothing was only text. */
  function unopened() {
    const { mark, spans: within } = frames.pop();
    top().push({ kind: "text", text: mark }, ...within);
  }
}

function closing(text, from, length) {
  const runs = /`+/g;
  runs.lastIndex = from;
  for (let run = runs.exec(text); run; run = runs.exec(text)) if (run[0].length === length) return run.index;
  return -1;
}

const unpadded = (code) => (/^ .*\S.* $/.test(code) ? code.slice(1, -1) : code);
