/** Where a question is written. */

import { announce } from "./announce.js";
import { chosenPictures } from "./chosen.js";
import { byId, icon } from "./element.js";
import { onLanguage, say } from "./words.js";

/** Whether a key goes to an input method, which chooses a word by Enter and gives one up by Escape; Safari tells it by
 * 229 only, after the composition's end. */
export const composes = (event) => event.isComposing || event.keyCode === 229;

/** `busy` says whether an answer is on its way; `weigh` what a request would hold with a text and pictures more; `ask`
 * and `stop` are what the button does; `tell` shows a sentence. */
export function composer({ busy, weigh, ask, stop, tell }) {
  const text = byId("question");
  const button = byId("send");
  const hint = byId("hint");
  let held = false; // To be sent as soon as its pictures are ready.
  const pictures = chosenPictures({
    weigh: (chosen) => weigh(text.value, chosen),
    changed() {
      if (held && !pictures.coming()) send();
      refresh();
    },
    failed(sentence) {
      if (held) pictures.seen(); // The next Enter comes after it.
      held = false;
      tell(sentence);
    },
  });

  function refresh() {
    const label = say(busy() ? "stop" : held ? "held" : "send");
    button.replaceChildren(icon(busy() ? "stop" : "send"));
    button.setAttribute("aria-label", label);
    button.title = label;
    button.disabled = !busy() && !text.value.trim();
    button.classList.toggle("held", held);
    hint.textContent = say(held ? "held" : "hint");
    hint.classList.toggle("now", held);
    text.style.height = "auto";
    text.style.height = `${text.scrollHeight}px`;
  }

  function send() {
    held = false;
    const asked = text.value.trim();
    if (!asked || busy()) return;
    if (pictures.coming()) {
      held = true;
      announce(say("held"));
      return;
    }
    const taken = pictures.take();
    if (!taken) return;
    text.value = "";
    ask(asked, taken);
  }

  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    if (busy()) stop();
    else send();
    refresh();
  });
  text.addEventListener("input", () => {
    pictures.seen();
    refresh();
  });
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || composes(event)) return;
    event.preventDefault();
    send();
    refresh();
  });
  onLanguage(pictures.refresh);

  return {
    refresh,
    suggest(words) {
      text.value = words;
      refresh();
      text.focus();
    },
    /** What waits for its pictures is not sent by itself any more. */
    release() {
      held = false;
      refresh();
    },
    /** Not where that would bring up a keyboard over half of the screen. */
    focus() {
      if (window.matchMedia("(hover: hover)").matches) text.focus();
    },
  };
}
