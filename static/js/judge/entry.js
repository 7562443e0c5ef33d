// What is entered for the task on the screen: chosen, counted up where a panel hides it, and what is still missing.

import { dock, kind } from "./pages.js";

export class Entry {
  // hooks: fields(form) what it holds, changed(form) something was entered, ordered() whether every response has a place.
  constructor(main, words, hooks) {
    Object.assign(this, { main, words, hooks, warned: false });
  }

  // Another task is on the screen, with what had been entered for it before.
  begin() {
    this.warned = false;
    this.#summarise();
    this.#showAspects();
  }

  pick(value, name = "position") {
    const input = dock()?.querySelector(`input[name="${name}"][value="${value}"]`);
    if (!input) return;
    input.checked = true;
    input.focus({ preventScroll: true });
    this.changed();
  }

  reason(action, bad) {
    const chip = dock()?.querySelector(`.reason[data-action="${action}"]`);
    const input = chip?.querySelector(bad ? ".m input" : ".p input");
    if (!input) return;
    input.checked = !input.checked;
    this.changed(input);
  }

  // Something was entered, perhaps by hand into `input`.
  changed(input = null) {
    if (input) excludeOther(input);
    document.querySelector("#missing").textContent = "";
    this.#summarise();
    this.hooks.changed(dock());
  }

  // Whether the form can be submitted; if not, what it lacks is said.
  complete(form) {
    const problem = this.#missing(form);
    document.querySelector("#missing").textContent = problem;
    return !problem;
  }

  openText() {
    const why = document.querySelector("#why");
    if (why) why.checked = true;
    document.querySelector("#why-text")?.focus();
  }

  openAspects() {
    const aspects = document.querySelector("#aspects");
    if (!aspects) return;
    const others = document.querySelector("#others");
    if (others?.offsetParent) others.checked = true;
    aspects.open = !aspects.open;
    if (aspects.open) (aspects.querySelector("input:checked") ?? aspects.querySelector("input")).focus();
  }

  // Aspects that were answered are never hidden: what is sent is seen.
  #showAspects() {
    const aspects = document.querySelector("#aspects");
    if (aspects?.querySelector("input:checked")) aspects.open = true;
  }

  // What closed panels hold: how many reasons, and whether there is a flag.
  #summarise() {
    const form = dock();
    if (!form) return;
    const fields = this.hooks.fields(form);
    const count = fields.filter(([name]) => /^([a-z]_(good|bad)|rationale|mark)$/.test(name)).length;
    const counter = document.querySelector("#why-count");
    if (counter) counter.textContent = count || "";
    for (const each of this.main.querySelectorAll(".card-reasons")) {
      each.querySelector(".count").textContent = each.querySelectorAll(":checked").length || "";
    }
    const flag = form.querySelector('[name="flag_kind"]:checked');
    const flagged = document.querySelector("#flagged");
    flagged.hidden = !flag?.value;
    flagged.querySelector(".what").textContent = flag?.value ? `${this.words.flagged}: ${flag.closest("label").querySelector("span").textContent}` : "";
  }

  // What keeps the form from being submitted, in words.
  #missing(form) {
    const { words } = this;
    const position = form.querySelector('input[name="position"]:checked, input[name="rating"]:checked')?.value;
    if (kind() === "ranking" ? !this.hooks.ordered() : !position) return words[{ ranking: "choose_order", rating: "choose_rating" }[kind()] ?? "choose"];
    const { rationales, least, critique } = form.dataset;
    const text = form.querySelector("#why-text")?.value.trim() ?? "";
    if (kind() === "rating" && position !== "na" && [...text].length < Number(critique)) return words.critique_least.replace("{least}", critique).replace("{n}", [...text].length);
    const needed = rationales === "required" || (kind() === "pair" && rationales === "strong" && ["1", "7"].includes(position));
    if (needed && Number(least) && [...text].length < Number(least)) return words.why_least.replace("{least}", least).replace("{n}", [...text].length);
    const given = text || document.querySelector("#main .reason input:checked") || new FormData(form).has("mark");
    if (needed && !given) return words.why;
    const unread = [...document.querySelectorAll(".pair-tabs .unread:not([hidden])")][0]?.closest("label");
    if (unread?.offsetParent && !unread.querySelector(":checked") && !this.warned) {
      this.warned = true;
      return words.unread.replace("{side}", unread.dataset.side.toUpperCase());
    }
    return "";
  }
}

function excludeOther(input) {
  const chip = input.closest(".reason");
  if (chip && input.checked) for (const box of chip.querySelectorAll("input")) if (box !== input) box.checked = false;
}
