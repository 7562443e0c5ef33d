// What happens when a key is pressed: on the page, in a field of text, and in the dialogs of skip and flag.

import { typing } from "./keyboard.js";

// main: whose data say whether there are shortcuts. act(name, shift): does what a key stands for; send(): submits;
// changed(): something was entered.
export function listen(main, keyboard, marks, ranking, { act, send, changed }) {
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

  // Digits choose, Enter does what the first button says.
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
    changed();
    return true;
  }
}
