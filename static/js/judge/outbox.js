// Answers on their way: kept on this device until the server says that it has them, sent one after the other and in
// their order. The server knows each by its client key, so that sending one twice stores it once.

const FIRST_WAIT = 2_000;
const LONGEST_WAIT = 30_000;
const PATIENCE = 20_000;
const MOST_KEPT_ALIVE = 60_000; // bytes that a browser sends for a page that is gone

export function csrf() {
  return document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? document.querySelector('[name="csrfmiddlewaretoken"]')?.value ?? "";
}

export class SignedOut extends Error {}
export class Refused extends Error {
  constructor(status, html) {
    super(`refused with ${status}`);
    Object.assign(this, { status, html });
  }
}

// A request of this page's, as a fragment of HTML. Throws `SignedOut`, `Refused`, or what fetch throws.
export async function ask(url, body, options = {}) {
  const response = await fetch(url, {
    method: body === undefined ? "GET" : "POST",
    body,
    headers: { "HX-Request": "true", "X-CSRFToken": csrf() },
    redirect: "manual",
    signal: AbortSignal.timeout(PATIENCE),
    ...options,
  });
  if (response.type === "opaqueredirect") throw new SignedOut();
  const text = await response.text();
  if (response.status === 403 && !text.includes('class="alert')) throw new SignedOut(); // cookies are gone, too
  if ([403, 404, 409, 413, 422].includes(response.status)) throw new Refused(response.status, text);
  if (!response.ok) throw new Error(`answered ${response.status}`);
  return text;
}

export class Outbox {
  // hooks: extra(entry) more of the form at the time of sending, stored(entry, text), refused(entry, error),
  // changed(state, count) with state "saved", "saving", "offline", "fault" or "signed_out".
  constructor(name, url, hooks) {
    Object.assign(this, { name, url, hooks, wait: FIRST_WAIT, running: null, timer: 0, pages: new Map() });
    addEventListener("online", () => this.flush());
    document.addEventListener("visibilitychange", () => document.hidden || (this.entries().length && this.flush()));
  }

  entries() {
    return JSON.parse(localStorage.getItem(this.name) ?? "[]");
  }

  // `html`, to show the pair again, stays in memory.
  add(entry, html) {
    this.pages.set(entry.key, html);
    this.#write([...this.entries().filter((each) => each.key !== entry.key), entry]);
  }

  // Take the last answer back if it never left this device; undefined otherwise.
  takeBack() {
    const last = this.entries().at(-1);
    if (!last || last.tried || !this.pages.has(last.key)) return undefined;
    const html = this.pages.get(last.key);
    this.#remove(last.key);
    return { ...last, html };
  }

  flush() {
    clearTimeout(this.timer);
    this.running ??= this.#locked().finally(() => (this.running = null));
    return this.running;
  }

  #locked() {
    return navigator.locks ? navigator.locks.request(this.name, () => this.#send()) : this.#send();
  }

  async #send() {
    const slow = setTimeout(() => this.hooks.changed("saving", this.entries().length), 400);
    try {
      for (let entry = this.entries()[0]; entry; entry = this.entries()[0]) {
        this.#write(this.entries().map((each) => (each.key === entry.key ? { ...each, tried: true } : each)));
        const body = `${entry.body}&${this.hooks.extra(entry)}`;
        try {
          const text = await ask(this.url, new URLSearchParams(body), { keepalive: body.length < MOST_KEPT_ALIVE });
          this.#remove(entry.key);
          this.hooks.stored(entry, text);
        } catch (error) {
          if (!(error instanceof Refused)) throw error;
          const html = this.pages.get(entry.key);
          this.#remove(entry.key);
          this.hooks.refused({ ...entry, html }, error);
        }
      }
      this.wait = FIRST_WAIT;
      this.hooks.changed("saved", 0);
    } catch (error) {
      const state = error instanceof SignedOut ? "signed_out" : error.message.startsWith("answered") ? "fault" : "offline";
      this.hooks.changed(state, this.entries().length);
      this.timer = setTimeout(() => this.flush(), this.wait);
      this.wait = Math.min(2 * this.wait, LONGEST_WAIT);
    } finally {
      clearTimeout(slow);
    }
  }

  #remove(key) {
    this.pages.delete(key);
    this.#write(this.entries().filter((each) => each.key !== key));
  }

  #write(entries) {
    localStorage.setItem(this.name, JSON.stringify(entries));
  }
}
