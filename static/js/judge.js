// The judging page: the next pairs are here before they are shown, answers are kept until the server has them, and
// everything has a key. Everything here is an extra: the form works without it.

import { Differences } from "./judge/differences.js";
import { Drafts, fill } from "./judge/drafts.js";
import { Keyboard, typing } from "./judge/keyboard.js";
import { Marks } from "./judge/marks.js";
import { ask, Outbox, Refused, SignedOut } from "./judge/outbox.js";
import { Pictures } from "./judge/pictures.js";
import { Questions } from "./judge/question.js";
import { Ranking } from "./judge/ranking.js";
import { Clock, Pace } from "./judge/time.js";
import { gestures } from "./judge/touch.js";

const AHEAD = 2; // pairs that are held besides the one on the screen
const HALF_PAGE = 1 / 3;

const main = document.querySelector("#main");
const words = JSON.parse(document.querySelector("#judge-words").textContent);
const keysByKind = JSON.parse(document.querySelector("#judge-keys").textContent);
const keys = keysByKind.pair;
const here = location.pathname;
const place = `${main.dataset.owner}:${main.dataset.project}`;

const dock = () => document.querySelector("#dock");
const kind = () => dock()?.dataset.kind ?? "pair";
const say = (text) => (document.querySelector("#live").textContent = text);

const keyboard = new Keyboard();
const clock = new Clock();
const pace = new Pace(place, Number(main.dataset.break), words);
const drafts = new Drafts(main.dataset.owner, main.dataset.drafts);
const differences = new Differences(words, say);
const marks = new Marks(words, keys, say, () => entered());
const pictures = new Pictures(main);
const ranking = new Ranking(words, say, () => entered());
const questions = new Questions(document.querySelector("#kept") ?? main, words, keep, say);
const revising = main.dataset.mode === "revise"; // an earlier judgment is edited: a plain form
const outbox = new Outbox(`attune:outbox:${place}`, here, { extra, stored, refused, changed: status });

let shown = main.innerHTML; // as it came, to be shown again after an undo
let upcoming = [];
let warnedUnread = false;

// --- what is on the screen ------------------------------------------------------------------------------------------

function show(html, said = "") {
  main.innerHTML = html;
  shown = html;
  begin();
  scrollTo(0, 0);
  document.querySelector("#prompt")?.focus({ preventScroll: true });
  const aloud = said || words[dock()?.dataset.hindsight === undefined ? `next_${kind()}` : "next_hindsight"];
  const today = outbox.entries().length ? "" : document.querySelector("#today .num")?.textContent.trim(); // else one behind
  say(dock() ? aloud.replace("{today}", today ?? "").trim() : document.querySelector("#prompt h2")?.textContent ?? "");
}

function begin() {
  clock.restart();
  warnedUnread = false;
  keyboard.use(keysByKind[kind()]);
  document.querySelector("#keys").dataset.kind = kind();
  keyboard.print(document);
  marks.attach(main);
  ranking.attach(main);
  differences.show(marks.texts);
  pictures.attach();
  const form = dock();
  const fields = form && !revising && drafts.newer(form);
  if (fields?.length) {
    fill(form, fields, (list) => marks.set(list));
    ranking.read();
    say(words.draft);
  }
  summarise();
  showAspects();
  pace.show();
}

function dealtOf(html) {
  return /data-dealt="([^"]+)"/.exec(html)?.[1];
}

function heldOf(html) {
  return /data-held="([^"]+)"/.exec(html)?.[1];
}

function takeIn(html) {
  const known = [shown, ...upcoming].map(dealtOf);
  if (!known.includes(dealtOf(html))) upcoming.push(html);
}

// A pair that was just judged comes back with what came of its responses: before any other.
function secondLook(html) {
  return / data-hindsight[ >=]/.test(html);
}

function takeInFirst(html) {
  upcoming = upcoming.filter((each) => dealtOf(each) !== dealtOf(html));
  if (dealtOf(html) !== dealtOf(shown) || !dock()) upcoming.unshift(html);
}

// --- pairs ahead, answers on their way ------------------------------------------------------------------------------

function held() {
  const waiting = outbox.entries().map((entry) => entry.held);
  return [...waiting, dock()?.dataset.held, ...upcoming.map(heldOf)].filter(Boolean).map((mark) => ["held", mark]);
}

