/** Conversations with their pictures, in this browser's IndexedDB and nowhere else. */

const STORE = "conversations";

/** Where a browser keeps nothing (a private window, say), reading gives nothing and saving says "off". */
let opened = null;

function database() {
  opened ??= new Promise((resolve, reject) => {
    const opening = indexedDB.open("casemate", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { keyPath: "id" });
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
  return opened;
}

async function transaction(mode, work) {
  const db = await database();
  return new Promise((resolve, reject) => {
    const under = db.transaction(STORE, mode);
    const request = work(under.objectStore(STORE));
    under.oncomplete = () => resolve(request.result);
    under.onabort = () => reject(under.error ?? new DOMException("aborted", "AbortError"));
  });
}

export const history = {
  /** The newest first. */
  async all() {
    const found = await transaction("readonly", (store) => store.getAll()).catch(() => []);
    return found.sort((one, other) => other.updated - one.updated);
  },

  /** "saved"; "full" when the browser has no room left; "off" when it keeps nothing at all. */
  async save(conversation) {
    try {
      await transaction("readwrite", (store) => store.put(conversation));
      return "saved";
    } catch (error) {
      return error?.name === "QuotaExceededError" ? "full" : "off";
    }
  },

  remove: (id) => transaction("readwrite", (store) => store.delete(id)).catch(() => {}),

  clear: () => transaction("readwrite", (store) => store.clear()).catch(() => {}),
};
