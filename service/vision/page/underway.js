/** At most one answer is on its way: whoever wants to begin one asks here, and gets nothing while there is another. */

/** `changed` is told whenever one begins or ends. */
export function underway(changed) {
  let control = null;

  function set(next) {
    control = next;
    changed();
  }

  return {
    busy: () => control !== null,

    /** The signal that `stop` aborts; null while another answer is on its way. */
    begin() {
      if (control) return null;
      set(new AbortController());
      return control.signal;
    },

    /** What was stopped has ended before, and another one may be on its way by now. */
    end(signal) {
      if (control?.signal === signal) set(null);
    },

    stop() {
      if (!control) return;
      control.abort();
      set(null);
    },
  };
}
