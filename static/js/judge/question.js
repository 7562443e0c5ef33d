// A question about one's own taste beside the pairs: fetched when the server says that it may be time for one, and gone
// once it is answered or the time for it is over. Judging goes on meanwhile, and no key belongs to it.

import { ask } from "./outbox.js";

export class Questions {
  // place: where notes stay; keep(html): shows an error there; say(text): for screen readers.
  constructor(place, words, keep, say) {
    Object.assign(this, { place, words, keep, say });
    place.addEventListener("submit", (event) => {
      if (!event.target.matches(".question")) return;
      event.preventDefault();
      this.#answer(event.target, event.submitter);
    });
  }

  async look(url) {
    const shown = this.place.querySelector(".question");
    if (!url && !shown?.contains(document.activeElement)) shown?.remove();
    if (!url || shown) return;
    try {
      const html = await ask(url);
      const form = new DOMParser().parseFromString(html, "text/html").querySelector(".question");
      if (!form || this.place.querySelector(".question")) return;
      this.place.append(document.importNode(form, true));
      this.say(this.words.question);
    } catch {
      // There will be another time: nothing that was entered hangs on it.
    }
  }

  async #answer(form, submitter) {
    for (const button of form.querySelectorAll("button")) button.disabled = true;
    const data = new URLSearchParams({ trait: form.elements.trait.value, value: submitter?.value ?? "" });
    try {
      await ask(form.getAttribute("action"), data);
      this.say(this.words.question_kept);
      form.remove();
      document.querySelector("#prompt")?.focus({ preventScroll: true });
    } catch (error) {
      if (error.html) {
        form.remove();
        this.keep(error.html);
      } else {
        for (const button of form.querySelectorAll("button")) button.disabled = false;
        this.say(this.words.question_offline);
      }
    }
  }
}
