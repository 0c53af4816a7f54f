/** What was asked and answered, as plain data: this is what history.js keeps. */

import { dataUrl } from "./pictures.js";

const FRAME = 100; // Bytes of a request around its messages, rounded up.

export const newConversation = () => ({ id: crypto.randomUUID(), title: "", updated: Date.now(), turns: [] });

export const question = (text, pictures) => ({ role: "user", text, pictures });

/** `ending`: asking, then stop, length, stopped, or the trouble as {kind, seconds, detail}. */
export const emptyAnswer = () => ({ role: "assistant", text: "", reasoning: "", ending: "asking" });

/** {pictures, bytes} of the request that would ask this next, earlier turns included. */
export function weight(conversation, text, pictures) {
  const turns = sent([...conversation.turns, question(text, pictures)]);
  const blobs = turns.flatMap((turn) => turn.pictures ?? []).map(({ blob }) => blob);
  const words = turns.map((turn) => message(turn, (turn.pictures ?? []).map(({ blob }) => `data:${blob.type};base64,`)));
  const inBase64 = blobs.reduce((bytes, { size }) => bytes + 4 * Math.ceil(size / 3), 0);
  return { pictures: blobs.length, bytes: FRAME + new Blob([JSON.stringify(words)]).size + inBase64 };
}

/** The API's messages, earlier turns and their pictures included. */
export function messages(conversation) {
  return Promise.all(
    sent(conversation.turns).map(async (turn) =>
      message(turn, await Promise.all((turn.pictures ?? []).map(({ blob }) => dataUrl(blob)))),
    ),
  );
}

/** A question that got no answer is not asked again with the next one, unless it is the last. */
function sent(turns) {
  const last = turns.findLastIndex((turn) => turn.role === "user");
  return turns.filter((turn, index) => {
    if (turn.role === "assistant") return turn.text !== "";
    return index === last || (turns[index + 1]?.role === "assistant" && turns[index + 1].text !== "");
  });
}

function message(turn, urls) {
  if (turn.role === "assistant") return { role: "assistant", content: turn.text };
  const pictures = urls.map((url) => ({ type: "image_url", image_url: { url } }));
  return { role: "user", content: [...pictures, { type: "text", text: turn.text }] };
}
