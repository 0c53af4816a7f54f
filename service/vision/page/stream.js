/** POST /v1/chat/completions, as everybody asks it, and the answer piece by piece. */

/** What went wrong, by a name that words.js has a sentence for; `seconds` is how long to wait, if the server said. */
export class Trouble extends Error {
  constructor(kind, { seconds = null, detail = "" } = {}) {
    super(kind);
    this.kind = kind;
    this.seconds = seconds;
    this.detail = detail;
  }
}

const KINDS = { 401: "key", 403: "forbidden", 408: "late", 413: "large", 429: "busy", 503: "away", 504: "late" };
const CODES = {
  too_many_images: "pictures",
  context_length_exceeded: "long",
  image_too_large: "large",
  image_too_stretched: "stretched",
  image_unreadable: "unreadable",
  image_broken: "unreadable",
};

/** Yields {content}, {reasoning} and at last {finish}. Throws Trouble; a signal's abort throws AbortError. */
export async function* ask(messages, headers, signal) {
  const response = await post(messages, headers, signal);
  if (!response.ok) throw await refusal(response);
  let finish = null;
  for await (const data of events(response.body, signal)) {
    if (data === "[DONE]") {
      if (finish === null) throw new Trouble("broken");
      yield { finish };
      return;
    }
    const chunk = read(data);
    if (chunk.error) throw new Trouble("broken", { detail: chunk.error.code ?? "" });
    const choice = chunk.choices?.[0];
    if (choice?.delta?.reasoning_content) yield { reasoning: choice.delta.reasoning_content };
    if (choice?.delta?.content) yield { content: choice.delta.content };
    finish = choice?.finish_reason ?? finish;
  }
  throw new Trouble("broken");
}

async function post(messages, headers, signal) {
  try {
    return await fetch("/v1/chat/completions", {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body: JSON.stringify({ model: "glm-4v", messages, stream: true }),
      cache: "no-store",
      redirect: "error",
      signal,
    });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Trouble("offline");
  }
}

async function refusal(response) {
  const fault = (await response.json().catch(() => null))?.error ?? {};
  const wait = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  const kind = CODES[fault.code] ?? KINDS[response.status] ?? (response.status < 500 ? "refused" : "failed");
  return new Trouble(kind, { seconds: wait > 0 ? wait : null, detail: fault.message ?? String(response.status) });
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
