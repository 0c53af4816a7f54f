/** What the page says, in the browser's language or in the one that was switched to. */

import { chinese } from "./chinese.js";
import { english } from "./english.js";

const PLACE = "casemate.language";
const LANGUAGES = { en: english, "zh-CN": chinese };
const listeners = [];
let current = remembered() ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh-CN" : "en");

function remembered() {
  try {
    const kept = localStorage.getItem(PLACE);
    return kept in LANGUAGES ? kept : null;
  } catch {
    return null; // Storage may be forbidden.
  }
}

/** A sentence; `troubles.busy` goes one down. */
export function say(name, values = {}) {
  const found = name.split(".").reduce((words, part) => words[part], LANGUAGES[current]);
  if (typeof found !== "string") return found;
  return found.replace(/\{(\w+)\}/g, (_, value) => values[value] ?? "");
}

/** What went wrong, and when to come back if that is known. */
export function sayTrouble({ kind, seconds, detail }) {
  const waits = seconds !== null && `${kind}Wait` in LANGUAGES[current].troubles;
  const name = waits ? `${kind}Wait${seconds === 1 ? "One" : ""}` : kind;
  return say(`troubles.${name}`, { seconds, detail });
}

/** Once now, and again after each switch. */
export function onLanguage(listener) {
  listeners.push(listener);
  listener();
}

export function switchLanguage() {
  current = other();
  try {
    localStorage.setItem(PLACE, current);
  } catch {
    // It will be asked of the browser again next time.
  }
  for (const listener of listeners) listener();
}

export const other = () => Object.keys(LANGUAGES).find((one) => one !== current);
export const named = (language) => LANGUAGES[language].language;

/** The texts that index.html only names. */
export function fill(root = document) {
  document.documentElement.lang = current;
  for (const place of root.querySelectorAll("[data-word]")) place.textContent = say(place.dataset.word);
  for (const place of root.querySelectorAll("[data-label]")) place.setAttribute("aria-label", say(place.dataset.label));
  for (const place of root.querySelectorAll("[data-title]")) place.title = say(place.dataset.title);
  for (const place of root.querySelectorAll("[data-placeholder]")) place.placeholder = say(place.dataset.placeholder);
}
