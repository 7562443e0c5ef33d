// The judging page: keys, time taken, "not read yet", and honest words when the connection is lost.
// Everything here is an extra: the form works without it.

const REASONS = { KeyQ: "a", KeyW: "a", KeyE: "a", KeyR: "a", KeyT: "a", KeyY: "b", KeyU: "b", KeyI: "b", KeyO: "b", KeyP: "b" };

const main = document.querySelector("#main");
const dock = () => document.querySelector("#dock");
const typing = (target) => target.closest("textarea, select, [contenteditable]") || (target.matches("input") && !["radio", "checkbox"].includes(target.type));

let began = performance.now();
let hiddenSince = null;
let away = 0;

function restartClock() {
  began = performance.now();
  away = 0;
  hiddenSince = document.hidden ? began : null;
}

function secondsTaken() {
  const now = performance.now();
  return (now - began - away - (hiddenSince === null ? 0 : now - hiddenSince)) / 1000;
}

document.addEventListener("visibilitychange", () => {
  const now = performance.now();
  if (document.hidden) hiddenSince = now;
  else if (hiddenSince !== null) {
    away += now - hiddenSince;
    hiddenSince = null;
  }
});

function pick(value) {
  const input = dock()?.querySelector(`input[name="position"][value="${value}"]`);
  if (!input) return;
  input.checked = true;
  input.focus({ preventScroll: true });
  document.querySelector("#missing").textContent = "";
}

function reason(code, bad) {
  const side = REASONS[code];
  const chip = dock()?.querySelector(`.why-side[data-side="${side}"] .reason[data-code="${code}"]`);
  if (!chip) return false;
  const [plus, minus] = chip.querySelectorAll("input");
  const [wanted, other] = bad ? [minus, plus] : [plus, minus];
  wanted.checked = !wanted.checked;
  if (wanted.checked) other.checked = false;
  return true;
}

function send() {
  const form = dock();
  if (form && complete(form)) form.querySelector(".send").click();
}

function complete(form) {
  if (form.querySelector('input[name="position"]:checked')) return true;
  document.querySelector("#missing").textContent = form.dataset.missing || "Choose 1–7 first";
  return false;
}

const KEYS = {
  Enter: send,
  x: () => pick("both_bad"),
  s: () => dock()?.querySelector('[name="skip"]').click(),
  z: () => document.querySelector("#undo")?.requestSubmit(),
  j: () => window.scrollBy({ top: window.innerHeight / 3 }),
  k: () => window.scrollBy({ top: -window.innerHeight / 3 }),
  "/": () => openText(),
  "?": () => document.querySelector("#keys").togglePopover(),
};

function openText() {
  const why = document.querySelector("#why");
  if (why) why.checked = true;
  document.querySelector("#why-text")?.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (typing(event.target)) {
    if (event.key === "Escape") event.target.blur();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      send();
    }
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const onControl = event.target.closest("button, a, summary");
  if (event.key === "Enter" && onControl) return;
  if (event.key !== "Enter" && main.dataset.shortcuts !== "on") return;
  if (document.querySelector("#keys")?.matches(":popover-open") && event.key !== "?") return;
  let act = null;
  if (/^[1-7]$/.test(event.key)) act = () => pick(event.key);
  else if (event.code in REASONS) act = () => reason(event.code, event.shiftKey);
  else act = KEYS[event.key] ?? KEYS[event.key.toLowerCase()];
  if (!act || (event.repeat && !["j", "k"].includes(event.key))) return;
  event.preventDefault();
  act();
});

document.addEventListener("change", (event) => {
  const { target } = event;
  if (target.name === "position") document.querySelector("#missing").textContent = "";
  const chip = target.closest(".reason");
  if (chip && target.checked) for (const box of chip.querySelectorAll("input")) if (box !== target) box.checked = false;
  if (target.name === "view") target.closest("label").querySelector(".unread")?.setAttribute("hidden", "");
});

document.addEventListener("submit", (event) => {
  if (event.target.id !== "dock") return;
  const skipping = event.submitter?.name === "skip";
  if (!skipping && !complete(event.target)) {
    event.preventDefault();
    event.stopImmediatePropagation();
    return;
  }
  event.target.elements.seconds.value = secondsTaken().toFixed(2);
}, true);

document.addEventListener("htmx:configRequest", (event) => {
  if (event.target.id === "dock") event.detail.parameters.set?.("seconds", secondsTaken().toFixed(2));
});

function status(state, words) {
  const save = document.querySelector("#save");
  if (!save) return;
  save.dataset.state = state;
  save.querySelector(".t").textContent = words;
}

let slow;
document.addEventListener("htmx:beforeRequest", () => {
  clearTimeout(slow);
  slow = setTimeout(() => status("saving", "Saving…"), 400);
});
document.addEventListener("htmx:afterRequest", () => clearTimeout(slow));
for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, () => status("lost", "Not saved: no connection. Your answer is kept; press Submit to try again."));
}
document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status >= 500) status("lost", "Not saved: the server had a fault. Your answer is kept; press Submit to try again.");
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id !== "main") return;
  restartClock();
  document.querySelector("#prompt")?.focus({ preventScroll: true });
  const today = document.querySelector("#today .num")?.textContent.trim() ?? "";
  document.querySelector("#live").textContent = dock() ? `Next pair. ${today}` : document.querySelector("#prompt h2")?.textContent ?? "";
});

restartClock();
