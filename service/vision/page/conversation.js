/** What was asked and answered, as plain data: this is what history.js keeps. */

import { dataUrl } from "./pictures.js";

export const newConversation = () => ({ id: crypto.randomUUID(), title: "", updated: Date.now(), turns: [] });

export const question = (text, pictures) => ({ role: "user", text, pictures });

/** `ending`: asking, then stop, length, stopped, or the trouble as {kind, seconds, detail}. */
export const emptyAnswer = () => ({ role: "assistant", text: "", reasoning: "", ending: "asking" });

/** Pictures that would be sent with one more question. */
export const pictureCount = (conversation) =>
  sent([...conversation.turns, question("", [])]).reduce((count, turn) => count + (turn.pictures?.length ?? 0), 0);

/** The API's messages, earlier turns and their pictures included. */
export async function messages(conversation) {
  return Promise.all(sent(conversation.turns).map(message));
}

/** A question that got no answer is not asked again with the next one, unless it is the last. */
function sent(turns) {
  const last = turns.findLastIndex((turn) => turn.role === "user");
  return turns.filter((turn, index) => {
    if (turn.role === "assistant") return turn.text !== "";
    return index === last || (turns[index + 1]?.role === "assistant" && turns[index + 1].text !== "");
  });
}

async function message(turn) {
  if (turn.role === "assistant") return { role: "assistant", content: turn.text };
  const urls = await Promise.all(turn.pictures.map(({ blob }) => dataUrl(blob)));
  const pictures = urls.map((url) => ({ type: "image_url", image_url: { url } }));
  return { role: "user", content: [...pictures, { type: "text", text: turn.text }] };
}
