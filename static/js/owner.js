// The owner's pages: copying what is shown once. Everything else works by forms and htmx.

function offerCopying(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.querySelector(button.dataset.copy);
  await navigator.clipboard.writeText(source.value ?? source.textContent);
  button.textContent = button.dataset.copied ?? "✓";
});

document.addEventListener("htmx:afterSettle", (event) => offerCopying(event.target));
offerCopying(document);
