// What is said beside the pairs: notes that stay until they are closed, and what stands in the place of a pair that can't be had.

import { fragment } from "./pages.js";

export class Notes {
  constructor(main, words) {
    Object.assign(this, { main, words });
  }

  // Whatever pair is shown, it stays until it is closed.
  keep(html, lines = [], link = null) {
    const note = fragment(html).body.firstElementChild ?? alertOf(this.words.refused);
    const text = note.querySelector("div") ?? note;
    for (const line of lines.filter(Boolean)) text.append(Object.assign(document.createElement("p"), { textContent: line, dir: "auto" }));
    if (link) text.append(link);
    const close = Object.assign(document.createElement("button"), { type: "button", className: "btn s", textContent: this.words.dismiss });
    close.addEventListener("click", () => note.remove());
    note.append(close);
    const kept = document.querySelector("#kept");
    [...kept.children].find((each) => each.textContent === note.textContent)?.remove(); // once is enough
    kept.append(note);
    return note;
  }

  signedOut() {
    const link = Object.assign(document.createElement("a"), { className: "btn primary", textContent: this.words.sign_in });
    link.href = `${this.main.dataset.login}?${new URLSearchParams([["next", location.pathname]])}`;
    const note = this.keep("", [this.words.signed_out_text], link);
    note.querySelector("p").remove();
    note.classList.add("neg");
    note.id = "signed-out";
  }

  signedIn() {
    document.querySelector("#signed-out")?.remove();
  }

  // There is no pair to show and no way to get one: say so, and that nothing is lost.
  waiting(state, count) {
    const { words } = this;
    const [title, text] = state === "signed_out" ? [words.signed_out_title, words.signed_out_waiting] : [words.offline_title, words.offline_text];
    const panel = Object.assign(document.createElement("section"), { id: "waiting", className: "panel state" });
    this.main.replaceChildren(panel);
    panel.append(
      Object.assign(document.createElement("h1"), { textContent: title }),
      Object.assign(document.createElement("p"), { textContent: text.replace("{n}", count) }),
    );
  }
}

// What the server told of the answer before, as a line of its own.
export function toast(told) {
  const line = document.importNode(told, true);
  line.removeAttribute("id");
  line.setAttribute("role", "status");
  return line;
}

function alertOf(title) {
  const note = Object.assign(document.createElement("div"), { className: "alert" });
  note.setAttribute("role", "status");
  const text = document.createElement("div");
  text.append(Object.assign(document.createElement("p"), { textContent: title }));
  note.append(text);
  return note;
}
