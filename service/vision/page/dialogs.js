/** The two questions that the page itself asks: for the key, and whether to delete. */

import { byId } from "./element.js";
import { key } from "./key.js";
import { say } from "./words.js";

/** What `work` gives with the key's headers; a key that is missing or refused is asked for, and then it is done anew. */
export async function withKey(work) {
  for (;;) {
    const headers = key.headers();
    try {
      return await work(headers);
    } catch (error) {
      if (error.kind !== "key") throw error;
      if (key.headers().Authorization !== headers.Authorization) continue; // Another one was given meanwhile.
      const why = key.held() ? "keyRefused" : "keyAsked";
      key.forget();
      if (!(await askForKey(why))) throw error;
    }
  }
}

let asking = null;

/** Ask for the key, saying why; true when there is a new one. `forgotten` is called on signing out. Who asks while
 * somebody is asked already gets the same answer. */
export function askForKey(why, forgotten) {
  asking ??= openForKey(why, forgotten).finally(() => {
    asking = null;
  });
  return asking;
}

function openForKey(why, forgotten = () => {}) {
  const dialog = byId("key-dialog");
  const input = byId("key-input");
  byId("key-more").textContent = say(why);
  byId("key-fault").hidden = true;
  byId("key-forget").hidden = !key.held();
  input.value = "";
  const close = new AbortController();
  const { signal } = close;
  return new Promise((resolve) => {
    byId("key-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const kept = key.keep(input.value.trim());
      byId("key-fault").hidden = kept;
      if (kept) dialog.close("kept");
      else input.focus();
    }, { signal });
    byId("key-cancel").addEventListener("click", () => dialog.close(""), { signal });
    byId("key-forget").addEventListener("click", () => {
      key.forget();
      forgotten();
      dialog.close("");
    }, { signal });
    dialog.addEventListener("close", () => {
      close.abort();
      input.value = "";
      resolve(dialog.returnValue === "kept");
    }, { signal });
    dialog.returnValue = "";
    dialog.showModal();
    input.focus();
  });
}

/** Whether to go on with something that cannot be undone. */
export function sure(question, yes) {
  const dialog = byId("sure-dialog");
  byId("sure-text").textContent = question;
  byId("sure-yes").textContent = yes;
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.returnValue = "";
    dialog.showModal();
  });
}
