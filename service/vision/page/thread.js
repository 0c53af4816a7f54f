/** The questions and answers of one conversation on the page. */

import { draw } from "./answer.js";
import { announce } from "./announce.js";
import { byId, element, icon } from "./element.js";
import { say, sayTrouble } from "./words.js";

const NEAR_THE_END = 80;
const COPIED_MILLISECONDS = 2000;

/** `again` asks the last question once more. */
export function thread({ again }) {
  const place = byId("thread");
  const scroller = byId("scroller");
  let drawn = new Map(); // Turn to its element.
  let urls = [];
  let waiting = null;

  /** Draw all of it anew. */
  function open(turns) {
    for (const url of urls) URL.revokeObjectURL(url);
    urls = [];
    drawn = new Map();
    place.replaceChildren();
    for (const turn of turns) add(turn, turns);
    byId("welcome").hidden = turns.length > 0;
    scroller.scrollTop = scroller.scrollHeight;
  }

  function add(turn, turns) {
    byId("welcome").hidden = true;
    const made = turn.role === "user" ? asked(turn) : answered();
    drawn.set(turn, made);
    place.append(made);
    if (turn.role === "assistant") show(turn, turns);
    scroller.scrollTop = scroller.scrollHeight;
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
    const follows = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_THE_END;
    const [, thoughts, answer, ending] = made.children;
    made.setAttribute("aria-busy", String(turn.ending === "asking"));
    thoughts.hidden = !turn.reasoning;
    thoughts.firstElementChild.textContent = say(turn.ending === "asking" && !turn.text ? "thinking" : "thoughts");
    draw(thoughts.lastElementChild, turn.reasoning);
    draw(answer, turn.text);
    if (made.dataset.ending !== JSON.stringify([turn.ending, turn.text !== ""])) {
      made.dataset.ending = JSON.stringify([turn.ending, turn.text !== ""]);
      ending.replaceChildren(...endings(turn, turn === turns.at(-1)));
    }
    if (follows) scroller.scrollTop = scroller.scrollHeight;
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
      button.addEventListener("click", again);
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
