// Pictures side by side: one zoom and one place for all of them, so that the same detail is seen in each. Keys, buttons,
// wheel with Ctrl, double click, drag, and two fingers.

const MOST = 12;
const STEP = 1.5;
const MOVE = 0.08; // of the frame, for each arrow key
const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export class Pictures {
  // `root` stays while the frames in it come and go.
  constructor(root) {
    Object.assign(this, { root, frames: [], scale: 1, x: 0, y: 0, fingers: new Map() });
    root.addEventListener("click", (event) => this.#clicked(event));
    root.addEventListener("dblclick", (event) => this.#framed(event) && this.zoomAt(this.scale > 1 ? 1 / this.scale : 2.5, event));
    root.addEventListener("wheel", (event) => this.#wheeled(event), { passive: false });
    root.addEventListener("keydown", (event) => this.#keyed(event));
    for (const name of ["touchstart", "touchmove"]) root.addEventListener(name, (event) => event.touches.length > 1 && this.#framed(event) && event.preventDefault(), { passive: false });
    root.addEventListener("pointerdown", (event) => this.#down(event));
    root.addEventListener("pointermove", (event) => this.#moved(event));
    for (const name of ["pointerup", "pointercancel"]) root.addEventListener(name, (event) => this.fingers.delete(event.pointerId));
  }

  // The pictures on the page now, fitted in.
  attach() {
    this.frames = [...this.root.querySelectorAll(".pic")];
    this.fit();
  }

  fit() {
    Object.assign(this, { scale: 1, x: 0, y: 0 });
    this.fingers.clear();
    this.#draw();
  }

  zoom(factor) {
    this.zoomAt(factor, null);
  }

  // Larger or smaller, with what is under the pointer staying where it is; without one, the middle.
  zoomAt(factor, pointer) {
    const scale = Math.min(MOST, Math.max(1, this.scale * factor));
    const frame = pointer && this.#framed(pointer);
    const [x, y] = frame ? place(frame, pointer) : [0, 0];
    const change = scale / this.scale;
    this.x = x - (x - this.x) * change;
    this.y = y - (y - this.y) * change;
    this.scale = scale;
    this.#draw();
  }

  move(x, y) {
    this.x += x;
    this.y += y;
    this.#draw();
  }

  // To the first picture, or from one to the next; where one is shown at a time, it is turned to. False where there is none.
  go() {
    const at = this.frames.indexOf(document.activeElement);
    const next = this.frames[(at + 1) % this.frames.length];
    if (!next) return false;
    const side = next.closest("[data-side]")?.dataset.side;
    if (!next.offsetParent) document.querySelector(`#view-${side}`)?.click();
    next.focus();
    return true;
  }

  #framed(event) {
    return event.target.closest?.(".pic");
  }

  #clicked(event) {
    const asked = event.target.closest("[data-zoom]")?.dataset.zoom;
    if (asked) ({ in: () => this.zoom(STEP), out: () => this.zoom(1 / STEP), fit: () => this.fit() })[asked]();
  }

  #wheeled(event) {
    if (!this.#framed(event) || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    this.zoomAt(Math.exp(-event.deltaY / 200), event);
  }

  #keyed(event) {
    const arrow = ARROWS[event.key];
    if (!arrow || !event.target.matches(".pic") || this.scale === 1 || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.move(arrow[0] * MOVE, arrow[1] * MOVE);
  }

  #down(event) {
    const frame = this.#framed(event);
    if (!frame || (event.pointerType === "mouse" && event.button !== 0)) return;
    if (event.pointerType !== "touch" && this.scale === 1) return;
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.scale > 1 || this.fingers.size > 1) frame.setPointerCapture(event.pointerId);
  }

  #moved(event) {
    const before = this.fingers.get(event.pointerId);
    const frame = this.#framed(event);
    if (!before || !frame) return;
    const now = { x: event.clientX, y: event.clientY };
    const box = frame.getBoundingClientRect();
    const other = [...this.fingers].find(([id]) => id !== event.pointerId)?.[1];
    this.fingers.set(event.pointerId, now);
    if (other) {
      const middle = { clientX: (now.x + other.x) / 2, clientY: (now.y + other.y) / 2, target: frame };
      this.zoomAt(apart(now, other) / (apart(before, other) || 1), middle);
      this.move((now.x - before.x) / 2 / box.width, (now.y - before.y) / 2 / box.height);
    } else if (this.scale > 1) {
      this.move((now.x - before.x) / box.width, (now.y - before.y) / box.height);
    }
  }

  #draw() {
    const room = (this.scale - 1) / 2; // no further than to the picture's edge
    this.x = Math.min(room, Math.max(-room, this.x));
    this.y = Math.min(room, Math.max(-room, this.y));
    for (const frame of this.frames) {
      frame.toggleAttribute("data-zoomed", this.scale > 1);
      frame.firstElementChild.style.transform = this.scale > 1 ? `translate(${100 * this.x}%, ${100 * this.y}%) scale(${this.scale})` : "";
    }
    const said = this.root.querySelector("#zoom output");
    if (said) said.textContent = `${Math.round(100 * this.scale)} %`;
  }
}

// A pointer's place in a frame: from its middle, in shares of its size.
function place(frame, pointer) {
  const box = frame.getBoundingClientRect();
  return [(pointer.clientX - box.left) / box.width - 0.5, (pointer.clientY - box.top) / box.height - 0.5];
}

function apart(one, other) {
  return Math.hypot(one.x - other.x, one.y - other.y);
}