function extra() {
  return new URLSearchParams([["ahead", dock() || upcoming.length ? "some" : "none"], ...held()]).toString();
}

async function look() {
  try {
    while (dock() && upcoming.length < AHEAD) {
      const html = await ask(`${main.dataset.ahead}?${new URLSearchParams(held())}`);
      const next = fragment(html).querySelector("template#ahead");
      if (!next) return;
      takeIn(next.innerHTML);
    }
  } catch {
    // The next submit brings one, or says what is wrong.
  }
}

function fragment(html) {
  return new DOMParser().parseFromString(html, "text/html");
}

function stored(entry, html) {
  const reply = fragment(html);
  const next = reply.querySelector("template#ahead")?.innerHTML;
  const today = reply.querySelector("#today");
  if (today) document.querySelector("#today").replaceWith(document.importNode(today, true));
  questions.look(today?.dataset.question);
  pace.show();
  if (next && !dealtOf(next)) { // nothing is left, or nothing is asked of this person any more
    upcoming = [];
    show(next);
  }
  else if (next && secondLook(next)) takeInFirst(next);
  else if (next) takeIn(next);
  if (!dock() && upcoming.length) show(upcoming.shift());
  const told = reply.querySelector("#told");
  const line = document.querySelector("#dock .told .toast");
  if (told && !line) document.querySelector("#dock .told")?.prepend(toast(told));
}

function toast(told) {
  const line = document.importNode(told, true);
  line.removeAttribute("id");
  line.setAttribute("role", "status");
  return line;
}

// The server does not take an answer: say why, and show the pair again with it where it can still be judged.
function refused(entry, error) {
  const fields = [...new URLSearchParams(entry.body)];
  if (error.status === 422 && entry.html) {
    drafts.keep(entry.assignment, fields);
    if (dock()) upcoming.unshift(shown);
    show(entry.html, "{today}");
    document.querySelector("#notes").innerHTML = error.html;
    return;
  }
  const written = fields.find(([name]) => name === "rationale")?.[1];
  keep(error.html, [entry.gist, written && `${words.refused_kept} “${written}”`]);
  if (!dock()) reload();
}

// A note that stays until it is closed, whatever pair is shown.
function keep(html, lines = [], link = null) {
  const note = fragment(html).body.firstElementChild ?? alertOf(words.refused);
  const text = note.querySelector("div") ?? note;
  for (const line of lines.filter(Boolean)) text.append(Object.assign(document.createElement("p"), { textContent: line, dir: "auto" }));
  if (link) text.append(link);
  const close = Object.assign(document.createElement("button"), { type: "button", className: "btn s", textContent: words.dismiss });
  close.addEventListener("click", () => note.remove());
  note.append(close);
  const kept = document.querySelector("#kept");
  [...kept.children].find((each) => each.textContent === note.textContent)?.remove(); // once is enough
  kept.append(note);
  return note;
}

function alertOf(title) {
  const note = Object.assign(document.createElement("div"), { className: "alert" });
  note.setAttribute("role", "status");
  const text = document.createElement("div");
  text.append(Object.assign(document.createElement("p"), { textContent: title }));
  note.append(text);
  return note;
}

function status(state, count) {
  const save = document.querySelector("#save");
  const said = { saved: words.saved, saving: words.saving, offline: words.offline, fault: words.fault, signed_out: words.signed_out }[state];
  if (save.dataset.state !== state || count) save.querySelector(".t").textContent = said.replace("{n}", count);
  save.dataset.state = state;
  document.querySelector("#signed-out")?.remove();
  if (state === "signed_out") signedOut();
  if (!dock() && upcoming.length && !["saved", "saving"].includes(state)) show(upcoming.shift()); // a second look can wait
  if (!dock() && !["saved", "saving"].includes(state)) waiting(state, count);
  if (state === "saved" && !dock() && (document.querySelector("#waiting") || !main.querySelector(".state"))) reload(); // or another tab sent it
}

function signedOut() {
  const link = Object.assign(document.createElement("a"), { className: "btn primary", textContent: words.sign_in });
  link.href = `${main.dataset.login}?${new URLSearchParams([["next", here]])}`;
  const note = keep("", [words.signed_out_text], link);
  note.querySelector("p").remove();
  note.classList.add("neg");
  note.id = "signed-out";
}

