/** The questions and answers of one conversation on the page. */

import { draw } from "./answer.js";
import { announce } from "./announce.js";
import { byId, element, icon } from "./element.js";
import { say, sayTrouble } from "./words.js";

const NEAR_THE_END = 80;
const COPIED_MILLISECONDS = 2000;

/** `again` is given the last answer, to be asked for once more. */
export function thread({ again }) {
  const place = byId("thread");
  const scroller = byId("scroller");
  let drawn = new Map(); // Turn to its element.
  let urls = [];
  let waiting = null;
  let follows = true; // Whether the end is in sight, and is kept there while anything above or below it grows.
  let top = 0; // Where it was scrolled to.

  /** Draw all of it anew. */
  function open(turns) {
    for (const url of urls) URL.revokeObjectURL(url);
    urls = [];
    drawn = new Map();
    place.replaceChildren();
    for (const turn of turns) add(turn, turns);
    byId("welcome").hidden = turns.length > 0;
    toEnd();
  }

  function toEnd() {
    follows = true;
    scroller.scrollTop = place.children.length ? scroller.scrollHeight : 0;
    top = scroller.scrollTop;
  }

  scroller.addEventListener("scroll", () => {
    const near = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_THE_END;
    follows = near || (follows && scroller.scrollTop >= top); // What grew since then does not count, what people do does.
    top = scroller.scrollTop;
  });
  const grown = new ResizeObserver(() => {
    if (follows) toEnd();
  });
  grown.observe(place);
  grown.observe(scroller);

  function add(turn, turns) {
    byId("welcome").hidden = true;
    const made = turn.role === "user" ? asked(turn) : answered();
    drawn.set(turn, made);
    place.append(made);
    const before = turns[turns.indexOf(turn) - 1];
    if (before?.role === "assistant") show(before, turns); // It is not the last one any more.
    if (turn.role === "assistant") show(turn, turns);
    toEnd();
  }

  function asked(turn) {
    const pictures = turn.pictures.map(({ blob, name, width, height }, index) => {
      const url = URL.createObjectURL(blob);
      urls.push(url);
      return element("img", { src: url, alt: name || say("picture", { number: index + 1 }), width, height });
    });
    const shown = pictures.length ? [element("div", { class: "pictures" }, ...pictures)] : [];
    const heading = element("h3", { class: "unseen" }, say("you"));
    return element("article", { class: "asked" }, heading, ...shown, element("p", {}, turn.text));
  }

  function answered() {
    return element(
      "article",
      { class: "answered" },
      element("h3", { class: "unseen" }, say("answer")),
      element("details", { class: "thoughts", hidden: true }, element("summary"), element("div", { class: "prose" })),
      element("div", { class: "prose answer" }),
      element("div", { class: "ending" }),
    );
  }

  /** Soon, and once for everything that came until then. */
  function update(turn, turns) {
    waiting ??= requestAnimationFrame(() => {
      waiting = null;
      show(turn, turns);
    });
  }

  function show(turn, turns) {
    const made = drawn.get(turn);
    if (!made) return; // Another conversation is open by now.
    const [, thoughts, answer, ending] = made.children;
    made.setAttribute("aria-busy", String(turn.ending === "asking"));
    thoughts.hidden = !turn.reasoning;
    thoughts.firstElementChild.textContent = say(turn.ending === "asking" && !turn.text ? "thinking" : "thoughts");
    draw(thoughts.lastElementChild, turn.reasoning);
    draw(answer, turn.text);
    const last = turn === turns.at(-1);
    const now = JSON.stringify([turn.ending, turn.text !== "", last]);
    if (made.dataset.ending !== now) {
      made.dataset.ending = now;
      ending.replaceChildren(...endings(turn, last));
    }
  }

  function endings(turn, last) {
    if (turn.ending === "asking") return turn.text ? [] : [element("p", { class: "waiting" }, say("waiting"))];
    const found = [];
    if (typeof turn.ending === "object") found.push(element("p", { class: "trouble" }, sayTrouble(turn.ending)));
    else if (turn.ending !== "stop") found.push(element("p", { class: "quiet" }, say(turn.ending)));
    const actions = [];
    if (turn.text) actions.push(copyButton(turn));
    if (last && turn.ending !== "stop" && turn.ending !== "length") {
      const button = element("button", { type: "button", class: "plain" }, icon("again"), say("again"));
      button.addEventListener("click", () => again(turn));
      actions.push(button);
    }
    if (actions.length) found.push(element("div", { class: "actions" }, ...actions));
    return found;
  }

  return { open, add, update, show };
}

function copyButton(turn) {
  const label = element("span", {}, say("copy"));
  const button = element("button", { type: "button", class: "plain" }, icon("copy"), label);
  button.addEventListener("click", async () => {
    const done = await navigator.clipboard.writeText(turn.text).then(() => "copied", () => "copyFailed");
    label.textContent = say(done);
    announce(say(done));
    setTimeout(() => {
      label.textContent = say("copy");
    }, COPIED_MILLISECONDS);
  });
  return button;
}
