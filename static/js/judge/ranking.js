// Putting responses in order: with keys, buttons, or by dragging. What is sent are the places in the selects of the cards,
// which is all there is without scripts; here they follow the cards, which stand on shelves, equal ones on the same.

const STARTED = 5; // px before a press becomes a drag
const EDGE = 70; // px from the edges of what is seen, where dragging scrolls
const MOVE_MS = 150;

export class Ranking {
  // hooks: say(text) aloud, changed() after every change. `words` as the page has them.
  constructor(words, say, changed) {
    Object.assign(this, { words, say, changed, root: null, tiers: [], loose: [], picked: null, before: null });
    document.addEventListener("pointerdown", (event) => this.#press(event));
    document.addEventListener("click", (event) => this.#clicked(event));
    document.addEventListener("focusin", (event) => this.#focused(event));
  }

  // The ranking on the page, if there is one, with the places that its form came with.
  attach(root) {
    this.root = root.querySelector("#ranking");
    this.picked = this.before = null;
    if (!this.root) return;
    this.shelves = this.root.querySelector(".shelves");
    this.tray = this.root.querySelector(".tray");
    this.cards = [...this.root.querySelectorAll(".rank-card")];
    this.read();
  }

  // From the selects, after a draft was put into them.
  read() {
    if (!this.root) return;
    const places = new Map();
    this.loose = [];
    for (const card of this.cards) {
      const place = Number(selectOf(card).value);
      if (place) places.set(place, [...(places.get(place) ?? []), card]);
      else this.loose.push(card);
    }
    this.tiers = [...places.keys()].sort((one, other) => one - other).map((place) => places.get(place));
    this.#draw();
  }

  get complete() {
    return !this.root || !this.loose.length;
  }

  // W › X = Y, as far as it goes.
  get order() {
    return this.tiers.map((tier) => tier.map(nameOf).join(" = ")).join(" › ");
  }

  // By its key: one that has no place gets the next, another is picked up.
  pick(action) {
    const card = this.cards?.find((each) => each.dataset.action === action);
    if (!card) return;
    this.#take(card);
    if (this.loose.includes(card)) this.#apply(card, [...this.#without(card), [card]]);
    else this.say(this.words.rank_picked.replace("{side}", nameOf(card)).replace("{place}", this.#placeOf(card)));
    card.focus({ preventScroll: true });
    this.#reveal(card);
  }

  // To the shelf with this number, on its own.
  place(number) {
    this.#withPicked((card) => {
      const rest = this.#without(card);
      return [...rest.slice(0, number - 1), [card], ...rest.slice(number - 1)];
    });
  }

  // Up or down by one: out of a tie, or past the next shelf. False where nothing is picked up.
  move(step) {
    return this.#withPicked((card) => {
      const at = this.tiers.findIndex((tier) => tier.includes(card));
      const rest = this.#without(card);
      if (at < 0) return [...rest, [card]];
      const tied = this.tiers[at].length > 1;
      const to = tied ? at + (step > 0 ? 1 : 0) : Math.min(rest.length, Math.max(0, at + step));
      return [...rest.slice(0, to), [card], ...rest.slice(to)];
    });
  }

  // As good as the one above; again: below it.
  tie() {
    this.#withPicked((card) => {
      const at = this.tiers.findIndex((tier) => tier.includes(card));
      const rest = this.#without(card);
      if (at < 0) return rest.length ? [...rest.slice(0, -1), [...rest.at(-1), card]] : [[card]];
      if (this.tiers[at].length > 1) return [...rest.slice(0, at + 1), [card], ...rest.slice(at + 1)];
      return at ? rest.map((tier, index) => (index === at - 1 ? [...tier, card] : tier)) : this.tiers;
    });
  }

  // Escape: where it was when it was picked up. False where nothing is.
  putBack() {
    if (!this.picked) return false;
    const card = this.picked;
    const { tiers, loose } = this.before;
    Object.assign(this, { picked: null, before: null });
    this.#settle(tiers, loose);
    this.say(this.words.rank_back.replace("{side}", nameOf(card)).replace("{place}", this.#placeOf(card)));
    return true;
  }

  #take(card) {
    if (this.picked === card) return;
    this.picked = card;
    this.before = { tiers: this.tiers, loose: this.loose };
    this.#mark();
  }

  #withPicked(change) {
    if (!this.root || !this.picked) return false;
    const card = this.picked;
    this.#apply(card, change(card));
    return true;
  }

  #without(card) {
    return this.tiers.map((tier) => tier.filter((each) => each !== card)).filter((tier) => tier.length);
  }

  #apply(card, tiers) {
    const placed = tiers.flat();
    this.#settle(tiers, this.cards.filter((each) => !placed.includes(each)));
    this.say(this.#described(card));
    this.#reveal(card);
  }

  #settle(tiers, loose) {
    const focused = document.activeElement;
    const were = new Map(this.cards.map((card) => [card, card.getBoundingClientRect()]));
    Object.assign(this, { tiers, loose });
    this.#draw();
    if (focused?.isConnected && this.root.contains(focused)) focused.focus({ preventScroll: true });
    this.#animate(were);
    this.changed();
  }

  #described(card) {
    const at = this.tiers.findIndex((tier) => tier.includes(card));
    if (at < 0) return this.words.rank_out.replace("{side}", nameOf(card));
    const others = this.tiers[at].filter((each) => each !== card).map(nameOf);
    const words = others.length ? this.words.rank_tied : this.words.rank_placed;
    return words.replace("{side}", nameOf(card)).replace("{place}", at + 1).replace("{of}", this.tiers.length).replace("{others}", others.join(", "));
  }

  #placeOf(card) {
    return this.tiers.findIndex((tier) => tier.includes(card)) + 1 || "—";
  }

  // The cards go where they belong; those that stay are not touched, so that nothing in them is lost.
  #draw() {
    const shelves = this.tiers.map((tier, index) => this.#shelf(tier, index));
    this.shelves.replaceChildren(...shelves);
    this.tray.querySelector(".tier").append(...this.loose);
    this.tray.hidden = !this.loose.length;
    for (const card of this.cards) {
      const at = this.tiers.findIndex((tier) => tier.includes(card));
      selectOf(card).value = at < 0 ? "" : String(at + 1);
      card.querySelector('[data-move="up"]').disabled = at === 0 && this.tiers[0].length === 1;
      card.querySelector('[data-move="down"]').disabled = at === this.tiers.length - 1 && this.tiers.at(-1)?.length === 1;
      const tie = card.querySelector('[data-move="tie"]');
      tie.setAttribute("aria-pressed", String(at >= 0 && this.tiers[at].length > 1));
      tie.disabled = at === 0 && this.tiers[0].length === 1;
    }
    this.#mark();
    const now = document.querySelector("#order-now");
    if (now) now.textContent = this.order || this.words.rank_none;
  }

  #shelf(tier, index) {
    const shelf = Object.assign(document.createElement("li"), { className: tier.length > 1 ? "shelf tie" : "shelf" });
    const place = Object.assign(document.createElement("div"), { className: "place" });
    const last = index === this.tiers.length - 1 && !this.loose.length && index > 0;
    const said = tier.length > 1 ? this.words.rank_is_tied : index === 0 ? this.words.rank_best : last ? this.words.rank_last : "";
    place.append(Object.assign(document.createElement("b"), { textContent: index + 1 }), Object.assign(document.createElement("span"), { textContent: said }));
    const list = Object.assign(document.createElement("ul"), { className: "tier" });
    list.append(...tier);
    shelf.append(place, list);
    return shelf;
  }

  #mark() {
    for (const card of this.cards ?? []) card.classList.toggle("lifted", card === this.picked);
  }

  #reveal(card) {
    const dock = document.querySelector("#dock")?.getBoundingClientRect().top ?? innerHeight;
    const box = card.getBoundingClientRect();
    if (box.top < 60 || box.bottom > dock) scrollBy({ top: box.top < 60 || box.height > dock - 60 ? box.top - 72 : box.bottom - dock + 12 });
  }

  #animate(were) {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    for (const [card, was] of were) {
      const is = card.getBoundingClientRect();
      const [x, y] = [was.left - is.left, was.top - is.top];
      if (x || y) card.animate([{ transform: `translate(${x}px, ${y}px)` }, { transform: "none" }], { duration: MOVE_MS, easing: "ease-out" });
    }
  }

  // --- buttons and the pointer ----------------------------------------------------------------------------------------

  #clicked(event) {
    const button = this.root && event.target.closest("#ranking [data-move]");
    if (!button) return;
    const card = button.closest(".rank-card");
    this.#take(card);
    const act = button.dataset.move;
    if (act === "place") this.pick(card.dataset.action);
    else if (act === "tie") this.tie();
    else if (act === "back") this.#apply(card, this.#without(card));
    else this.move(act === "up" ? -1 : 1);
    if (!button.disabled && button.offsetParent) button.focus({ preventScroll: true });
    else card.focus({ preventScroll: true });
  }

  // Another card that gets the focus is not the one that keys move.
  #focused(event) {
    const card = this.root && event.target.closest?.("#ranking .rank-card");
    if (card && this.picked && card !== this.picked) this.#take(card);
  }

  #press(event) {
    const grip = this.root && event.button === 0 && event.target.closest("#ranking .grip, #ranking .rank-card > .rank-body > header");
    if (!grip || event.target.closest("button, select, a")) return;
    const card = grip.closest(".rank-card");
    if (event.pointerType === "touch" && !event.target.closest(".grip")) return; // a finger on the text scrolls
    event.preventDefault();
    new Drag(card, event, this);
  }

  // Where a drag would put a card: the new order, and what to show of it.
  target(card, y) {
    const shelves = [...this.shelves.children];
    const tray = !this.tray.hidden && this.tray.getBoundingClientRect();
    if (tray && y > tray.top && this.tiers.length) return { tiers: this.#without(card), over: this.tray };
    for (const [index, shelf] of shelves.entries()) {
      const box = shelf.getBoundingClientRect();
      const alone = this.tiers[index].length === 1 && this.tiers[index][0] === card;
      if (y < box.top + box.height * (alone ? 0.5 : 0.3)) return this.#gap(card, index, shelf, "before");
      if (y < box.top + box.height * (alone ? 1 : 0.7)) return alone ? { tiers: this.tiers, over: null } : this.#onto(card, index, shelf);
    }
    const last = shelves.at(-1);
    return last ? this.#gap(card, shelves.length, last, "after") : { tiers: [[card]], over: this.shelves };
  }

  #gap(card, index, shelf, where) {
    const tiers = this.tiers.map((tier) => tier.filter((each) => each !== card));
    tiers.splice(index, 0, [card]);
    return { tiers: tiers.filter((tier) => tier.length), over: shelf, where };
  }

  #onto(card, index, shelf) {
    const tiers = this.tiers.map((tier, at) => (at === index ? [...tier.filter((each) => each !== card), card] : tier.filter((each) => each !== card)));
    return { tiers: tiers.filter((tier) => tier.length), over: shelf, where: "onto" };
  }

  drop(card, tiers) {
    this.#take(card);
    this.#apply(card, tiers);
    card.focus({ preventScroll: true });
  }
}

