/** The list of conversations; on a narrow screen a drawer. */

import { byId, element, icon } from "./element.js";
import { say } from "./words.js";

const narrow = window.matchMedia("(max-width: 55.99rem)");

export const titleOf = (conversation) => conversation.title || say("untitled");

/** `choose`, `remove`, `fresh` and `clear` are what its buttons do. */
export function shelf({ choose, remove, fresh, clear }) {
  const drawer = byId("shelf");
  const menu = byId("menu");
  const curtain = byId("curtain");
  const list = byId("conversations");
  let drawn = "";

  function move(open) {
    const asDrawer = narrow.matches;
    drawer.classList.toggle("open", asDrawer && open);
    drawer.inert = asDrawer && !open;
    byId("stage").inert = asDrawer && open;
    curtain.hidden = !(asDrawer && open);
    menu.setAttribute("aria-expanded", String(asDrawer && open));
  }

  /** Whether there was a drawer to close. */
  function close() {
    const wasOpen = drawer.classList.contains("open");
    move(false);
    if (wasOpen) menu.focus();
    return wasOpen;
  }

  menu.addEventListener("click", () => {
    move(true);
    byId("new").focus();
  });
  curtain.addEventListener("click", close);
  narrow.addEventListener("change", () => move(false));
  byId("new").addEventListener("click", () => {
    close();
    fresh();
  });
  byId("clear").addEventListener("click", clear);
  move(false);

  function row(conversation, open) {
    const title = titleOf(conversation);
    const pick = element("button", { type: "button", class: "pick", "aria-current": open ? "true" : false }, title);
    pick.addEventListener("click", () => {
      close();
      choose(conversation.id);
    });
    const bin = element("button", { type: "button", class: "round", "aria-label": say("remove", { title }) }, icon("remove"));
    bin.addEventListener("click", () => remove(conversation));
    return element("li", { "data-id": conversation.id }, pick, bin);
  }

  /** Where the focus goes when the rows are drawn anew: the same button, else the row that takes its place. */
  function focusFrom(rows) {
    const had = document.activeElement;
    if (had === byId("clear")) return () => byId("clear").hidden && byId("new").focus();
    const at = rows.findIndex((one) => one.contains(had));
    if (at < 0) return () => {};
    const { id } = rows[at].dataset;
    const which = had.classList.contains("pick") ? ".pick" : ".round";
    return (after) => {
      const same = after.find((one) => one.dataset.id === id) ?? after[Math.min(at, after.length - 1)];
      (same?.querySelector(which) ?? byId("new")).focus();
    };
  }

  return {
    close,
    show(conversations, openId) {
      const now = JSON.stringify([openId, conversations.map((one) => [one.id, say("remove", { title: titleOf(one) })])]);
      if (now === drawn) return;
      drawn = now;
      const restore = focusFrom([...list.children]);
      const rows = conversations.map((one) => row(one, one.id === openId));
      list.replaceChildren(...rows);
      byId("shelf-empty").hidden = conversations.length > 0;
      byId("clear").hidden = conversations.length === 0;
      restore(rows);
    },
  };
}
