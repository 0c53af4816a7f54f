/** What went wrong, by a name that english.js and chinese.js have a sentence for. */

/** `seconds` is how long to wait, if the server said; `detail` its own words. */
export class Trouble extends Error {
  constructor(kind, { seconds = null, detail = "" } = {}) {
    super(kind);
    this.kind = kind;
    this.seconds = seconds;
    this.detail = detail;
  }
}

/** By the code that the service or the door gives, which says more than a status and stands in a stream too. */
const CODES = {
  audit_unavailable: "unlogged",
  context_length_exceeded: "long",
  engine_failed: "engine",
  engine_loading: "loading",
  engine_stopping: "stopping",
  engine_stuck: "engine",
  image_animated: "unreadable",
  image_broken: "unreadable",
  image_too_complex: "unreadable",
  image_too_large: "large",
  image_too_many_pixels: "large",
  image_too_stretched: "stretched",
  image_unreadable: "unreadable",
  internal_error: "failed",
  maintenance: "maintenance",
  out_of_memory: "memory",
  queue_full: "busy",
  rate_limit_exceeded: "often",
  stopping: "stopping",
  too_many_images: "pictures",
};
const STATUSES = { 401: "key", 403: "forbidden", 408: "slow", 413: "large", 429: "busy", 503: "away", 504: "late" };

/** Of a response that is no success. */
export async function refusal(response) {
  const fault = (await response.json().catch(() => null))?.error ?? {};
  const wait = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  const kind = CODES[fault.code] ?? STATUSES[response.status] ?? (response.status < 500 ? "refused" : "failed");
  return new Trouble(kind, { seconds: wait > 0 ? wait : null, detail: fault.message ?? String(response.status) });
}

/** Of an error in the midst of an answer, whose status had been 200. */
export const failure = ({ code, message }) => new Trouble(CODES[code] ?? "failed", { detail: message });

/** fetch, from our own server and nothing else. Throws Trouble when there is no response; a signal's abort as it is. */
export async function reach(path, options) {
  try {
    return await fetch(path, { ...options, cache: "no-store", redirect: "error" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Trouble("offline");
  }
}

/** As a conversation keeps it, and words.js says it; a fault of the page's own is one of ours as well. */
export const plain = ({ kind = "failed", seconds = null, detail = "" }) => ({ kind, seconds, detail });
