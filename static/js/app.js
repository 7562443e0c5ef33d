// What every page needs: menus that close, forms that act at once, and errors of htmx shown to the person.

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

document.addEventListener("change", (event) => {
  if (event.target.name === "theme") event.target.form.requestSubmit();
});

// A page that asked for a part gets an error as a note above it, never nothing.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr } = event.detail;
  if (xhr.status >= 400 && xhr.status < 500 && xhr.getResponseHeader("Content-Type")?.startsWith("text/html")) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
    const notes = document.querySelector("#notes");
    if (notes && !xhr.getResponseHeader("HX-Retarget")) {
      event.detail.target = notes;
      event.detail.swapOverride = "innerHTML";
    }
  }
});
