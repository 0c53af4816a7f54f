/** The API key: in this tab only, gone with it, and never in an address. Without one, nothing is sent in its place. */

const PLACE = "casemate.key";
const FORM = /^[\x21-\x7e]{1,512}$/;

export const key = {
  held: () => sessionStorage.getItem(PLACE) !== null,

  /** False for what no header could carry. */
  keep(value) {
    if (!FORM.test(value)) return false;
    sessionStorage.setItem(PLACE, value);
    return true;
  },

  forget: () => sessionStorage.removeItem(PLACE),

  headers() {
    const value = sessionStorage.getItem(PLACE);
    return value === null ? {} : { Authorization: `Bearer ${value}` };
  },
};