// There is no pair to show and no way to get one: say so, and that nothing is lost.
function waiting(state, count) {
  const [title, text] = state === "signed_out" ? [words.signed_out_title, words.signed_out_waiting] : [words.offline_title, words.offline_text];
  const panel = Object.assign(document.createElement("section"), { id: "waiting", className: "panel state" });
  main.replaceChildren(panel);
  panel.append(
    Object.assign(document.createElement("h1"), { textContent: title }),
    Object.assign(document.createElement("p"), { textContent: text.replace("{n}", count) }),
  );
}

async function reload() {
  try {
    take(await ask(here));
  } catch (error) {
    if (error instanceof SignedOut) signedOut();
    else if (error instanceof Refused) keep(error.html);
  }
}

// A whole new content of the page, with the parts outside of it.
function take(html, aloud) {
  const reply = fragment(html);
  for (const part of reply.querySelectorAll("[hx-swap-oob]")) {
    part.removeAttribute("hx-swap-oob");
    if (part.id !== "save") document.getElementById(part.id)?.replaceWith(document.importNode(part, true));
    part.remove();
  }
  const next = reply.body.innerHTML;
  upcoming = upcoming.filter((each) => dealtOf(each) !== dealtOf(next));
  show(next, aloud);
}

// --- acts -----------------------------------------------------------------------------------------------------------

function pick(value, name = "position") {
  const input = dock()?.querySelector(`input[name="${name}"][value="${value}"]`);
  if (!input) return;
  input.checked = true;
  input.focus({ preventScroll: true });
  entered();
}

function reason(action, bad) {
  const chip = dock()?.querySelector(`.reason[data-action="${action}"]`);
  const input = chip?.querySelector(bad ? ".m input" : ".p input");
  if (!input) return;
  input.checked = !input.checked;
  excludeOther(input);
  entered();
}

function excludeOther(input) {
  const chip = input.closest(".reason");
  if (chip && input.checked) for (const box of chip.querySelectorAll("input")) if (box !== input) box.checked = false;
}

function entered() {
  document.querySelector("#missing").textContent = "";
  summarise();
  if (!revising) drafts.changed(dock());
}

// What closed panels hold: how many reasons, and whether there is a flag.
function summarise() {
  const form = dock();
  if (!form) return;
  const fields = drafts.fieldsOf(form);
  const count = fields.filter(([name]) => /^([a-z]_(good|bad)|rationale|mark)$/.test(name)).length;
  const counter = document.querySelector("#why-count");
  if (counter) counter.textContent = count || "";
  for (const each of main.querySelectorAll(".card-reasons")) {
    each.querySelector(".count").textContent = each.querySelectorAll(":checked").length || "";
  }
  const kind = form.querySelector('[name="flag_kind"]:checked');
  const flagged = document.querySelector("#flagged");
  flagged.hidden = !kind?.value;
  flagged.querySelector(".what").textContent = kind?.value ? `${words.flagged}: ${kind.closest("label").querySelector("span").textContent}` : "";
}

function send() {
  dock()?.requestSubmit(dock().querySelector(".send"));
}

// What keeps the form from being submitted, in words.
function missing(form) {
  const position = form.querySelector('input[name="position"]:checked, input[name="rating"]:checked')?.value;
  if (kind() === "ranking" ? !ranking.complete : !position) return words[{ ranking: "choose_order", rating: "choose_rating" }[kind()] ?? "choose"];
  const { rationales, least, critique } = form.dataset;
  const text = form.querySelector("#why-text")?.value.trim() ?? "";
  if (kind() === "rating" && position !== "na" && [...text].length < Number(critique)) return words.critique_least.replace("{least}", critique).replace("{n}", [...text].length);
  const needed = rationales === "required" || (kind() === "pair" && rationales === "strong" && ["1", "7"].includes(position));
  if (needed && Number(least) && [...text].length < Number(least)) return words.why_least.replace("{least}", least).replace("{n}", [...text].length);
  const given = text || document.querySelector("#main .reason input:checked") || new FormData(form).has("mark");
  if (needed && !given) return words.why;
  const unread = [...document.querySelectorAll(".pair-tabs .unread:not([hidden])")][0]?.closest("label");
  if (unread?.offsetParent && !unread.querySelector(":checked") && !warnedUnread) {
    warnedUnread = true;
    return words.unread.replace("{side}", unread.dataset.side.toUpperCase());
  }
  return "";
}

