// What is entered and not submitted: on this device at once, on the server a moment later. Which of the two is newer does
// not hang on clocks: the server's draft has a version, and this device remembers the one it knows and whether it has
// changed anything since.

import { ask } from "./outbox.js";

const DELAY = 1_200;
const KEPT_MS = 14 * 86_400_000;
const FIELDS = /^(position|rating|rank:[a-z]|rationale|mark|[a-z]_(good|bad)|skip_(reason|note)|flag_(kind|about|note)|aspect:.+)$/;

export class Drafts {
  constructor(owner, url) {
    Object.assign(this, { prefix: `attune:draft:${owner}:`, url, timer: 0 });
    this.#tidy();
  }

  fieldsOf(form) {
    return [...new FormData(form)].filter(([name, value]) => FIELDS.test(name) && value !== "" && !(name === "flag_about" && value === "both"));
  }

  // Something was entered.
  changed(form) {
    const { dealt } = form.dataset;
    this.#put(dealt, { fields: this.fieldsOf(form), known: this.get(dealt)?.known ?? form.dataset.draft, dirty: true, at: Date.now() });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#send(dealt), DELAY);
  }

  // Keep fields for an assignment that is shown later.
  keep(dealt, fields) {
    this.#put(dealt, { fields, known: "", dirty: true, at: Date.now() });
  }

  // What this device has for the form, if that is newer than what the server put into it.
  newer(form) {
    const draft = this.get(form.dataset.dealt);
    const newer = draft && (draft.dirty || draft.known === form.dataset.draft || !form.dataset.draft);
    return newer ? draft.fields : undefined;
  }

  drop(dealt) {
    clearTimeout(this.timer);
    localStorage.removeItem(this.prefix + dealt);
  }

  get(dealt) {
    return JSON.parse(localStorage.getItem(this.prefix + dealt) ?? "null");
  }

  async #send(dealt) {
    const draft = this.get(dealt);
    if (!draft) return;
    try {
      const known = await ask(this.url, new URLSearchParams([["assignment", dealt], ...draft.fields]));
      const now = this.get(dealt);
      if (now?.at === draft.at) this.#put(dealt, { ...now, known, dirty: false });
    } catch {
      // It is kept here; the next change tries again.
    }
  }

  #put(dealt, draft) {
    localStorage.setItem(this.prefix + dealt, JSON.stringify(draft));
  }

  #tidy() {
    for (const key of Object.keys(localStorage)) {
      if (key.startsWith("attune:draft:") && !(JSON.parse(localStorage.getItem(key))?.at > Date.now() - KEPT_MS)) localStorage.removeItem(key);
    }
  }
}

// Put fields back into a form.
export function fill(form, fields, setMarks) {
  for (const input of form.elements) {
    if (!FIELDS.test(input.name) || input.name === "mark") continue;
    const values = fields.filter(([name]) => name === input.name).map(([, value]) => value);
    if (input.type === "radio" || input.type === "checkbox") input.checked = values.includes(input.value) || (!values.length && input.defaultChecked && /^flag_/.test(input.name));
    else input.value = values[0] ?? "";
  }
  setMarks(fields.filter(([name]) => name === "mark").map(([, value]) => value));
}
