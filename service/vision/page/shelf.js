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

  function move(open) {
    const asDrawer = narrow.matches;
    drawer.classList.toggle("open", asDrawer && open);
    drawer.inert = asDrawer && !open;
    byId("stage").inert = asDrawer && open;
    curtain.hidden = !(asDrawer && open);
    menu.setAttribute("aria-expanded", String(asDrawer && open));
  }

  function close() {
    const wasOpen = drawer.classList.contains("open");
    move(false);
    if (wasOpen) menu.focus();
  }

  menu.addEventListener("click", () => {
    move(true);
    byId("new").focus();
  });
  curtain.addEventListener("click", close);
  drawer.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
  });
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
    return element("li", {}, pick, bin);
  }

  return {
    show(conversations, openId) {
      list.replaceChildren(...conversations.map((one) => row(one, one.id === openId)));
      byId("shelf-empty").hidden = conversations.length > 0;
      byId("clear").hidden = conversations.length === 0;
    },
  };
}
