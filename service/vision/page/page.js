/** Puts the parts together: one conversation is open, and at most one answer is on its way. */

import { announce } from "./announce.js";
import { composer, composes } from "./composer.js";
import { emptyAnswer, messages, newConversation, question, weight } from "./conversation.js";
import { askForKey, sure, withKey } from "./dialogs.js";
import { byId, element, icon } from "./element.js";
import { history } from "./history.js";
import { key } from "./key.js";
import { shelf, titleOf } from "./shelf.js";
import { ask } from "./stream.js";
import { thread } from "./thread.js";
import { plain } from "./trouble.js";
import { underway } from "./underway.js";
import { fill, named, onLanguage, other, say, sayTrouble, switchLanguage } from "./words.js";

const TITLE_LENGTH = 60;
let open = newConversation();
let kept = []; // All conversations, the newest first.

const answers = underway(() => write.refresh());
const write = composer({
  busy: answers.busy,
  weigh: (text, pictures) => weight(open, text, pictures),
  ask: begin,
  stop: answers.stop,
  tell: notice,
});
const talk = thread({ again });
const list = shelf({ choose, remove, fresh: () => show(newConversation()), clear });

async function begin(text, pictures) {
  const signal = answers.begin();
  if (!signal) return;
  notice("");
  open.title ||= text.replace(/\s+/g, " ").slice(0, TITLE_LENGTH);
  const asked = question(text, pictures);
  open.turns.push(asked);
  talk.add(asked, open.turns);
  await answer(signal);
}

async function again(turn) {
  if (turn !== open.turns.at(-1)) return;
  const signal = answers.begin();
  if (!signal) return;
  open.turns.pop();
  talk.open(open.turns);
  write.focus();
  await answer(signal);
}

/** Answer the last question of the open conversation. */
async function answer(signal) {
  const conversation = open;
  const { turns } = conversation;
  const turn = emptyAnswer();
  turns.push(turn);
  talk.add(turn, turns);
  announce(say("answering"));
  await keep(conversation);
  try {
    await listen(conversation, turn, signal);
    announce(say("answered"));
    announce(turn.text);
  } catch (error) {
    turn.ending = signal.aborted ? "stopped" : plain(error);
    announce(typeof turn.ending === "string" ? say(turn.ending) : sayTrouble(turn.ending));
  }
  answers.end(signal);
  talk.show(turn, turns);
  await keep(conversation);
}

/** Take the answer as it comes. */
async function listen(conversation, turn, signal) {
  const sent = await messages(conversation);
  await withKey(async (headers) => {
    for await (const piece of ask(sent, headers, signal)) {
      turn.reasoning += piece.reasoning ?? "";
      turn.text += piece.content ?? "";
      turn.ending = piece.finish ?? turn.ending;
      talk.update(turn, conversation.turns);
    }
  });
}

function show(conversation) {
  answers.stop();
  write.release();
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
  kept = kept.filter((one) => one.id !== conversation.id); // First: what is not among them is not saved again.
  if (conversation.id === open.id) show(newConversation());
  refresh();
  await history.remove(conversation.id);
}

async function clear() {
  if (!(await sure(say("clearSure"), say("clear")))) return;
  kept = [];
  show(newConversation());
  await history.clear();
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
  close.addEventListener("click", () => {
    notice("");
    write.focus();
  });
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
  if (event.key !== "Escape" || composes(event) || document.querySelector("dialog[open]")) return;
  if (!list.close()) answers.stop();
});
onLanguage(() => {
  fill();
  byId("language").textContent = named(other());
  byId("language").lang = other();
  byId("suggestions").replaceChildren(...say("suggestions").map(suggestion));
  talk.open(open.turns);
  refresh();
});
kept = await history.all();
for (const { turns } of kept) {
  // The page was left while this was being answered.
  for (const turn of turns) if (turn.ending === "asking") turn.ending = plain({ kind: "broken" });
}
refresh();
write.focus();
document.documentElement.dataset.ready = "";
