// What differs between two texts: the words that are in one and not, in the same order, in the other.

import { paint } from "./text.js";

const MOST = 4_000_000; // cells of the table: two texts of 2,000 words

// Places in `a` and in `b` of the words outside a longest common subsequence.
export function different(a, b) {
  const rows = a.length + 1;
  const columns = b.length + 1;
  if (rows * columns > MOST) return undefined;
  const table = new Uint16Array(rows * columns);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      const here = i * columns + j;
      table[here] = a[i] === b[j] ? table[here + columns + 1] + 1 : Math.max(table[here + columns], table[here + 1]);
    }
  }
  const only = [[], []];
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) [i, j] = [i + 1, j + 1];
    else if (table[(i + 1) * columns + j] >= table[i * columns + j + 1]) only[0].push(i++);
    else only[1].push(j++);
  }
  while (i < a.length) only[0].push(i++);
  while (j < b.length) only[1].push(j++);
  return only;
}

export class Differences {
  constructor(words, say) {
    Object.assign(this, { words, say, on: false });
  }

  toggle(texts) {
    if (texts.length !== 2) return; // pictures
    this.on = !this.on;
    this.show(texts, true);
  }

  show(texts, aloud = false) {
    const button = document.querySelector("#compare");
    button?.setAttribute("aria-pressed", String(this.on));
    button?.toggleAttribute("hidden", texts.length !== 2);
    paint("only-a", []);
    paint("only-b", []);
    if (!this.on || texts.length !== 2) return;
    const places = texts.map((text) => text.words());
    const only = different(...texts.map((text, side) => places[side].map(([from, to]) => text.text.slice(from, to).toLocaleLowerCase())));
    if (!only) return void this.say(this.words.differ_long);
    for (const [side, name] of ["only-a", "only-b"].entries()) {
      paint(name, joined(only[side]).map(([first, last]) => texts[side].range(places[side][first][0], places[side][last][1])));
    }
    if (aloud) this.say(this.words.differ.replace("{a}", only[0].length).replace("{b}", only[1].length));
  }
}

// Neighbours as one stretch: [[first, last], …].
function joined(places) {
  const stretches = [];
  for (const place of places) {
    if (stretches.at(-1)?.[1] === place - 1) stretches.at(-1)[1] = place;
    else stretches.push([place, place]);
  }
  return stretches;
}