function complete(form) {
  const problem = missing(form);
  document.querySelector("#missing").textContent = problem;
  return !problem;
}

function submit(form, submitter) {
  const skipping = submitter?.name === "skip";
  if (!skipping && !complete(form)) return;
  form.elements.seconds.value = clock.seconds().toFixed(2);
  const data = new URLSearchParams(new FormData(form, submitter));
  data.delete("csrfmiddlewaretoken");
  const gist = document.querySelector("#prompt .now").textContent.trim().slice(0, 90);
  outbox.add({ key: data.get("client_key"), assignment: form.dataset.dealt, held: form.dataset.held, body: data.toString(), gist }, shown);
  drafts.drop(form.dataset.dealt);
  if (!skipping) pace.took(clock.seconds());
  for (const open of document.querySelectorAll("[popover]:popover-open")) open.hidePopover();
  if (upcoming.length && !(form.hasAttribute("data-waits") && navigator.onLine && !skipping)) show(upcoming.shift());
  else form.remove(); // nothing may be sent twice; what comes next is on its way
  outbox.flush();
}

async function undo() {
  const back = outbox.takeBack();
  if (back) {
    drafts.keep(back.assignment, [...new URLSearchParams(back.body)]);
    if (dock()) upcoming.unshift(shown);
    return show(back.html, words.again);
  }
  await outbox.flush();
  if (outbox.entries().length) return say(words.undo_offline);
  const form = document.querySelector("#undo");
  try {
    const before = dock() && shown;
    const html = await ask(form.action, new URLSearchParams(new FormData(form)));
    upcoming = upcoming.filter((each) => !secondLook(each)); // what they follow may be what is undone; the server has them
    if (before && dealtOf(html) !== dealtOf(before) && !secondLook(before)) upcoming.unshift(before);
    drafts.drop(dealtOf(html));
    take(html, words.again);
  } catch (error) {
    if (error instanceof Refused) keep(error.html);
    else say(words.undo_offline);
  }
}

function openPopover(id) {
  document.querySelector(id)?.togglePopover();
}

function openText() {
  const why = document.querySelector("#why");
  if (why) why.checked = true;
  document.querySelector("#why-text")?.focus();
}

function openAspects() {
  const aspects = document.querySelector("#aspects");
  if (!aspects) return;
  const others = document.querySelector("#others");
  if (others?.offsetParent) others.checked = true;
  aspects.open = !aspects.open;
  if (aspects.open) (aspects.querySelector("input:checked") ?? aspects.querySelector("input")).focus();
}

// Aspects that were answered are never hidden: what is sent is seen.
function showAspects() {
  const aspects = document.querySelector("#aspects");
  if (aspects?.querySelector("input:checked")) aspects.open = true;
}

function mark(good) {
  if (!dock() || marks.give(good)) return;
  say(words.mark_none.replace("{key}", keys.select));
}

function act(name, shift) {
  if (/^step[1-7]$/.test(name)) return pick(name.slice(4));
  if (/^[ab][1-5]$/.test(name)) return reason(name, shift);
  if (/^rate/.test(name)) return pick(name.slice(4), "rating");
  if (/^card/.test(name)) return ranking.pick(name);
  if (/^place/.test(name)) return ranking.place(Number(name.slice(5)));
  return {
    na: () => pick("na", "rating"),
    tie: () => ranking.tie(),
    both_good: () => pick("both_good"),
    both_bad: () => pick("both_bad"),
    words: openText,
    mark_good: () => mark(true),
    mark_bad: () => mark(false),
    select: () => dock() && marks.select(),
    aspects: openAspects,
    differences: () => differences.toggle(marks.texts),
    zoom_in: () => pictures.zoom(1.5),
    zoom_out: () => pictures.zoom(1 / 1.5),
    zoom_fit: () => pictures.fit(),
    picture: () => pictures.go(),
    undo: () => revising || undo(),
    skip: () => dock() && openPopover("#skip"),
    flag: () => dock() && openPopover("#flag"),
    down: () => scrollBy({ top: innerHeight * HALF_PAGE }),
    up: () => scrollBy({ top: -innerHeight * HALF_PAGE }),
    help: () => openPopover("#keys"),
  }[name]?.();
}

