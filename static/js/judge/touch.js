// On a phone one response is shown at a time: a swipe shows the other.

const FAR = 60;

export function gestures(main, turnTo) {
  let start = null;
  main.addEventListener("touchstart", (event) => {
    const inScroller = event.target.closest("pre, table, .dock, .pic[data-zoomed]");
    start = event.touches.length === 1 && !inScroller ? event.touches[0] : null;
  }, { passive: true });
  main.addEventListener("touchend", (event) => {
    const tabs = document.querySelector(".pair-tabs");
    if (!start || !tabs?.offsetParent || !getSelection().isCollapsed) return;
    const end = event.changedTouches[0];
    const [across, down] = [end.clientX - start.clientX, end.clientY - start.clientY];
    if (Math.abs(across) < FAR || Math.abs(across) < 2 * Math.abs(down)) return;
    const forward = (across < 0) === (document.dir !== "rtl");
    turnTo(forward ? "b" : "a");
  }, { passive: true });
}
