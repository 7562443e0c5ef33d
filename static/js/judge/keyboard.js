// Which action a key means. Letters and digits are places on the keyboard, so that hands find them on every layout;
// signs are what they print. Keys show what is printed on them here, where the browser knows it or has seen it typed.

const SIGN = { "−": "-", "–": "-" };
const LAYOUT = "attune:layout";

export class Keyboard {
  constructor() {
    this.actions = new Map();
    this.caps = JSON.parse(localStorage.getItem(LAYOUT) ?? "{}");
    navigator.keyboard?.getLayoutMap?.().then((layout) => this.#learn([...layout]), () => {});
  }

  // From now on the keys mean this.
  use(keys) {
    this.actions = new Map(Object.entries(keys).map(([name, key]) => [key, name]));
  }

  // The actions that this key may mean, the likeliest first: [name, with Shift].
  meanings(event) {
    const found = [];
    const add = (key, shift) => this.actions.has(key) && found.push([this.actions.get(key), shift]);
    const digit = /^(?:Digit|Numpad)([0-9])$/.exec(event.code)?.[1];
    if (/^[0-9]$/.test(event.key)) add(event.key, false);
    if (!/^[\p{L}\p{N}]$/u.test(event.key)) add(SIGN[event.key] ?? event.key, false);
    if (digit && !event.shiftKey) add(digit, false);
    const letter = /^Key([A-Z])$/.exec(event.code)?.[1];
    if (letter) {
      add(letter, event.shiftKey);
      if (/^\p{L}$/u.test(event.key)) this.#learn([[event.code, event.key]]);
    } else if (!event.code && /^[a-z]$/i.test(event.key)) add(event.key.toUpperCase(), event.shiftKey);
    return found;
  }

  // Write on every key of `root` what is printed on it.
  print(root) {
    for (const cap of root.querySelectorAll("[data-key]")) {
      const printed = this.caps[`Key${cap.dataset.key}`];
      if (printed && cap.textContent !== printed) cap.textContent = printed;
    }
  }

  #learn(layout) {
    const before = JSON.stringify(this.caps);
    for (const [code, key] of layout) if (/^Key[A-Z]$/.test(code) && /^\p{L}$/u.test(key)) this.caps[code] = key.toUpperCase();
    if (JSON.stringify(this.caps) === before) return;
    localStorage.setItem(LAYOUT, JSON.stringify(this.caps));
    this.print(document);
  }
}

export function typing(target) {
  return Boolean(target.closest?.("textarea, select, [contenteditable]")) || (target.matches?.("input") && !["radio", "checkbox"].includes(target.type));
}