// --- keys -----------------------------------------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.keyCode === 229 || event.defaultPrevented) return;
  const popover = document.querySelector("[popover]:popover-open");
  if (["skip", "flag"].includes(popover?.id) && inDialog(event, popover)) return;
  if (typing(event.target)) return void inField(event);
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") return void (marks.leave() || ranking.putBack());
  if (event.key === "Tab" && !event.shiftKey && marks.enter()) return void event.preventDefault();
  if (event.key.startsWith("Arrow") && marks.move(event.key, event.shiftKey)) return void event.preventDefault();
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (step && !event.shiftKey && !popover && !event.target.matches("input") && ranking.move(step)) return void event.preventDefault();
  if (event.key === "Enter") {
    if (event.target.closest("button, a, summary") || popover || event.repeat) return;
    event.preventDefault();
    return void send();
  }
  if (main.dataset.shortcuts !== "on") return;
  const meanings = keyboard.meanings(event).filter(([name]) => !popover || name === "help");
  const [name, shift] = meanings.find(([each]) => !/^mark_/.test(each) || !getSelection().isCollapsed || marks.editing) ?? meanings[0] ?? [];
  if (!name || (shift && !/^[ab][1-5]$/.test(name)) || (event.repeat && !["down", "up"].includes(name))) return;
  event.preventDefault();
  act(name, shift);
});

function inField(event) {
  if (event.key === "Escape") event.target.blur();
  if (event.key !== "Enter") return;
  if (event.ctrlKey || event.metaKey) send();
  else if (event.target.matches("textarea, select")) return;
  event.preventDefault(); // a form's own idea of Enter is its first button
}

// Skip and flag: digits choose, Enter does what the first button says.
function inDialog(event, popover) {
  if (event.key === "Enter" && !event.target.closest("button")) {
    event.preventDefault();
    popover.querySelector(".btn.primary").click();
    return true;
  }
  const choice = !typing(event.target) && popover.querySelector(`[data-choice="${CSS.escape(event.key)}"]`);
  if (!choice) return !typing(event.target) && event.key !== "Escape" && !event.key.startsWith("Arrow") && event.key !== "Tab";
  event.preventDefault();
  const input = choice.closest("label").querySelector("input");
  input.checked = true;
  input.focus();
  entered();
  return true;
}

// --- the pointer ----------------------------------------------------------------------------------------------------

document.addEventListener("submit", (event) => {
  if (event.target.id === "dock") {
    if (!revising || !complete(event.target)) event.preventDefault();
    if (!revising) submit(event.target, event.submitter);
  } else if (event.target.id === "undo") {
    event.preventDefault();
    undo();
  }
});

document.addEventListener("click", (event) => {
  if (event.target.closest("#compare")) differences.toggle(marks.texts);
});

document.addEventListener("change", ({ target }) => {
  if (target.closest("#dock, #ranking")) {
    excludeOther(target);
    entered();
  }
  if (target.name === "view") target.closest("label").querySelector(".unread")?.setAttribute("hidden", "");
  if (target.id === "shortcuts-off") {
    main.dataset.shortcuts = target.checked ? "off" : "on";
    ask(main.dataset.account, new URLSearchParams([["shortcuts", target.checked ? "off" : "on"]])).catch(() => {});
  }
  if (target.form?.id === "reading-form") {
    document.documentElement.dataset[target.name === "text_size" ? "text" : "lines"] = target.value;
    ask(main.dataset.account, new URLSearchParams([[target.name, target.value]])).catch(() => {});
  }
});

document.addEventListener("input", ({ target }) => target.closest("#dock") && typing(target) && entered());

gestures(main, (side) => document.querySelector(`#view-${side}`)?.click());

// --- the beginning --------------------------------------------------------------------------------------------------

begin();
if (!revising) questions.look(document.querySelector("#today")?.dataset.question);
if (!revising) await catchUp();

// Answers that an earlier visit could not send go first; then the next pairs are asked for.
async function catchUp() {
  const left = outbox.entries();
  if (left.length) {
    await outbox.flush();
    if (left.some((entry) => entry.assignment === dock()?.dataset.dealt) && !outbox.entries().length) await reload();
  }
  look();
}
