// Stretches of the responses marked good or bad: made with the pointer or with keys, coloured where they stand, listed
// below their response, and fields of the form. The bar never lies over what comes next: it stands above the first line.

import { paint, Text } from "./text.js";

const SHORT = 60;

export class Marks {
  constructor(words, keys, say, changed) {
    Object.assign(this, { words, keys, say, changed, texts: [], marks: [], editing: null, caret: null });
    this.bar = document.querySelector("#markbar");
    this.more = this.bar.querySelector(".rest");
    [this.tag, this.comment] = this.bar.querySelectorAll("select, input");
    this.bar.addEventListener("pointerdown", (event) => event.target.closest("button") && event.preventDefault()); // keeps the selection
    this.bar.addEventListener("click", (event) => this.#clicked(event.target.closest("button")));
    this.bar.addEventListener("input", () => this.#edited());
    this.bar.addEventListener("keydown", (event) => this.#keyed(event));
    document.addEventListener("selectionchange", () => this.#selected());
    document.addEventListener("click", (event) => this.#pointed(event));
    addEventListener("scroll", () => this.bar.hidden || this.#place(), { passive: true });
    addEventListener("resize", () => this.bar.hidden || this.#place());
  }

  // The responses on the page now, with the marks that their form came with.
  attach(root) {
    this.texts = [...root.querySelectorAll(".resp .md[data-map]")].map((element) => new Text(element));
    this.close();
    this.caret = null;
    this.set([...root.querySelectorAll('.marks input[name="mark"]')].map((input) => input.value));
  }

  set(fields) {
    this.marks = fields.flatMap((field) => {
      const mark = JSON.parse(field);
      return this.#text(mark.side)?.rangeOf(mark.start, mark.end) ? [mark] : [];
    });
    this.#draw();
  }

  // Mark what is selected, or change the mark that is open. False where there is neither.
  give(good) {
    if (this.editing && !this.#selection()) {
      this.editing.good = good;
      this.#after(this.editing, true);
      return true;
    }
    const selection = this.#selection();
    const place = selection?.text.sourceOf(selection.begin, selection.end);
    if (!place) return false;
    const mark = { side: selection.text.side, ...place, good, tag: "", comment: "", seen: selection.text.seen(place.start, place.end) };
    const same = this.marks.find((each) => each.side === mark.side && each.start === mark.start && each.end === mark.end);
    if (same) same.good = good;
    else this.marks.push(mark);
    this.caret = null;
    getSelection().removeAllRanges();
    this.#after(same ?? mark, true);
    return true;
  }

  // Select with keys: first in A, then in B, then no more.
  select() {
    const next = this.caret ? this.texts.indexOf(this.caret.text) + 1 : this.#firstShown();
    if (next >= this.texts.length) return this.leave();
    const text = this.texts[next];
    document.querySelector(`#view-${text.side}`)?.click();
    this.caret = { text, words: text.words(), sentences: text.words("sentence"), from: 0, to: 0 };
    this.say(this.words.selecting.replace("{side}", this.texts.length > 1 ? text.side.toUpperCase() : this.words.the_response).replace("{good}", this.keys.mark_good).replace("{bad}", this.keys.mark_bad));
    this.#selectWords();
    return true;
  }

  // An arrow key while selecting. False where nothing is being selected.
  move(key, extend) {
    const { caret } = this;
    if (!caret) return false;
    const end = caret.words.length - 1;
    if (key === "ArrowLeft" || key === "ArrowRight") {
      const step = (key === "ArrowRight") === (getComputedStyle(caret.text.element).direction === "ltr") ? 1 : -1;
      caret.to = Math.min(end, Math.max(0, caret.to + step));
      if (!extend) caret.from = caret.to;
    } else {
      this.#moveBySentence(key === "ArrowDown" ? 1 : -1, extend);
    }
    this.#selectWords(true);
    return true;
  }

  leave() {
    const was = Boolean(this.caret || !this.bar.hidden);
    this.caret = null;
    getSelection().removeAllRanges();
    this.close();
    return was;
  }

  close() {
    this.editing = null;
    this.bar.hidden = true;
    paint("mark-open", []);
  }

  // Into the open mark, with Tab. False where none is open.
  enter() {
    if (this.bar.hidden || this.more.hidden || this.bar.contains(document.activeElement)) return false;
    this.tag.focus();
    return true;
  }

  open(mark, fromList = false) {
    this.editing = mark;
    this.fromList = fromList;
    this.more.hidden = false;
    this.tag.value = mark.tag;
    this.comment.value = mark.comment;
    for (const button of this.bar.querySelectorAll("[data-good]")) button.setAttribute("aria-pressed", String(button.dataset.good === String(mark.good)));
    this.bar.hidden = false;
    paint("mark-open", [this.#range(mark)]);
    this.#place();
    if (fromList) this.tag.focus();
  }

  #after(mark, aloud) {
    this.#draw();
    this.open(mark);
    this.changed();
    if (aloud) this.say(`${this.words[mark.good ? "mark_good" : "mark_bad"].replace("{words}", mark.seen)}. ${this.words.mark_tab}`);
  }

  #remove(mark) {
    this.marks = this.marks.filter((each) => each !== mark);
    this.close();
    this.#draw();
    this.changed();
    this.say(this.words.mark_removed);
    document.querySelector("#prompt")?.focus({ preventScroll: true });
  }

  #clicked(button) {
    if (!button) return;
    if (button.dataset.good) this.give(button.dataset.good === "true");
    else if ("remove" in button.dataset) this.#remove(this.editing);
    else this.#done();
  }

  #edited() {
    Object.assign(this.editing, { tag: this.tag.value, comment: this.comment.value });
    this.#draw();
    this.changed();
  }

  #keyed(event) {
    if (event.isComposing || !["Enter", "Escape"].includes(event.key) || event.target.closest("button")) return;
    event.preventDefault();
    event.stopPropagation();
    this.#done();
  }

  #done() {
    const item = this.editing && document.querySelector(`[data-mark="${this.marks.indexOf(this.editing)}"]`);
    const inside = this.bar.contains(document.activeElement);
    const target = this.fromList ? item : document.querySelector("#prompt");
    this.close();
    if (inside) target?.focus({ preventScroll: true });
  }

  // A click on a marked stretch opens it; one elsewhere closes the bar.
  #pointed(event) {
    if (this.bar.contains(event.target) || event.target.closest("[data-mark]") || !getSelection().isCollapsed) return;
    const element = event.target.closest(".resp .md");
    const text = this.texts.find((each) => each.element === element);
    const mark = text && this.#markAt(text, event);
    if (mark) this.open(mark);
    else if (!this.bar.hidden) this.close();
  }

  #markAt(text, { clientX, clientY }) {
    const within = this.marks.filter((mark) => mark.side === text.side && [...this.#range(mark).getClientRects()].some(
      (box) => clientX >= box.left && clientX <= box.right && clientY >= box.top && clientY <= box.bottom));
    return within.sort((one, other) => (one.end - one.start) - (other.end - other.start))[0]; // the shortest lies on top
  }

  #selected() {
    const selection = this.#selection();
    if (!selection) {
      if (!this.editing) this.close();
      return;
    }
    this.editing = null;
    paint("mark-open", []);
    this.more.hidden = true;
    for (const button of this.bar.querySelectorAll("[data-good]")) button.setAttribute("aria-pressed", "false");
    this.bar.hidden = false;
    this.#place();
  }

