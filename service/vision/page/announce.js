/** What a screen reader says by itself: never more often than every few seconds, whatever streams in. */

import { byId } from "./element.js";

const PAUSE = 3000;
let waiting = "";
let timer = null;

export function announce(text) {
  waiting = waiting ? `${waiting} ${text}` : text;
  timer ??= setTimeout(speak, 100);
}

function speak() {
  byId("spoken").textContent = waiting;
  waiting = "";
  timer = setTimeout(() => {
    timer = null;
    if (waiting) speak();
  }, PAUSE);
}
