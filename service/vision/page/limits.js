/** How much the service takes at once, as GET /v1/models says: max_pictures, max_pixels and so on. */

import { withKey } from "./dialogs.js";
import { reach, refusal } from "./trouble.js";

const LONGEST = 15_000; // Milliseconds; a question may be waiting for this.
let known = null;

/** Asked for once, when it is first needed. Throws Trouble, and then the next caller asks again. */
export function limits() {
  known ??= withKey(read).catch((error) => {
    known = null;
    throw error;
  });
  return known;
}

async function read(headers) {
  const response = await reach("/v1/models", { headers, signal: AbortSignal.timeout(LONGEST) });
  if (!response.ok) throw await refusal(response);
  const { data } = await response.json();
  return data[0].limits;
}