// A card under the pointer: it follows, and shows where it would go.
class Drag {
  constructor(card, event, ranking) {
    Object.assign(this, { card, ranking, x: event.clientX, y: event.clientY, from: scrollY, id: event.pointerId, on: false, timer: 0 });
    this.stop = new AbortController();
    const { signal } = this.stop;
    document.addEventListener("pointermove", (moved) => moved.pointerId === this.id && this.#move(moved), { signal });
    document.addEventListener("pointerup", (let_go) => let_go.pointerId === this.id && this.#end(true), { signal });
    document.addEventListener("pointercancel", () => this.#end(false), { signal });
    document.addEventListener("keydown", (key) => key.key === "Escape" && (key.stopPropagation(), this.#end(false)), { signal, capture: true });
  }

  #move(event) {
    Object.assign(this, { nowX: event.clientX, nowY: event.clientY });
    if (!this.on && Math.hypot(this.nowX - this.x, this.nowY - this.y) < STARTED) return;
    if (!this.on) this.#scroll();
    this.on = true;
    this.card.classList.add("dragged");
    this.#show();
  }

  #show() {
    this.card.style.translate = `${this.nowX - this.x}px ${this.nowY - this.y + scrollY - this.from}px`;
    this.#clear();
    this.aim = this.ranking.target(this.card, this.nowY);
    this.aim.over?.classList.add("over", `over-${this.aim.where ?? "all"}`);
  }

  #scroll() {
    const dock = document.querySelector("#dock").getBoundingClientRect().top;
    const by = this.nowY < EDGE ? -9 : this.nowY > dock - EDGE / 2 ? 9 : 0;
    if (by && this.on) {
      scrollBy(0, by);
      this.#show();
    }
    this.timer = requestAnimationFrame(() => this.#scroll());
  }

  #clear() {
    for (const each of document.querySelectorAll("#ranking .over")) each.classList.remove("over", "over-before", "over-after", "over-onto", "over-all");
  }

  #end(dropped) {
    this.stop.abort();
    cancelAnimationFrame(this.timer);
    this.#clear();
    this.card.classList.remove("dragged");
    this.card.style.translate = "";
    if (dropped && this.on && this.aim) this.ranking.drop(this.card, this.aim.tiers);
  }
}

function selectOf(card) {
  return card.querySelector('select[name^="rank:"]');
}

function nameOf(card) {
  return card.dataset.side.toUpperCase();
}
