// The judging page: the next pairs are here before they are shown, answers are kept until the server has them, and
// everything has a key. Everything here is an extra: the form works without it.

import { Differences } from "./judge/differences.js";
import { Drafts, fill } from "./judge/drafts.js";
import { Entry } from "./judge/entry.js";
import { Keyboard, typing } from "./judge/keyboard.js";
import { Marks } from "./judge/marks.js";
import { Notes, toast } from "./judge/notes.js";
import { ask, Outbox, Refused, SignedOut } from "./judge/outbox.js";
import { dealtOf, dock, fragment, heldOf, kind, secondLook } from "./judge/pages.js";
import { Pictures } from "./judge/pictures.js";
import { listen } from "./judge/pressing.js";
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

const say = (text) => (document.querySelector("#live").textContent = text);

const keyboard = new Keyboard();
const clock = new Clock();
const pace = new Pace(place, Number(main.dataset.break), words);
const drafts = new Drafts(main.dataset.owner, main.dataset.drafts);
const differences = new Differences(words, say);
const marks = new Marks(words, keys, say, () => entry.changed());
const pictures = new Pictures(main);
const ranking = new Ranking(words, say, () => entry.changed());
const notes = new Notes(main, words);
const questions = new Questions(document.querySelector("#kept") ?? main, words, (html) => notes.keep(html), say);
const revising = main.dataset.mode === "revise"; // an earlier judgment is edited: a plain form
const entry = new Entry(main, words, {
  fields: (form) => drafts.fieldsOf(form),
  changed: (form) => revising || drafts.changed(form),
  ordered: () => ranking.complete,
});
const outbox = new Outbox(`attune:outbox:${place}`, here, { extra, stored, refused, changed: status });

let shown = main.innerHTML; // as it came, to be shown again after an undo
let upcoming = [];

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
  entry.begin();
  pace.show();
}

function takeIn(html) {
  const known = [shown, ...upcoming].map(dealtOf);
  if (!known.includes(dealtOf(html))) upcoming.push(html);
}

function takeInFirst(html) {
  upcoming = upcoming.filter((each) => dealtOf(each) !== dealtOf(html));
  if (dealtOf(html) !== dealtOf(shown) || !dock()) upcoming.unshift(html);
}

// --- pairs ahead, answers on their way ------------------------------------------------------------------------------

function held() {
  const waiting = outbox.entries().map((each) => each.held);
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

function stored(_sent, html) {
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

// The server does not take an answer: say why, and show the pair again with it where it can still be judged.
function refused(sent, error) {
  const fields = [...new URLSearchParams(sent.body)];
  if (error.status === 422 && sent.html) {
    drafts.keep(sent.assignment, fields);
    if (dock()) upcoming.unshift(shown);
    show(sent.html, "{today}");
    document.querySelector("#notes").innerHTML = error.html;
    return;
  }
  const written = fields.find(([name]) => name === "rationale")?.[1];
  notes.keep(error.html, [sent.gist, written && `${words.refused_kept} “${written}”`]);
  if (!dock()) reload();
}

function status(state, count) {
  const save = document.querySelector("#save");
  const said = { saved: words.saved, saving: words.saving, offline: words.offline, fault: words.fault, signed_out: words.signed_out }[state];
  if (save.dataset.state !== state || count) save.querySelector(".t").textContent = said.replace("{n}", count);
  save.dataset.state = state;
  notes.signedIn();
  if (state === "signed_out") notes.signedOut();
  if (!dock() && upcoming.length && !["saved", "saving"].includes(state)) show(upcoming.shift()); // a second look can wait
  if (!dock() && !["saved", "saving"].includes(state)) notes.waiting(state, count);
  if (state === "saved" && !dock() && (document.querySelector("#waiting") || !main.querySelector(".state"))) reload(); // or another tab sent it
}

async function reload() {
  try {
    take(await ask(here));
  } catch (error) {
    if (error instanceof SignedOut) notes.signedOut();
    else if (error instanceof Refused) notes.keep(error.html);
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

function send() {
  dock()?.requestSubmit(dock().querySelector(".send"));
}

function submit(form, submitter) {
  const skipping = submitter?.name === "skip";
  if (!skipping && !entry.complete(form)) return;
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
    if (error instanceof Refused) notes.keep(error.html);
    else say(words.undo_offline);
  }
}

function openPopover(id) {
  document.querySelector(id)?.togglePopover();
}

function mark(good) {
  if (!dock() || marks.give(good)) return;
  say(words.mark_none.replace("{key}", keys.select));
}

function act(name, shift) {
  if (/^step[1-7]$/.test(name)) return entry.pick(name.slice(4));
  if (/^[ab][1-5]$/.test(name)) return entry.reason(name, shift);
  if (/^rate/.test(name)) return entry.pick(name.slice(4), "rating");
  if (/^card/.test(name)) return ranking.pick(name);
  if (/^place/.test(name)) return ranking.place(Number(name.slice(5)));
  return {
    na: () => entry.pick("na", "rating"),
    tie: () => ranking.tie(),
    both_good: () => entry.pick("both_good"),
    both_bad: () => entry.pick("both_bad"),
    words: () => entry.openText(),
    mark_good: () => mark(true),
    mark_bad: () => mark(false),
    select: () => dock() && marks.select(),
    aspects: () => entry.openAspects(),
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

// --- keys and the pointer -------------------------------------------------------------------------------------------

listen(main, keyboard, marks, ranking, { act, send, changed: () => entry.changed() });

document.addEventListener("submit", (event) => {
  if (event.target.id === "dock") {
    if (!revising || !entry.complete(event.target)) event.preventDefault();
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
  if (target.closest("#dock, #ranking")) entry.changed(target);
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

document.addEventListener("input", ({ target }) => target.closest("#dock") && typing(target) && entry.changed());

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
    if (left.some((each) => each.assignment === dock()?.dataset.dealt) && !outbox.entries().length) await reload();
  }
  look();
}
