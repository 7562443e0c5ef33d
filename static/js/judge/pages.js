// Tasks as the server sends them: the one on the screen, and texts of those that are shown later.

export const dock = () => document.querySelector("#dock");
export const kind = () => dock()?.dataset.kind ?? "pair";

export function fragment(html) {
  return new DOMParser().parseFromString(html, "text/html");
}

export function dealtOf(html) {
  return /data-dealt="([^"]+)"/.exec(html)?.[1];
}

export function heldOf(html) {
  return /data-held="([^"]+)"/.exec(html)?.[1];
}

// A pair that was just judged comes back with what came of its responses: before any other.
export function secondLook(html) {
  return / data-hindsight[ >=]/.test(html);
}
