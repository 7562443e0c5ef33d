// The text of one response as it stands on the page, and where it comes from. Places on the page are in UTF-16 units,
// places in the source in code points; `data-map` (annotator/markdown.py) leads from one to the other.

export class Text {
  constructor(element) {
    this.element = element;
    this.side = element.closest("[data-side]").dataset.side;
    this.nodes = [];
    this.begins = [];
    let text = "";
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      this.nodes.push(walker.currentNode);
      this.begins.push(text.length);
      text += walker.currentNode.data;
    }
    this.text = text;
    this.units = [];
    for (let unit = 0; unit < text.length; unit += text.codePointAt(unit) > 0xffff ? 2 : 1) this.units.push(unit);
    this.units.push(text.length);
    this.runs = runsOf(element.dataset.map);
  }

  // The place of a point of the page in the text, in units.
  offsetOf(node, offset) {
    const probe = document.createRange();
    probe.setStart(this.element, 0);
    probe.setEnd(node, offset);
    return probe.toString().length;
  }

  // The stretch of the source that is read between two places of the text; undefined where nothing of it is.
  sourceOf(begin, end) {
    const from = this.#codePoint(begin);
    const to = this.#codePoint(end);
    let start = Infinity;
    let stop = -1;
    for (const run of this.runs) {
      const low = Math.max(from, run.at);
      const high = Math.min(to, run.at + run.length);
      if (low >= high) continue;
      const whole = run.length !== run.sourceLength;
      start = Math.min(start, whole ? run.start : run.start + low - run.at);
      stop = Math.max(stop, whole ? run.start + run.sourceLength : run.start + high - run.at);
    }
    return stop < 0 ? undefined : { start, end: stop };
  }

  // What is read of a stretch of the source.
  seen(start, end) {
    return this.#pieces(start, end).map(([from, to]) => this.text.slice(this.units[from], this.units[to])).join("");
  }

  // The stretch of the source as a range of the page; undefined where nothing of it is read.
  rangeOf(start, end) {
    const pieces = this.#pieces(start, end);
    return pieces.length ? this.range(this.units[pieces[0][0]], this.units[pieces.at(-1)[1]]) : undefined;
  }

  range(begin, end) {
    const range = document.createRange();
    range.setStart(...this.#point(begin, false));
    range.setEnd(...this.#point(end, true));
    return range;
  }

  words(granularity = "word") {
    if (!Intl.Segmenter) return [...this.text.matchAll(/\S+/g)].map((found) => [found.index, found.index + found[0].length]);
    const segments = [...new Intl.Segmenter(document.documentElement.lang, { granularity }).segment(this.text)];
    const kept = granularity === "word" ? segments.filter((each) => each.isWordLike) : segments.filter((each) => each.segment.trim());
    return kept.map(({ index, segment }) => [index, index + segment.trimEnd().length]);
  }

  #pieces(start, end) {
    const pieces = [];
    for (const run of this.runs) {
      const low = Math.max(start, run.start);
      const high = Math.min(end, run.start + run.sourceLength);
      if (low >= high) continue;
      const whole = run.length !== run.sourceLength;
      pieces.push(whole ? [run.at, run.at + run.length] : [run.at + low - run.start, run.at + high - run.start]);
    }
    return pieces;
  }

  #codePoint(unit) {
    let [low, high] = [0, this.units.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.units[middle] < unit) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #point(unit, atEnd) {
    let index = this.begins.length - 1;
    while (index > 0 && (atEnd ? this.begins[index] >= unit : this.begins[index] > unit)) index -= 1;
    return [this.nodes[index], unit - this.begins[index]];
  }
}

function runsOf(map) {
  const runs = [];
  let at = 0;
  let start = 0;
  for (const word of map ? map.split(" ") : []) {
    const [gap, skip, length, sourceLength = length] = word.split(".").map(Number);
    runs.push({ at: at + gap, start: start + skip, length, sourceLength });
    at += gap + length;
    start += skip + sourceLength;
  }
  return runs;
}

// Colour ranges of the page under a name that the style sheet knows; where the browser can't, the list of marks has them.
export function paint(name, ranges) {
  if (!globalThis.CSS?.highlights) return;
  if (ranges.length) CSS.highlights.set(name, new Highlight(...ranges));
  else CSS.highlights.delete(name);
}