  // What is selected of one response, without the blanks around it.
  #selection() {
    const selection = getSelection();
    if (selection.isCollapsed || !selection.rangeCount) return undefined;
    const range = selection.getRangeAt(0);
    const text = this.texts.find(({ element }) => element.contains(range.startContainer)) ?? this.texts.find(({ element }) => element.contains(range.endContainer));
    if (!text) return undefined;
    const begin = text.element.contains(range.startContainer) ? text.offsetOf(range.startContainer, range.startOffset) : 0;
    const end = text.element.contains(range.endContainer) ? text.offsetOf(range.endContainer, range.endOffset) : text.text.length;
    const words = text.text.slice(begin, end);
    if (!words.trim()) return undefined;
    return { text, begin: begin + words.length - words.trimStart().length, end: end - (words.length - words.trimEnd().length) };
  }

  #text(side) {
    return this.texts.find((text) => text.side === side);
  }

  #range(mark) {
    return this.#text(mark.side).rangeOf(mark.start, mark.end);
  }

  #firstShown() {
    return Math.max(0, this.texts.findIndex(({ element }) => element.offsetParent));
  }

  #moveBySentence(step, extend) {
    const { caret } = this;
    const at = caret.words[caret.to][0];
    const now = caret.sentences.findIndex(([, end]) => end > at);
    const next = Math.min(caret.sentences.length - 1, Math.max(0, now + (extend || this.#wholeSentence(now) ? step : 0)));
    const [begin, end] = caret.sentences[next];
    const first = caret.words.findIndex(([, stop]) => stop > begin);
    const last = caret.words.findLastIndex(([start]) => start < end);
    if (first < 0) return;
    if (!extend) caret.from = first;
    caret.to = step < 0 && extend ? first : last;
  }

  #wholeSentence(index) {
    const { caret } = this;
    const [begin, end] = caret.sentences[index] ?? [0, 0];
    const [low, high] = [Math.min(caret.from, caret.to), Math.max(caret.from, caret.to)];
    return caret.words[low][0] <= begin + 2 && caret.words[high][1] >= end - 2;
  }

  #selectWords(aloud = false) {
    const { caret } = this;
    if (!caret.words.length) return;
    const [low, high] = [Math.min(caret.from, caret.to), Math.max(caret.from, caret.to)];
    const range = caret.text.range(caret.words[low][0], caret.words[high][1]);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    const dock = document.querySelector("#dock").getBoundingClientRect().top;
    const box = range.getBoundingClientRect();
    if (box.top < 100 || box.bottom > dock - 10) scrollBy({ top: box.top - dock / 2 });
    if (aloud) this.say(this.words.selected.replace("{words}", range.toString()));
  }

  // Above the first line of the stretch, never over the lines that follow it; on a touch screen, where the system's own
  // bar is there, just above the dock.
  #place() {
    const selection = this.editing ? undefined : this.#selection();
    const range = this.editing ? this.#range(this.editing) : selection?.text.range(selection.begin, selection.end);
    if (!range) return void this.close();
    const line = range.getClientRects()[0] ?? range.getBoundingClientRect();
    const dock = document.querySelector("#dock")?.getBoundingClientRect().top ?? innerHeight;
    const bar = this.bar.getBoundingClientRect();
    const top = matchMedia("(pointer: coarse)").matches ? dock - bar.height - 8 : Math.max(4, Math.min(line.top - bar.height - 6, dock - bar.height - 8));
    this.bar.style.top = `${top}px`;
    this.bar.style.left = `${Math.max(8, Math.min(line.left, innerWidth - bar.width - 8))}px`;
  }

  #draw() {
    for (const [name, good] of [["mark-good", true], ["mark-bad", false]]) {
      paint(name, this.marks.filter((mark) => mark.good === good).map((mark) => this.#range(mark)));
    }
    for (const list of document.querySelectorAll(".resp .marks")) {
      const { side } = list.closest("[data-side]").dataset;
      list.replaceChildren(...this.marks.flatMap((mark, index) => (mark.side === side ? [this.#item(mark, index)] : [])));
    }
  }

  #item(mark, index) {
    const item = document.createElement("li");
    const field = Object.assign(document.createElement("input"), { type: "hidden", name: "mark", value: JSON.stringify(mark) });
    field.setAttribute("form", "dock");
    const button = Object.assign(document.createElement("button"), { type: "button" });
    const label = this.tag.querySelector(`option[value="${CSS.escape(mark.tag)}"]`)?.textContent;
    button.dataset.mark = index;
    button.dataset.sign = mark.good ? "+" : "−";
    button.className = mark.good ? "good" : "bad";
    const words = mark.seen.length > SHORT ? `${mark.seen.slice(0, SHORT)}…` : mark.seen;
    button.append(Object.assign(document.createElement("q"), { textContent: words, dir: "auto" }));
    const note = [mark.tag ? label : "", mark.comment].filter(Boolean).join(": ");
    if (note) button.append(Object.assign(document.createElement("span"), { textContent: note, dir: "auto" }));
    button.setAttribute("aria-label", `${mark.good ? "+" : "−"} ${this.words.mark_edit.replace("{words}", words)}${note ? `, ${note}` : ""}`);
    button.addEventListener("click", () => this.open(this.marks[index], true));
    item.append(field, button);
    return item;
  }
}
