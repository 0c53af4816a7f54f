/** Where a question is written and pictures are chosen, dropped or pasted. */

import { byId, element, icon } from "./element.js";
import { MOST_IN_A_CONVERSATION, picture } from "./pictures.js";
import { onLanguage, say } from "./words.js";

const MOST_HEIGHT = 220;

/** `room` tells how many pictures may still be added; `ask` and `stop` are what the button does; `tell` shows a fault. */
export function composer({ room, ask, stop, tell }) {
  const text = byId("question");
  const button = byId("send");
  const list = byId("pictures");
  let chosen = []; // {blob, width, height, name, url}
  let asking = false;

  function refresh() {
    const label = say(asking ? "stop" : "send");
    button.replaceChildren(icon(asking ? "stop" : "send"));
    button.setAttribute("aria-label", label);
    button.title = label;
    button.disabled = !asking && !text.value.trim();
    text.style.height = "auto";
    text.style.height = `${Math.min(text.scrollHeight, MOST_HEIGHT)}px`;
    list.hidden = chosen.length === 0;
    list.replaceChildren(...chosen.map(thumbnail));
  }

  function thumbnail(one, index) {
    const number = index + 1;
    const label = say("unchoose", { number });
    const remove = element("button", { type: "button", class: "round", "aria-label": label }, icon("close"));
    remove.addEventListener("click", () => drop(one));
    return element("li", {}, element("img", { src: one.url, alt: one.name || say("picture", { number }) }), remove);
  }

  function drop(one) {
    const at = chosen.indexOf(one);
    URL.revokeObjectURL(one.url);
    chosen = chosen.filter((other) => other !== one);
    refresh();
    (list.querySelectorAll("button")[Math.min(at, chosen.length - 1)] ?? text).focus();
  }

  async function add(files) {
    for (const file of files) {
      if (chosen.length >= room()) {
        tell("tooMany", { most: MOST_IN_A_CONVERSATION });
        break;
      }
      try {
        const made = await picture(file);
        chosen.push({ ...made, url: URL.createObjectURL(made.blob) });
      } catch {
        tell("notPicture", { name: file.name });
      }
    }
    refresh();
  }

  function send() {
    const asked = text.value.trim();
    if (!asked || asking) return;
    const pictures = chosen.map(({ url, ...kept }) => (URL.revokeObjectURL(url), kept));
    text.value = "";
    chosen = [];
    refresh();
    ask(asked, pictures);
  }

  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    if (asking) stop();
    else send();
  });
  text.addEventListener("input", refresh);
  text.addEventListener("keydown", (event) => {
    // While an input method composes, Enter chooses a word; Safari tells so by 229 only.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    send();
  });
  byId("choose").addEventListener("click", () => byId("files").click());
  byId("files").addEventListener("change", async (event) => {
    await add([...event.target.files]);
    event.target.value = "";
    text.focus();
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    add(files);
  });
  droppable(add);
  onLanguage(refresh);

  return {
    suggest(words) {
      text.value = words;
      refresh();
      text.focus();
    },
    asking(now) {
      asking = now;
      refresh();
    },
    /** Not where that would bring up a keyboard over half of the screen. */
    focus() {
      if (window.matchMedia("(hover: hover)").matches) text.focus();
    },
  };
}

/** The whole window takes pictures. */
function droppable(add) {
  const veil = byId("drop");
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, (event) => {
      if (!carries(event)) return;
      event.preventDefault();
      veil.hidden = false;
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) veil.hidden = true;
  });
  document.addEventListener("drop", (event) => {
    veil.hidden = true;
    if (!carries(event)) return;
    event.preventDefault();
    add([...event.dataTransfer.files]);
  });
}
