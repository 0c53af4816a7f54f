/** POST /v1/chat/completions, as everybody asks it, and the answer piece by piece. */

import { failure, reach, refusal, Trouble } from "./trouble.js";

/** Yields {content}, {reasoning} and at last {finish}. Throws Trouble; a signal's abort throws AbortError. */
export async function* ask(messages, headers, signal) {
  const response = await reach("/v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify({ model: "glm-4v", messages, stream: true }),
    signal,
  });
  if (!response.ok) throw await refusal(response);
  let finish = null;
  for await (const data of events(response.body, signal)) {
    if (data === "[DONE]") {
      if (finish === null) throw new Trouble("broken");
      yield { finish };
      return;
    }
    const chunk = read(data);
    if (chunk.error) throw failure(chunk.error);
    const choice = chunk.choices?.[0];
    if (choice?.delta?.reasoning_content) yield { reasoning: choice.delta.reasoning_content };
    if (choice?.delta?.content) yield { content: choice.delta.content };
    finish = choice?.finish_reason ?? finish;
  }
  throw new Trouble("broken");
}

/** The data of each server-sent event; ours are one line each, and comments keep the connection alive. */
async function* events(body, signal) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) if (line.startsWith("data: ")) yield line.slice(6);
    }
  } catch (error) {
    if (signal.aborted || error instanceof Trouble) throw error;
    throw new Trouble("broken");
  } finally {
    reader.cancel().catch(() => {});
  }
}

function read(data) {
  try {
    return JSON.parse(data);
  } catch {
    throw new Trouble("broken");
  }
}
