/** Puts the parts together: one conversation is open, and at most one answer is on its way. */

import { announce } from "./announce.js";
import { composer } from "./composer.js";
import { emptyAnswer, messages, newConversation, pictureCount, question } from "./conversation.js";
import { askForKey, sure } from "./dialogs.js";
import { byId, element, icon } from "./element.js";
import { history } from "./history.js";
import { key } from "./key.js";
import { MOST_IN_A_CONVERSATION } from "./pictures.js";
import { shelf, titleOf } from "./shelf.js";
import { ask } from "./stream.js";
import { thread } from "./thread.js";
import { fill, named, onLanguage, other, say, sayTrouble, switchLanguage } from "./words.js";

const TITLE_LENGTH = 60;
let open = newConversation();
let kept = []; // All conversations, the newest first.
let underway = null; // The AbortController of the answer on its way.

const write = composer({
  room: () => MOST_IN_A_CONVERSATION - pictureCount(open),
  ask: begin,
  stop,
  tell: (name, values) => notice(say(name, values)),
});
const talk = thread({ again });
const list = shelf({ choose, remove, fresh: () => show(newConversation()), clear });

async function begin(text, pictures) {
  notice("");
  open.title ||= text.replace(/\s+/g, " ").slice(0, TITLE_LENGTH);
  const asked = question(text, pictures);
  open.turns.push(asked);
  talk.add(asked, open.turns);
  await answer();
}

async function again() {
  open.turns.pop();
  talk.open(open.turns);
  write.focus();
  await answer();
}

/** Answer the last question of the open conversation. */
async function answer() {
  const conversation = open;
  const { turns } = conversation;
  const control = new AbortController();
  const turn = emptyAnswer();
  turns.push(turn);
  underway = control;
  write.asking(true);
  talk.add(turn, turns);
  announce(say("answering"));
  await keep(conversation);
  try {
    await listen(conversation, turn, control.signal);
    announce(say("answered"));
    announce(turn.text);
  } catch (error) {
    turn.ending = control.signal.aborted
      ? "stopped"
      : { kind: error.kind ?? "failed", seconds: error.seconds ?? null, detail: error.detail ?? "" };
    announce(typeof turn.ending === "string" ? say(turn.ending) : sayTrouble(turn.ending));
  }
  if (underway === control) {
    underway = null;
    write.asking(false);
  }
  talk.show(turn, turns);
  await keep(conversation);
}

/** Take the answer as it comes; a refused key is asked for, and then the question again. */
async function listen(conversation, turn, signal) {
  const sent = await messages(conversation);
  for (;;) {
    try {
      for await (const piece of ask(sent, key.headers(), signal)) {
        turn.reasoning += piece.reasoning ?? "";
        turn.text += piece.content ?? "";
        turn.ending = piece.finish ?? turn.ending;
        talk.update(turn, conversation.turns);
      }
      return;
    } catch (error) {
      if (error.kind !== "key") throw error;
      const why = key.held() ? "keyRefused" : "keyAsked";
      key.forget();
      if (!(await askForKey(why))) throw error;
    }
  }
}

function stop() {
  underway?.abort();
  underway = null;
  write.asking(false);
}

function show(conversation) {
  stop();
  notice("");
  open = conversation;
  talk.open(open.turns);
  refresh();
  write.focus();
}

async function choose(id) {
  if (id === open.id) return;
  const found = kept.find((one) => one.id === id);
  if (found) show(found);
}

async function remove(conversation) {
  const title = titleOf(conversation);
  if (!(await sure(say("removeSure", { title }), say("removeYes")))) return;
  await history.remove(conversation.id);
  kept = kept.filter((one) => one.id !== conversation.id);
  if (conversation.id === open.id) show(newConversation());
  refresh();
}

async function clear() {
  if (!(await sure(say("clearSure"), say("clear")))) return;
  await history.clear();
  kept = [];
  show(newConversation());
}

async function keep(conversation) {
  if (!kept.includes(conversation) && conversation.turns.at(-1).ending !== "asking") return; // It was deleted meanwhile.
  conversation.updated = Date.now();
  kept = [conversation, ...kept.filter((one) => one !== conversation)];
  refresh();
  const how = await history.save(conversation);
  if (how !== "saved") notice(say(how));
}

function refresh() {
  const title = open.turns.length ? titleOf(open) : say("fresh");
  byId("title").textContent = title;
  document.title = open.turns.length ? `${title} · casemate` : "casemate";
  list.show(kept, open.id);
}

/** One sentence above the question; an empty one takes it away. */
function notice(text) {
  const place = byId("notice");
  place.hidden = !text;
  const close = element("button", { type: "button", class: "round", "aria-label": say("close") }, icon("close"));
  close.addEventListener("click", () => notice(""));
  place.replaceChildren(...(text ? [element("p", {}, text), close] : []));
}

function suggestion(words) {
  const button = element("button", { type: "button", class: "plain" }, words);
  button.addEventListener("click", () => write.suggest(words));
  return element("li", {}, button);
}

byId("language").addEventListener("click", switchLanguage);
byId("key").addEventListener("click", () => {
  askForKey(key.held() ? "keyHeld" : "keyAsked", () => notice(say("signedOut")));
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && underway && !document.querySelector("dialog[open]")) stop();
});
onLanguage(() => {
  fill();
  byId("language").textContent = named(other());
  byId("language").lang = other();
  byId("suggestions").replaceChildren(...say("suggestions").map(suggestion));
  if (!underway) talk.open(open.turns);
  refresh();
});
kept = await history.all();
for (const { turns } of kept) {
  // The page was left while this was being answered.
  for (const turn of turns) if (turn.ending === "asking") turn.ending = { kind: "broken", seconds: null, detail: "" };
}
refresh();
write.focus();
document.documentElement.dataset.ready = "";
