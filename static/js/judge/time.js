// Time: what a judgment took without the times away, the pace and what is left of today, and when a break would be good.

const LATELY = 20;
const ENOUGH = 5;
const PAUSE_MS = 5 * 60_000;

export class Clock {
  constructor() {
    this.restart();
    document.addEventListener("visibilitychange", () => {
      const now = performance.now();
      if (document.hidden) this.hiddenSince = now;
      else if (this.hiddenSince !== null) {
        this.away += now - this.hiddenSince;
        this.hiddenSince = null;
      }
    });
  }

  restart() {
    this.began = performance.now();
    this.away = 0;
    this.hiddenSince = document.hidden ? this.began : null;
  }

  seconds() {
    const now = performance.now();
    return (now - this.began - this.away - (this.hiddenSince === null ? 0 : now - this.hiddenSince)) / 1000;
  }
}

// A person's own pace, kept on this device only.
export class Pace {
  constructor(place, breakMinutes, words) {
    Object.assign(this, { name: `attune:pace:${place}`, breakMinutes, words, since: null, last: 0 });
  }

  took(seconds) {
    localStorage.setItem(this.name, JSON.stringify([...this.#lately(), Math.round(seconds * 10) / 10].slice(-LATELY)));
    const now = Date.now();
    if (this.since === null || now - this.last > PAUSE_MS) this.since = now - seconds * 1000;
    this.last = now;
    if (this.breakMinutes && now - this.since > this.breakMinutes * 60_000) this.#suggestBreak();
  }

  // "about 12 min left" beside the progress.
  show() {
    const today = document.querySelector("#today");
    const lately = this.#lately().sort((one, other) => one - other);
    const left = today && Number(today.dataset.goal) - Number(today.dataset.today);
    const line = today?.querySelector(".pace");
    if (!line) return;
    const minutes = Math.round((left * lately[lately.length >> 1]) / 60);
    line.textContent = lately.length >= ENOUGH && left > 0 && minutes > 0 ? this.words.pace.replace("{minutes}", minutes) : "";
  }

  #lately() {
    return JSON.parse(localStorage.getItem(this.name) ?? "[]");
  }

  #suggestBreak() {
    const minutes = Math.round((Date.now() - this.since) / 60_000);
    this.since = null;
    const note = Object.assign(document.createElement("div"), { className: "alert" });
    note.setAttribute("role", "status");
    note.append(Object.assign(document.createElement("p"), { textContent: this.words.break.replace("{minutes}", minutes) }));
    const close = Object.assign(document.createElement("button"), { type: "button", className: "btn s", textContent: this.words.dismiss });
    close.addEventListener("click", () => note.remove());
    note.append(close);
    document.querySelector("#kept").append(note);
  }
}
