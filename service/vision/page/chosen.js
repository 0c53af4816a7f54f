/** The pictures that go with the next question: chosen, dropped or pasted, and made ready one after the other. */

import { byId, element, icon } from "./element.js";
import { limits } from "./limits.js";
import { picture } from "./pictures.js";
import { plain, Trouble } from "./trouble.js";
import { say, sayTrouble } from "./words.js";

/** `weigh` says what a request with these pictures would hold, {pictures, bytes}; `changed` is called when one comes, is
 * ready or goes; `failed` with a sentence when one cannot be taken. */
export function chosenPictures({ weigh, changed, failed }) {
  const list = byId("pictures");
  let chosen = []; // {blob, width, height, name, url}
  let coming = 0; // Files that are not ready yet.
  let latest = Promise.resolve(); // One at a time, so that they stand in the order in which they came.
  let most = null; // The service's limits, known when there is a picture.
  let unread = null; // Why one could not be taken, until that must have been seen.

  function refresh() {
    list.hidden = chosen.length + coming === 0;
    const places = Array.from({ length: coming }, () => element("li", { class: "coming" }));
    list.replaceChildren(...chosen.map(thumbnail), ...places);
    list.setAttribute("aria-busy", String(coming > 0));
    changed();
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
    (list.querySelectorAll("button")[Math.min(at, chosen.length - 1)] ?? byId("question")).focus();
  }

  function add(files) {
    unread = null;
    coming += files.length;
    refresh();
    latest = latest.then(() => addAll(files));
  }

  async function addAll(files) {
    most = await limits().catch(miss);
    for (const file of files) {
      if (most) await addOne(file).catch(miss);
      coming -= 1;
      refresh();
      list.scrollTo(list.scrollWidth, list.scrollHeight); // Where the newest is.
    }
  }

  async function addOne(file) {
    if (weigh(chosen).pictures >= most.max_pictures) throw tooMany();
    const made = await picture(file, most);
    const trouble = excess([...chosen, made]);
    if (trouble) throw trouble;
    chosen.push({ ...made, url: URL.createObjectURL(made.blob) });
  }

  const tooMany = () => new Trouble("tooMany", { detail: most.max_pictures });

  /** Why the open conversation cannot take these, or null. */
  function excess(wanted) {
    if (!wanted.length) return null;
    const { pictures, bytes } = weigh(wanted);
    if (pictures > most.max_pictures) return tooMany();
    return bytes > most.max_body_bytes ? new Trouble("large") : null;
  }

  function miss(error) {
    unread = plain(error);
    failed(sayTrouble(unread));
  }

  byId("choose").addEventListener("click", () => byId("files").click());
  byId("files").addEventListener("change", (event) => {
    add([...event.target.files]);
    event.target.value = "";
    byId("question").focus();
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    add(files);
  });
  droppable(add);

  return {
    refresh,
    coming: () => coming,

    /** Whoever goes on writing has seen what was told. */
    seen() {
      unread = null;
    },

    /** They go out of the list. Null, and `failed` is told why, when one is missing and that may not have been seen, or
     * when the open conversation cannot take them: it may be another one than when they were chosen. */
    take() {
      const trouble = unread ?? excess(chosen);
      unread = null;
      if (trouble) {
        failed(sayTrouble(trouble));
        return null;
      }
      const taken = chosen.map(({ url, ...kept }) => (URL.revokeObjectURL(url), kept));
      chosen = [];
      refresh();
      return taken;
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
